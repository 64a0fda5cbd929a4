"""The pages of a search: a token says how many results come before a page."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from api.protocols.mlflow.answers import Answer
from api.protocols.mlflow.requests import ModelSearch, VersionSearch
from registry.errors import ParameterMalformed
from registry.reading.searches import Search


class _Place(Struct):
    o: Annotated[int, Meta(ge=0, le=2**31 - 1)]


def search_of(arguments: ModelSearch | VersionSearch) -> Search:
    """Raises ParameterMalformed."""
    return Search(
        filter=arguments.filter,
        order_by=arguments.order_by,
        skipped=_skipped(arguments.page_token),
        most=arguments.max_results,
    )


def page_of(key: str, found: list[Answer], search: Search, *, more: bool) -> Answer:
    """What ``search`` found under ``key``, which is absent where that is nothing, as in Protocol
    Buffers; ``more``: there is another page."""
    page: Answer = {key: found} if found else {}
    if more:
        place = msgspec.json.encode(_Place(search.skipped + search.most))
        page["next_page_token"] = urlsafe_b64encode(place).decode().rstrip("=")
    return page


def _skipped(token: str) -> int:
    if not token:
        return 0
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        return msgspec.json.decode(urlsafe_b64decode(padded), type=_Place).o
    except (ValueError, msgspec.DecodeError) as error:
        raise ParameterMalformed(
            "page_token", "expected the 'next_page_token' of an answer."
        ) from error
