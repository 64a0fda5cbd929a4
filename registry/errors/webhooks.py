"""Webhooks and the delivery of their messages."""

from collections.abc import Iterable

from registry.errors.base import Conflict, Fault, NotFound, Refused, Unavailable


class WebhookNotFound(NotFound):
    title = "Webhook not found"

    def __init__(self, webhook_id: object) -> None:
        super().__init__(f"There is no webhook with the id {webhook_id}.")


class DeliveryNotFound(NotFound):
    title = "Delivery not found"

    def __init__(self, webhook_id: object, delivery_id: object) -> None:
        super().__init__(f"The webhook {webhook_id} has no delivery with the id {delivery_id}.")


class WebhookRefused(Refused):
    title = "Webhook refused"

    def __init__(self, faults: Iterable[Fault]) -> None:
        super().__init__("The webhook is not acceptable.", faults)


class AddressRefused(Refused):
    """An address that webhooks must not reach."""

    title = "Address refused"

    def __init__(self, cause: str) -> None:
        super().__init__(f"The address is not acceptable: {cause}.", [Fault("url", cause)])
        self.cause = cause


class TooManyWebhooks(Conflict):
    title = "Too many webhooks"

    def __init__(self, most: int) -> None:
        super().__init__(f"There are {most} webhooks, which is the limit. Delete one first.")


class WebhookDisabled(Conflict):
    title = "Webhook disabled"

    def __init__(self, webhook_id: int) -> None:
        super().__init__(
            f"The webhook {webhook_id} is disabled, so nothing is sent. Enable it first."
        )


class WebhookKeyUnavailable(Unavailable):
    title = "Key of webhooks unavailable"

    def __init__(self, cause: str) -> None:
        super().__init__(f"The file with the key that signs webhooks is unavailable: {cause}.")
