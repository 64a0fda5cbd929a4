"""A host that shares its database with others, and the leases by which it may answer."""

from registry.errors.base import Conflict, NotFound, Unavailable
from registry.errors.quoting import shown


class LeaseOver(Unavailable):
    title = "Not confirmed"
    retry_after = 1

    def __init__(self) -> None:
        super().__init__(
            "This host does not know what is live: it is still starting, has not reached the "
            "database for too long (HOTSWAP_LEASE_SECONDS), shares the database with a host that "
            "has no lease, or has to be started again, as its log then says. Another host may "
            "answer."
        )


class HostNotFound(NotFound):
    title = "Host not found"

    def __init__(self, host: str) -> None:
        super().__init__(f"No host {shown(host)} uses this database.")


class HostNotAlone(Conflict):
    title = "Other hosts use the database"

    def __init__(self, host: str, others: list[str]) -> None:
        named = ", ".join(f"'{other}'" for other in others)
        use = "uses" if len(others) == 1 else "use"
        super().__init__(
            f"Host '{host}' has HOTSWAP_LEASE_SECONDS=0, which only the one host of a database may "
            f"have, but {named} {use} the database too. Set it on all hosts, or stop the others; "
            "'hotswap hosts forget NAME' forgets one that does not exist any more."
        )

    @classmethod
    def beside(cls, alone: str) -> "HostNotAlone":
        """The error of a host that finds another one which expects to be the only one."""
        error = cls(alone, [])
        error.detail = (
            f"Host '{alone}' uses the database with HOTSWAP_LEASE_SECONDS=0 and expects to be the "
            "only one. Stop it, or start it with a lease; 'hotswap hosts forget NAME' forgets one "
            "that does not exist any more."
        )
        return error
