"""Which codec reads which content type."""

from collections.abc import Callable

from registry.errors import FormatUnsupported, shown
from registry.serving.codecs.batch import Batch
from registry.serving.codecs.json_body import decode_json
from registry.serving.codecs.table_body import decode_arrow, decode_parquet
from registry.serving.codecs.text_body import decode_csv, decode_form
from registry.signature import Signature

JSON = "application/json"
CSV = "text/csv"
FORM = "application/x-www-form-urlencoded"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"

_BYTES_OF_SMALLEST_CELL = 2
"""``0,``: what a cell takes at least in CSV or JSON."""

_CODECS: dict[str, Callable[[bytes, Signature, int], Batch]] = {
    JSON: lambda body, signature, _: decode_json(body, signature),
    CSV: lambda body, signature, _: decode_csv(body, signature),
    FORM: lambda body, signature, _: decode_form(body, signature),
    ARROW: decode_arrow,
    PARQUET: decode_parquet,
}
REQUEST_TYPES = tuple(_CODECS)


def decode(content_type: str, body: bytes, signature: Signature, max_bytes: int) -> Batch:
    """Read the rows in ``body``.

    ``max_bytes`` is the limit on the body; compressed tables may not hold more cells than the
    largest text body could.

    Raises FormatUnsupported, BodyMalformed, InputRefused or TooLarge.
    """
    media_type, _, parameters = content_type.partition(";")
    codec = _CODECS.get(media_type.strip().lower())
    if codec is None:
        what = f"not {shown(content_type)}" if content_type else "none was sent"
        raise FormatUnsupported(f"Content-Type must be one of {', '.join(_CODECS)}; {what}.")
    charset = parameters.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    if charset not in {"", "utf-8", "utf8", "us-ascii"}:
        raise FormatUnsupported(f"The charset must be utf-8, not {shown(charset)}.")
    return codec(body, signature, max_bytes // _BYTES_OF_SMALLEST_CELL)
