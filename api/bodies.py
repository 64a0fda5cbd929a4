"""Reading a request's whole body into memory, within a limit."""

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from registry.errors import TooLarge

MAX_JSON_BODY = 2**20


def read_body(limit: int, setting: str | None = None) -> bytes:
    """The body of the present request; ``setting`` is what an operator would raise.

    Raises TooLarge.
    """
    # werkzeug ends a chunked body at its limit without a word, so that the rest would be missing
    # and nobody would know. One byte more tells.
    request.max_content_length = limit + 1
    too_large = TooLarge("The body", f"{limit} bytes", setting)
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise too_large from error
    if len(body) > limit:
        raise too_large
    return body
