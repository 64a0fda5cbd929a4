"""Waits for what happens to a model."""

import time
from collections.abc import Iterator
from itertools import takewhile

from hotswap.pages import all_items
from hotswap.replies import Event
from hotswap.transport import Transport


def follow(transport: Transport, path: str, after: int | None, seconds: float) -> Iterator[Event]:
    """The events of the history at ``path``, oldest first, as they happen: those after the event
    ``after``, None: after the last one. Asks every ``seconds``; an unchanged history is not sent.

    Raises what ``Transport.request`` raises.
    """
    tag: str | None = None
    while True:
        known = {} if tag is None else {"If-None-Match": tag}
        reply = transport.request("GET", path, query={"page_size": 1}, headers=known)
        if reply.status != 304:
            newest = next((event["seq"] for event in reply.object("items")["items"]), 0)
            start = newest if after is None else after
            found = _later(transport, path, start) if newest > start else []
            yield from reversed(found)
            after = found[0]["seq"] if found else start
            tag = reply.headers.get("ETag")
        time.sleep(seconds)


def _later(transport: Transport, path: str, start: int) -> list[Event]:
    """The events after that with the number ``start``, newest first."""
    return list(takewhile(lambda event: event["seq"] > start, all_items(transport, path)))
