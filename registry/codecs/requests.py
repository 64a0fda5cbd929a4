"""Chooses the decoder of a request body by its content type."""

from collections.abc import Callable
from weakref import WeakValueDictionary

from registry.codecs.arrow_body import ArrowReader
from registry.codecs.arrow_sizes import TableSize
from registry.codecs.batch import Batch
from registry.codecs.csv_pieces import most_rows as most_csv_rows
from registry.codecs.json_pieces import most_rows as most_json_rows
from registry.codecs.json_reader import JsonReader
from registry.codecs.parquet_body import decode_parquet, parquet_size
from registry.codecs.row_memory import RowMemory
from registry.codecs.scoring_body import ScoringReader
from registry.codecs.tensorflow_body import TensorflowReader
from registry.codecs.text_body import CsvReader, decode_form
from registry.codecs.text_memory import WIDEST, json_width, text_width
from registry.errors import FormatUnsupported, shown
from registry.extras import is_installed, missing
from registry.signature import Signature

JSON = "application/json"
CSV = "text/csv"
FORM = "application/x-www-form-urlencoded"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"

_BYTES_OF_SMALLEST_CELL = 2
"""``0,``, the smallest cell in CSV or JSON."""

_DECODERS: dict[str, Callable[[bytes, Signature, int], Batch]] = {
    FORM: lambda body, signature, _: decode_form(body, signature),
    PARQUET: decode_parquet,
}
_SIZES: dict[str, Callable[[bytes, Signature], TableSize]] = {
    JSON: lambda body, signature: TableSize(most_json_rows(body, signature), 0),
    CSV: lambda body, signature: TableSize(most_csv_rows(body, signature), 0),
    FORM: lambda *_: TableSize(1, 0),
    PARQUET: parquet_size,
}
_COPIES_IN_DECODERS = 3
"""Of the characters of texts: Arrow's dictionary of them, the result that it is copied to, and the
smaller blocks that it outgrew, which Arrow's allocator returns to the system some time later."""
_TEXTS: dict[str, Callable[[bytes], int]] = {
    JSON: json_width,
    CSV: text_width,
    FORM: lambda _: WIDEST,
    ARROW: lambda _: _COPIES_IN_DECODERS + WIDEST,
    PARQUET: lambda _: _COPIES_IN_DECODERS + WIDEST,
}
"""The bytes of memory for the texts in one byte of a body. Tables are not searched for wide
characters: they may be compressed, and numbers can contain any byte."""
REQUEST_TYPES = (JSON, CSV, FORM, ARROW, PARQUET)


class RequestReader:
    """Reads the rows in request bodies for one signature. Safe to use from several threads."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._memory = RowMemory(signature)
        self._has_texts = any(column.type in {"string", "date"} for column in signature.inputs)
        reader = JsonReader(signature)
        self.read_json = reader.read
        self._read_csv = CsvReader(signature).read
        self._arrow = ArrowReader(signature)
        self.read_scoring = ScoringReader(reader, signature).read
        self.read_tensorflow = TensorflowReader(reader, signature).read

    def cost(
        self,
        content_type: str,
        body: bytes,
        *,
        probabilities: bool = False,
        with_inputs: bool = False,
    ) -> int:
        """The most bytes of memory, ``body`` included, that it takes to decode a valid ``body``, to
        predict its rows and to write the reply; ``with_inputs``: which has the rows too.

        Raises FormatUnsupported.
        """
        media_type = media_type_of(content_type)
        size = (
            self._arrow.size(body)
            if media_type == ARROW
            else _SIZES[media_type](body, self._signature)
        )
        text = _TEXTS[media_type](body) if self._has_texts else 1
        return self._memory.of(
            size.rows,
            len(body) + size.unpacked,
            text=text,
            probabilities=probabilities,
            with_inputs=with_inputs,
        )

    def read(self, content_type: str, body: bytes, max_bytes: int) -> Batch:
        """The rows in ``body``.

        ``max_bytes`` is the limit on the body; compressed tables may not hold more cells than the
        largest text body could.

        Raises FormatUnsupported, BodyMalformed, InputRefused or TooLarge.
        """
        media_type = media_type_of(content_type)
        if media_type == JSON:
            return self.read_json(body)
        if media_type == CSV:
            return self._read_csv(body)
        max_cells = max_bytes // _BYTES_OF_SMALLEST_CELL
        if media_type == ARROW:
            return self._arrow.read(body, max_cells)
        return _DECODERS[media_type](body, self._signature, max_cells)


_readers: WeakValueDictionary[Signature, RequestReader] = WeakValueDictionary()


def reader_of(signature: Signature) -> RequestReader:
    """A reader that all versions with this signature share. Versions of one model usually have the
    same.

    A worker with many versions then needs less memory, and a request more often finds in the
    processor's cache what it is read with.
    """
    reader = _readers.get(signature)
    return _readers.setdefault(signature, RequestReader(signature)) if reader is None else reader


def require_arrow(what: str) -> None:
    """Raises FormatUnsupported where ``what`` cannot be read because pyarrow is not installed."""
    if not is_installed("arrow"):
        raise FormatUnsupported(missing("arrow", what))


def media_type_of(content_type: str) -> str:
    """The media type of a Content-Type header. Raises FormatUnsupported where none can be read."""
    media_type, _, parameters = content_type.partition(";")
    media_type = media_type.strip().lower()
    if media_type not in REQUEST_TYPES:
        what = f"not {shown(content_type)}" if content_type else "none was sent"
        raise FormatUnsupported(f"Content-Type must be one of {', '.join(REQUEST_TYPES)}; {what}.")
    if media_type in {ARROW, PARQUET}:
        require_arrow(f"A body of {media_type}")
    charset = parameters.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    if charset not in {"", "utf-8", "utf8", "us-ascii"}:
        raise FormatUnsupported(f"The charset must be utf-8, not {shown(charset)}.")
    return media_type
