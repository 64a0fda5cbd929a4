"""Hosts that share a database."""

from typing import cast

from hotswap.operations.service import Service
from hotswap.replies import Host
from hotswap.transport import path_of


class Hosts(Service):
    """The hosts that answer with what is in one database."""

    def hosts(self) -> list[Host]:
        """The hosts by name; none on SQLite. Requires the scope admin."""
        reply = self._transport.request("GET", "/hosts")
        return cast("list[Host]", reply.object("items")["items"])

    def forget_host(self, name: str) -> None:
        """Forget a host of which no process runs any more, so that no change waits for it.

        Raises ``problems.HostNotFound``.
        """
        self._transport.request("DELETE", path_of("hosts", name))
