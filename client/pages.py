"""Walks a paged list, asking for the next page only when somebody wants what is on it."""

from collections.abc import Iterator, Mapping
from typing import Any

from client.errors import ReplyNotUnderstood
from client.transport import Transport

PAGE_SIZE = 200
"""The most that the service gives at a time."""


def all_items(
    transport: Transport, path: str, query: Mapping[str, Any] | None = None
) -> Iterator[Any]:
    """Every item of the list at ``path``, page after page.

    Raises what ``Transport.request`` raises, when the page in question is asked for.
    """
    page = 1
    seen = 0
    while True:
        asked = {**(query or {}), "page": page, "page_size": PAGE_SIZE}
        reply = transport.request("GET", path, query=asked)
        content = reply.object("items", "total")
        items = content["items"]
        if not isinstance(items, list) or not isinstance(content["total"], int):
            raise ReplyNotUnderstood(reply.url, reply.status, "no list of items")
        yield from items
        seen += len(items)
        if not items or seen >= content["total"]:
            return
        page += 1
