"""``hotswap webhooks``."""

from itertools import islice
from typing import Any

import click

from cli.formatting import moment
from cli.service import json_option, speaks_to_service
from cli.terminal import Column, print_json, print_pairs, print_table
from hotswap import Registry
from hotswap.replies import Delivery, NewWebhook

COLUMNS = [
    Column("Id", right=True),
    Column("URL"),
    Column("Events"),
    Column("Models"),
    Column("State"),
]
DELIVERY_COLUMNS = [
    Column("Id", right=True),
    Column("Created"),
    Column("Event"),
    Column("Model"),
    Column("State"),
    Column("Attempts", right=True),
    Column("Last"),
    Column("Outcome"),
    Column("Next"),
]
STATES = ("waiting", "delivered", "failed")
WEBHOOK_ID = click.argument("webhook_id", metavar="ID", type=click.IntRange(min=1))


@click.group
def webhooks() -> None:
    """Send messages about events to other systems. Requires the scope admin."""


@webhooks.command
@click.argument("address", metavar="URL")
@click.option(
    "--event",
    "events",
    metavar="GLOB",
    multiple=True,
    required=True,
    help="Send events with this name, such as promoted or 'rollout.*'; may be repeated.",
)
@click.option(
    "--model",
    "models",
    metavar="GLOB",
    multiple=True,
    help="Only of models whose name matches; may be repeated.  [default: all]",
)
@json_option
@speaks_to_service
def create(
    registry: Registry,
    *,
    address: str,
    events: tuple[str, ...],
    models: tuple[str, ...],
    as_json: bool,
) -> None:
    """Create a webhook that sends to URL. Its secret is shown only once.

    \b
    Example:
      hotswap webhooks create https://hooks.example.com/models --event promoted --event 'alert.*'
    """
    _show(registry.create_webhook(address, events, models=models), as_json)


@webhooks.command(name="list")
@json_option
@speaks_to_service
def list_(registry: Registry, *, as_json: bool) -> None:
    """List the webhooks, without their secrets.

    \b
    Example:
      hotswap webhooks list
    """
    found = list(registry.webhooks())
    if as_json:
        print_json(found)
        return
    rows = [
        [
            webhook["id"],
            webhook["url"],
            webhook["events"],
            webhook.get("models") or "all",
            _state(webhook),
        ]
        for webhook in found
    ]
    print_table(COLUMNS, rows, "There are no webhooks.")


@webhooks.command
@WEBHOOK_ID
@json_option
@speaks_to_service
def rotate(registry: Registry, webhook_id: int, as_json: bool) -> None:
    """Give webhook ID a new secret, and show it.

    For 24 hours its messages have a signature with each of the two secrets.

    \b
    Example:
      hotswap webhooks rotate 3
    """
    _show(registry.rotate_webhook(webhook_id), as_json)


@webhooks.command
@WEBHOOK_ID
@json_option
@speaks_to_service
def test(registry: Registry, webhook_id: int, as_json: bool) -> None:
    """Send a message of the type webhook.test to webhook ID.

    \b
    Example:
      hotswap webhooks test 3
      hotswap webhooks deliveries 3
    """
    _show_delivery(registry.test_webhook(webhook_id), as_json)


@webhooks.command
@WEBHOOK_ID
@click.option("--state", type=click.Choice(STATES), help="Only these.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@json_option
@speaks_to_service
def deliveries(
    registry: Registry, *, webhook_id: int, state: str | None, limit: int, as_json: bool
) -> None:
    """List the messages to webhook ID, newest first.

    \b
    Example:
      hotswap webhooks deliveries 3 --state failed
    """
    found = list(islice(registry.deliveries(webhook_id, state=state), limit))
    if as_json:
        print_json(found)
        return
    print_table(DELIVERY_COLUMNS, map(_row, found), "There are no messages.")


@webhooks.command
@WEBHOOK_ID
@click.argument("delivery_id", metavar="DELIVERY", type=click.IntRange(min=1))
@json_option
@speaks_to_service
def retry(registry: Registry, *, webhook_id: int, delivery_id: int, as_json: bool) -> None:
    """Send the message DELIVERY of webhook ID again, with the same id.

    \b
    Example:
      hotswap webhooks retry 3 41
    """
    _show_delivery(registry.retry_delivery(webhook_id, delivery_id), as_json)


@webhooks.command
@WEBHOOK_ID
@json_option
@speaks_to_service
def disable(registry: Registry, webhook_id: int, as_json: bool) -> None:
    """Send nothing to webhook ID any more, until it is enabled.

    \b
    Example:
      hotswap webhooks disable 3
    """
    _switch(registry, webhook_id, as_json, enabled=False)


@webhooks.command
@WEBHOOK_ID
@json_option
@speaks_to_service
def enable(registry: Registry, webhook_id: int, as_json: bool) -> None:
    """Send the events that happen from now on to webhook ID again.

    \b
    Example:
      hotswap webhooks enable 3
    """
    _switch(registry, webhook_id, as_json, enabled=True)


@webhooks.command
@WEBHOOK_ID
@json_option
@speaks_to_service
def delete(registry: Registry, webhook_id: int, as_json: bool) -> None:
    """Delete webhook ID and the list of its messages.

    \b
    Example:
      hotswap webhooks delete 3
    """
    registry.delete_webhook(webhook_id)
    if as_json:
        print_json({"id": webhook_id, "deleted": True})
    else:
        click.echo(f"Webhook {webhook_id} was deleted.")


def _switch(registry: Registry, webhook_id: int, as_json: bool, *, enabled: bool) -> None:
    webhook = registry.change_webhook(webhook_id, enabled=enabled)
    if as_json:
        print_json(webhook)
    else:
        click.echo(f"Webhook {webhook_id} is {'enabled' if enabled else 'disabled'}.")


def _show(webhook: NewWebhook, as_json: bool) -> None:
    if as_json:
        print_json(webhook)
        return
    print_pairs(
        {
            "secret": webhook["secret"],
            "id": webhook["id"],
            "url": webhook["url"],
            "events": webhook["events"],
            "models": webhook.get("models") or "all",
        }
    )
    click.echo("Store the secret now: it cannot be shown again.", err=True)


def _show_delivery(delivery: Delivery, as_json: bool) -> None:
    if as_json:
        print_json(delivery)
    else:
        click.echo(f"Message {delivery['id']} will be sent soon.")


def _state(webhook: Any) -> str:
    if not webhook["enabled"]:
        return f"disabled: {webhook.get('disabled_why')}"
    if webhook.get("failing_since"):
        return f"failing since {moment(webhook['failing_since'])}"
    return "enabled"


def _row(delivery: Delivery) -> list[object]:
    return [
        delivery["id"],
        moment(delivery["created_at"]),
        delivery["event"],
        delivery.get("model"),
        delivery["state"],
        delivery["attempts"],
        moment(delivery.get("last_at")),
        delivery.get("last_error") or delivery.get("last_status"),
        moment(delivery.get("next_at")),
    ]
