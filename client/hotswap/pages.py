"""Iterates over a paged list; a page is requested when its first item is needed."""

from collections.abc import Iterator, Mapping
from typing import Any

from hotswap.errors import ReplyNotUnderstood
from hotswap.transport import Transport

PAGE_SIZE = 200
"""The largest page of the service."""


def all_items(
    transport: Transport,
    path: str,
    query: Mapping[str, Any] | None = None,
    *,
    cursor: str = "after",
) -> Iterator[Any]:
    """Every item of the list at ``path``, each once even if items are added meanwhile.

    ``cursor`` is the parameter that takes the ``next`` of the previous page.

    Raises what ``Transport.request`` raises, when a page is requested.
    """
    parameters = {**(query or {}), "page_size": PAGE_SIZE}
    while True:
        reply = transport.request("GET", path, query=parameters)
        content = reply.object("items")
        if not isinstance(content["items"], list):
            raise ReplyNotUnderstood(reply.url, reply.status, "no list of items")
        yield from content["items"]
        if (following := content.get("next")) is None:
            return
        if not isinstance(following, str) or following == parameters.get(cursor):
            raise ReplyNotUnderstood(reply.url, reply.status, "no next cursor")
        parameters[cursor] = following
