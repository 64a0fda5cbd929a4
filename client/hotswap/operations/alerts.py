"""Alerts."""

from collections.abc import Iterator
from typing import cast

from hotswap.operations.service import Service
from hotswap.pages import all_items
from hotswap.replies import Alert
from hotswap.transport import path_of


class Alerts(Service):
    """What was found by watching, and who has seen it."""

    def alerts(
        self, name: str | None = None, *, kind: str | None = None, open: bool | None = None
    ) -> Iterator[Alert]:
        """The alerts of a model, or of all models that the token covers, newest first; with
        ``open`` only those whose cause holds, or only the others."""
        query = {} if kind is None else {"kind": kind}
        if open is not None:
            query["open"] = str(open).lower()
        path = "/alerts" if name is None else path_of("models", name, "watch", "alerts")
        return all_items(self._transport, path, query)

    def see_alert(self, alert_id: int) -> Alert:
        """Note that the alert was seen, unless somebody did before.

        Raises ``problems.AlertNotFound``.
        """
        reply = self._transport.request(
            "POST", path_of("alerts", alert_id, "seen"), repeatable=True
        )
        return cast(Alert, reply.object("id", "kind"))
