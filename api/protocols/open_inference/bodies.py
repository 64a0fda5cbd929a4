"""The bodies of calls that are not predictions."""

import msgspec
from flask import request

from api.bodies import MAX_JSON_BODY, read_body
from api.codings import decoded_if_encoded
from registry.errors import BodyMalformed, BodyRefused, Fault


class Body(msgspec.Struct):
    """Unknown members are ignored."""

    ready: bool = False
    parameters: dict[str, msgspec.Raw] = {}


def read_parameters() -> Body:
    """The body of the current request, whatever its Content-Type; it may be empty.

    Raises BodyMalformed, BodyRefused, and what ``read_body`` raises.
    """
    body = read_body(request.environ, MAX_JSON_BODY, decode=decoded_if_encoded)
    if not body:
        return Body()
    try:
        body.decode()
        return msgspec.json.decode(body, type=Body)
    except msgspec.ValidationError as error:
        message, _, place = str(error).replace("`", "").partition(" - at $")
        at = place.removeprefix(".") or "body"
        raise BodyRefused(f"{at}: {message}.", [Fault(at, message)]) from error
    except RecursionError as error:
        raise BodyMalformed("The body is nested too deeply.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BodyMalformed(f"The body is not JSON: {error}.") from error
