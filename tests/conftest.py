"""How many examples Hypothesis tries: few in ``make test``, many in ``make test-slow``.

Also has the zygote that tests share, and for ``make test`` files in memory and one process for all
tests of real servers; collects the tests without looking for garbage, and lets Ctrl-C interrupt the
processes that tests start.
"""

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from registry.confinement.spawner import Spawner
from registry.engines.model_process import MODULES as SERVING_MODULES
from registry.intake.inspector import MODULES as INTAKE_MODULES
from tests.faults import strace
from tests.memory import in_memory
from tests.postgresql import Databases, PostgreSql, running_postgresql, upgrade_and_close

# They run in environments of their own: make test-clients.
collect_ignore = ["clients"]
pytest_plugins = ["tests.told_figures"]

_SYSTEM = "tests/system/"

# No deadline and no check of the time that examples take: the machine may be busy.
_ALWAYS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples each time, so that only a change can make the tests fail.
settings.register_profile("quick", _ALWAYS, max_examples=30, derandomize=True)
settings.register_profile("thorough", _ALWAYS, max_examples=500, derandomize=True)
# Other examples each time: to look for faults that the same examples never show.
settings.register_profile("random", _ALWAYS, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# A shell starts what runs in the background with SIGINT ignored, which children inherit.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--in-memory",
        action="store_true",
        help="Keep temporary files in memory where it has room: nothing then waits for a disk.",
    )
    parser.addoption(
        "--one-server",
        action="store_true",
        help="With xdist, run tests/system in one process, first: others would start servers too.",
    )
    parser.addoption(
        "--postgresql",
        action="store_true",
        help="Run only the tests that fit either database, on PostgreSQL instead of SQLite.",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--in-memory") and (folder := in_memory()) is not None:
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if not config.getoption("--one-server"):
        return None
    from xdist.scheduler import LoadScopeScheduling

    class OneServer(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _SYSTEM if nodeid.startswith(_SYSTEM) else super()._split_scope(nodeid)

    return OneServer(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--postgresql"):
        items[:] = [
            item
            for item in items
            if "databases" in getattr(item, "fixturenames", ())
            and item.get_closest_marker("sqlite") is None
        ]
    if config.getoption("--one-server"):
        items.sort(key=lambda item: not item.nodeid.startswith(_SYSTEM))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    # What thousands of tests are collected into stays until the end. Looking through it again and
    # again for garbage takes as long as collecting them.
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSql]:
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database, to be copied."""
    file = tmp_path_factory.mktemp("template") / "registry.db"
    upgrade_and_close(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest, sqlite_template: Path) -> Databases:
    """The databases of tests that fit either kind: on SQLite, or with --postgresql there."""
    chosen = request.config.getoption("--postgresql")
    server = request.getfixturevalue("postgresql") if chosen else None
    return Databases(server, sqlite_template)


@pytest.fixture(scope="session")
def traced() -> None:
    """Skips where strace cannot be used."""
    if why := strace.available():
        pytest.skip(why)


@pytest.fixture(scope="session")
def spawner() -> Iterator[Spawner]:
    """Starts the processes of uploads and models, as that of the service does. One for all tests of
    a pytest process: its zygote imports for three seconds."""
    with closing(Spawner((*INTAKE_MODULES, *SERVING_MODULES))) as spawner:
        yield spawner
