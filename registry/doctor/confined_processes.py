"""Whether this machine can confine the processes that open uploads."""

from collections.abc import Iterator

from registry.confinement.spawner import SpawnFailed, missing_defences
from registry.doctor.findings import Finding, Installation

_ADVICE = "See docs/decisions/0015-confined-processes.md for what each defence requires."


def check_confinement(_: Installation) -> Iterator[Finding]:
    """Uploads are opened in confined processes; one is started here as for an upload."""
    try:
        missing = missing_defences()
    except SpawnFailed as error:
        yield Finding("confinement", "fault", f"uploads cannot be inspected: {error}", _ADVICE)
        return
    for line in missing:
        yield Finding("confinement", "warning", line, _ADVICE)
    if not missing:
        yield Finding("confinement", "ok", "uploads are opened with all defences")
