"""Versions that are loaded wherever they will answer, before an alias may point at them."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy.orm import Session

from registry.engines.served_version import ServedVersion


class Prepared(Protocol):
    """A version that the hosts which share the database have loaded."""

    def commit(self, session: Session) -> None:
        """Note within the write transaction that an alias may point at it now.

        Raises PromotionAbandoned, VersionNotLoadable.
        """


Prepare = Callable[[ServedVersion], AbstractContextManager[Prepared | None]]
"""Loads and warms a version in every worker, and keeps it loaded while the context manager that it
returns is entered, which gives None where there is one host; raises VersionNotLoadable where that
fails."""


def commit_prepared(session: Session, prepared: Prepared | None) -> None:
    """Note that it is promoted. Raises PromotionAbandoned, VersionNotLoadable."""
    if prepared is not None:
        prepared.commit(session)
