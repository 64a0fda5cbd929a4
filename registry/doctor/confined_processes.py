"""Whether this machine can confine what opens uploads."""

from collections.abc import Iterator

from registry.confinement.spawner import SpawnFailed, missing_defences
from registry.doctor.findings import Finding, Installation

_ADVICE = "docs/decisions/0015-confined-processes.md says what each defence rests on."


def check_confinement(_: Installation) -> Iterator[Finding]:
    """Uploads are opened in processes that can do nothing else; tried here as at an upload."""
    try:
        missing = missing_defences()
    except SpawnFailed as error:
        yield Finding("confinement", "fault", f"uploads cannot be inspected: {error}", _ADVICE)
        return
    for line in missing:
        yield Finding("confinement", "warning", line, _ADVICE)
    if not missing:
        yield Finding("confinement", "ok", "uploads are opened with every defence that there is")
