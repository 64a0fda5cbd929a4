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
    """Every item of the list at ``path``, page after page, each once whatever is added meanwhile.

    Raises what ``Transport.request`` raises, when the page in question is asked for.
    """
    asked = {**(query or {}), "page_size": PAGE_SIZE}
    while True:
        reply = transport.request("GET", path, query=asked)
        content = reply.object("items", "total")
        if not isinstance(content["items"], list):
            raise ReplyNotUnderstood(reply.url, reply.status, "no list of items")
        yield from content["items"]
        if (following := content.get("next")) is None:
            return
        if not isinstance(following, str) or following == asked.get("after"):
            raise ReplyNotUnderstood(reply.url, reply.status, "no cursor that leads on")
        asked["after"] = following
