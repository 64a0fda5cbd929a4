"""What this host's server has counted of the versions of rollouts."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from registry.rollouts.observed import Sources, Totals
from registry.watching.arm_counts import ArmRows, kept_arms, read_arms
from registry.watching.telemetry_folders import began_at


class HostCounts(NamedTuple):
    """The counts of the ``server`` (None: none runs), which began to count at ``began_at``, and of
    the one ``before``, by its end."""

    server: ArmRows | None = None
    before: ArmRows | None = None
    began_at: datetime | None = None

    def of(self, model: str, alias: str) -> Sources:
        """The totals of the versions that ``alias`` has pointed at, by server and number."""
        return {
            counts.began: {
                number: Totals(arm.faults, arm.times)
                for number, arm in counts.of(model, alias).items()
            }
            for counts in (self.before, self.server)
            if counts is not None
        }

    def begun_since(self, moment: datetime) -> Sources:
        """What the server had counted when it began, which is nothing, if that was after
        ``moment``."""
        if self.server is None or self.began_at is None or self.began_at < moment:
            return {}
        return {self.server.began: {}}


ReadCounts = Callable[[], HostCounts]


def read_host_counts(folder: Path | None, run: Path) -> HostCounts:
    """The counts of the server whose ``folder`` of counts it is (None: none runs), and those that
    were kept in ``run`` of the one before. Raises OSError."""
    # Read first: else a server that begins meanwhile would lend its time to the one before.
    at = began_at(folder) if folder is not None else None
    server = read_arms(folder) if folder is not None else None
    before = kept_arms(run)
    return HostCounts(
        server=server if server is not None and server.began else None,
        before=before if before.began else None,
        began_at=at,
    )
