"""Moves of a registry to another database."""

from collections.abc import Iterable

from registry.errors.base import Conflict


class MoveRefused(Conflict):
    title = "Move refused"

    @classmethod
    def not_empty(cls, url: str) -> "MoveRefused":
        return cls(f"{url} is not empty. A registry is moved to a new, empty database.")

    @classmethod
    def hosts_run(cls, hosts: Iterable[str]) -> "MoveRefused":
        return cls(
            f"Hosts use the database: {', '.join(hosts)}. Stop their services first; what they "
            "changed during the move would be lost."
        )

    @classmethod
    def unstorable(cls, table: str, why: str) -> "MoveRefused":
        return cls(f"A row of the table '{table}' cannot be stored there: {why} Nothing was moved.")

    @classmethod
    def differs(cls, table: str) -> "MoveRefused":
        return cls(f"The rows of the table '{table}' are not the copied ones. Nothing was moved.")
