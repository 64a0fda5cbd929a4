"""Checks that the keeper of this host watches what is live."""

from collections.abc import Iterator

from registry.doctor.findings import Finding, Installation
from registry.watching.heartbeat import DEAD_SECONDS, unwatched_seconds

KEEPER_ADVICE = (
    "The log has the cause. 'hotswap serve' starts the keeper; under another server run 'hotswap "
    "watch run', or set HOTSWAP_WATCH=0 if nothing is to be watched."
)


def check_keeper(installation: Installation) -> Iterator[Finding]:
    """The keeper runs, if something is served and is to be watched."""
    if not installation.watch:
        yield Finding("keeper", "ok", "nothing is watched (HOTSWAP_WATCH=0)")
        return
    seconds = unwatched_seconds(installation.run_folder)
    if seconds is None:
        yield Finding("keeper", "ok", "no worker serves, so there is nothing to watch")
    elif seconds <= DEAD_SECONDS:
        yield Finding("keeper", "ok", "the keeper watches what is live")
    else:
        yield Finding("keeper", "fault", said_of(seconds), KEEPER_ADVICE)


def said_of(seconds: float) -> str:
    """What is wrong when nothing was watched for this long."""
    minutes = int(seconds // 60)
    return f"nothing has watched rollouts and alerts for {minutes} min: the keeper does not run"
