"""The bodies of messages.

A body says what happened and where to read more. It has no rows, no keys and no details of the
event.
"""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

import msgspec

from registry.deliveries.patterns import TEST_EVENT, event_name
from registry.reading.views import timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What a message is about: an event of the history; ``seq`` None: a test of the webhook."""

    seq: int | None
    type: str
    at: datetime
    model: str | None = None
    alias: str | None = None
    from_version: int | None = None
    to_version: int | None = None
    reason: str | None = None


def body_of(happening: Happening, public_url: str) -> bytes:
    """The body as JSON: ``type``, ``timestamp`` and ``data``.

    ``public_url`` is what links begin with; empty: they are paths. The same event always has the
    same body.
    """
    return msgspec.json.encode(
        {
            "type": TEST_EVENT if happening.seq is None else event_name(happening.type),
            "timestamp": timestamp(happening.at),
            "data": {
                "event": happening.seq,
                "model": happening.model,
                "alias": happening.alias,
                "from_version": happening.from_version,
                "to_version": happening.to_version,
                "reason": happening.reason,
                "link": f"{public_url}{_path(happening)}",
            },
        }
    )


def _path(happening: Happening) -> str:
    if happening.model is None:
        return "/history"
    model = f"/models/{quote(happening.model, safe='')}"
    return model if happening.to_version is None else f"{model}/{happening.to_version}"
