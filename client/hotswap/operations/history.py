"""The history and the traffic."""

from collections.abc import Iterator
from datetime import datetime
from typing import cast

from hotswap.following import follow
from hotswap.operations.service import Service
from hotswap.pages import all_items
from hotswap.replies import Event, HistoryHead, Traffic
from hotswap.transport import path_of


class History(Service):
    """What happened, and the predictions that were made."""

    def history(self, name: str) -> Iterator[Event]:
        """The events of a model, newest first."""
        return all_items(self._transport, path_of("models", name, "history"))

    def follow(
        self, name: str, *, after: int | None = None, seconds: float = 2.0
    ) -> Iterator[Event]:
        """The events of a model as they happen, oldest first, without end: those after the event
        with the number ``after``, or from now on. Sends a request every ``seconds``."""
        return follow(self._transport, path_of("models", name, "history"), after, seconds)

    def events(
        self,
        *,
        model: str | None = None,
        type: str | None = None,
        actor: str | None = None,
        alias: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Event]:
        """The events of all models that the token covers, newest first; for an admin also those of
        tokens. Each argument selects; ``since`` is included, ``until`` is not, and both must have a
        time zone.
        """
        query = {
            "model": model,
            "type": type,
            "actor": actor,
            "alias": alias,
            "from": since and since.isoformat(),
            "to": until and until.isoformat(),
        }
        given = {key: value for key, value in query.items() if value is not None}
        return all_items(self._transport, "/history", given, cursor="before")

    def history_head(self) -> HistoryHead:
        """Where the hash chain of the history ends, and the outcome of its last check."""
        return cast(HistoryHead, self._get("/history/head", "seq", "hash"))

    def verify_history(self) -> HistoryHead:
        """Let the service verify the hash chain of the history. Requires the scope admin.

        Raises HistoryBroken.
        """
        reply = self._transport.request("POST", "/history/verify")
        return cast(HistoryHead, reply.object("seq", "hash"))

    def traffic(
        self,
        name: str,
        window: str = "1h",
        *,
        until: datetime | None = None,
        version: int | None = None,
    ) -> Traffic:
        """The predictions of each version in a ``window`` of ``10m``, ``1h``, ``24h`` or ``30d``
        that ends at ``until``, which must have a time zone; now by default."""
        query = {"window": window}
        if until is not None:
            query["until"] = until.isoformat()
        if version is not None:
            query["version"] = str(version)
        reply = self._transport.request("GET", path_of("models", name, "traffic"), query=query)
        return cast(Traffic, reply.object("window", "versions"))
