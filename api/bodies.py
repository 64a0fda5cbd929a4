"""Reading a request's whole body into memory, within a limit."""

from collections.abc import Mapping
from typing import Any

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from registry.errors import BodyMalformed, TooLarge

MAX_JSON_BODY = 2**20


def read_body(environ: Mapping[str, Any], limit: int, setting: str | None = None) -> bytes:
    """The body of the WSGI request ``environ``; ``setting`` is what an operator would raise.

    Raises TooLarge, or BodyMalformed where it breaks off.
    """
    length = environ.get("CONTENT_LENGTH")
    if length and length.isdecimal():
        if int(length) > limit:
            raise TooLarge("The body", f"{limit} bytes", setting)
        body: bytes = environ["wsgi.input"].read(int(length))
        if len(body) < int(length):
            raise BodyMalformed(f"The body breaks off after {len(body)} of {length} bytes.")
        return body
    try:
        # werkzeug ends a chunked body at its limit without a word, so that the rest would be
        # missing and nobody would know. One byte more tells.
        body = get_input_stream(dict(environ), max_content_length=limit + 1).read()
    except RequestEntityTooLarge as error:
        raise TooLarge("The body", f"{limit} bytes", setting) from error
    if len(body) > limit:
        raise TooLarge("The body", f"{limit} bytes", setting)
    return body
