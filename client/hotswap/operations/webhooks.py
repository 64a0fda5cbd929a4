"""Webhooks."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

from hotswap.operations.service import JSON, Service
from hotswap.pages import all_items
from hotswap.replies import Delivery, NewWebhook, Webhook
from hotswap.requested import json_body
from hotswap.transport import path_of


class Webhooks(Service):
    """Addresses that the service sends messages about events to."""

    def webhooks(self) -> Iterator[Webhook]:
        """The webhooks, newest first, without their secrets."""
        return all_items(self._transport, "/webhooks")

    def create_webhook(
        self, url: str, events: Sequence[str], *, models: Sequence[str] = ()
    ) -> NewWebhook:
        """Create a webhook; only this reply has its secret.

        ``events`` and ``models`` are glob patterns; no models means all, and events without a
        model.
        """
        request: dict[str, Any] = {"url": url, "events": list(events)}
        if models:
            request["models"] = list(models)
        reply = self._transport.request(
            "POST", "/webhooks", body=json_body(request), headers={"Content-Type": JSON}
        )
        return cast(NewWebhook, reply.object("id", "secret"))

    def change_webhook(self, webhook_id: int, **changes: Any) -> Webhook:
        """Change ``url``, ``events``, ``models`` (None: all) or ``enabled``."""
        reply = self._transport.request(
            "PATCH",
            path_of("webhooks", webhook_id),
            body=json_body(changes),
            headers={"Content-Type": JSON},
            repeatable=True,
        )
        return cast(Webhook, reply.object("id", "url"))

    def delete_webhook(self, webhook_id: int) -> None:
        """Delete a webhook, and the list of its messages."""
        self._transport.request("DELETE", path_of("webhooks", webhook_id))

    def rotate_webhook(self, webhook_id: int) -> NewWebhook:
        """Give a webhook a new secret, which only this reply has. For 24 hours its messages have a
        signature with each of the two secrets."""
        reply = self._transport.request("POST", path_of("webhooks", webhook_id, "rotate"))
        return cast(NewWebhook, reply.object("id", "secret"))

    def test_webhook(self, webhook_id: int) -> Delivery:
        """Have a message of the type ``webhook.test`` sent; ``deliveries`` shows its outcome."""
        reply = self._transport.request("POST", path_of("webhooks", webhook_id, "test"))
        return cast(Delivery, reply.object("id", "state"))

    def deliveries(self, webhook_id: int, *, state: str | None = None) -> Iterator[Delivery]:
        """The messages to a webhook, newest first; ``state``: only those that are ``waiting``,
        ``delivered`` or ``failed``."""
        query = {} if state is None else {"state": state}
        return all_items(self._transport, path_of("webhooks", webhook_id, "deliveries"), query)

    def retry_delivery(self, webhook_id: int, delivery_id: int) -> Delivery:
        """Have a message sent again, with the same id, whatever became of it before."""
        path = path_of("webhooks", webhook_id, "deliveries", delivery_id, "retry")
        reply = self._transport.request("POST", path, repeatable=True)
        return cast(Delivery, reply.object("id", "state"))
