"""The checks, in the order in which they are reported.

A new one is a function in a module of this package and a line in ``CHECKS``.
"""

from collections.abc import Iterable, Iterator

from sqlalchemy.exc import SQLAlchemyError

from registry.doctor.confined_processes import check_confinement
from registry.doctor.findings import Check, Finding, Installation
from registry.doctor.hosts import check_hosts
from registry.doctor.records import (
    check_aliases,
    check_engines,
    check_history,
    check_holdouts,
    check_schema,
)
from registry.doctor.software import (
    check_client,
    check_kernel,
    check_onnxruntime,
    check_python,
    check_scikit_learn,
    check_sqlite,
)
from registry.doctor.storage import check_blobs, check_directory, check_modes
from registry.doctor.watching import check_keeper
from registry.doctor.webhooks import check_webhooks
from registry.errors import RegistryError

CHECKS: tuple[Check, ...] = (
    check_python,
    check_client,
    check_scikit_learn,
    check_onnxruntime,
    check_kernel,
    check_sqlite,
    check_confinement,
    check_directory,
    check_modes,
    check_schema,
    check_history,
    check_blobs,
    check_aliases,
    check_engines,
    check_holdouts,
    check_keeper,
    check_hosts,
    check_webhooks,
)

QUICK_CHECKS: tuple[Check, ...] = (
    check_python,
    check_client,
    check_kernel,
    check_sqlite,
    check_directory,
    check_schema,
    check_aliases,
    check_engines,
    check_holdouts,
    check_keeper,
    check_hosts,
    check_webhooks,
)
"""Those that a running service can do while somebody waits: they import no libraries, start no
process, and read neither the whole history nor the whole directory."""


def examine(installation: Installation, checks: Iterable[Check] = CHECKS) -> Iterator[Finding]:
    """The findings of the checks in their order; a check that fails to run is a fault."""
    for check in checks:
        name = check.__name__.removeprefix("check_").replace("_", "-")
        try:
            yield from check(installation)
        except RegistryError as error:
            yield Finding(name, "fault", error.title, place=error.detail)
        except SQLAlchemyError as error:
            yield Finding(name, "fault", "the database cannot be read", place=str(error))
        except OSError as error:
            yield Finding(
                name, "fault", error.strerror or "failed", place=str(error.filename or error)
            )
