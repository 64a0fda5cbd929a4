"""What the keeper does, in the order in which it is done."""

from typing import Protocol

from keeper.loop import Task
from keeper.services import KeeperServices


class Companion(Protocol):
    """Works beside the loop in threads of its own: what waits for others must not delay it."""

    def start(self) -> None:
        """Begin, and return at once."""

    def close(self) -> None:
        """Stop within a few seconds. What was not finished is done after the next start."""


def tasks_of(services: KeeperServices) -> list[Task]:  # noqa: ARG001 - for the tasks that follow
    """The tasks of the loop."""
    return []


def companions_of(services: KeeperServices) -> list[Companion]:  # noqa: ARG001
    """What works beside the loop."""
    return []
