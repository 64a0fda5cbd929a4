"""Reads JSON bodies that have rows under exactly one of some keys, and may have other members.

``NaN`` outside of texts is null: clients of other systems write missing values with Python's json
module, which writes them so.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from registry.codecs.batch import Batch
from registry.codecs.json_body import parse_json
from registry.codecs.json_reader import JsonReader
from registry.codecs.large_bodies import one_large_body_at_a_time
from registry.errors import BodyMalformed, InputRefused

_ABSENT = msgspec.Raw()
_NAN = b"NaN"
# Everything but texts with NaN, or such a text, or one that does not end. No byte is read more than
# twice, whatever the body is.
_PIECE = re.compile(
    rb"""([^"]++(?:"(?:[^"\\N]++|\\(?!NaN).|N(?!aN))*+"[^"]*+)*+)|"(?:[^"\\]++|\\.)*+"?""",
    re.DOTALL,
)


class RowKeys:
    """The keys ``names``. Of the other members, those in ``typed`` must have these types."""

    def __init__(self, *names: str, **typed: Any) -> None:
        self._names = names
        start = rb'[ \t\n\r]*\{[ \t\n\r]*"(%b)"' % "|".join(names).encode()
        self._usual_start = re.compile(start)
        fields: list[tuple[str, Any, Any]] = [(name, msgspec.Raw, _ABSENT) for name in names]
        fields += [(name, kind | None, None) for name, kind in typed.items()]
        self._decode = msgspec.json.Decoder(msgspec.defstruct("Body", fields, gc=False)).decode

    def read(
        self, body: bytes, reader: JsonReader, decode: Callable[[str, Any], Batch]
    ) -> tuple[str, Batch]:
        """The key of the rows, and the rows; ``decode`` makes them of a key and its value where
        ``reader`` does not accept them.

        Raises BodyMalformed where ``body`` is not JSON, InputRefused where it does not fit.
        """
        try:
            return self._read(body, reader, decode)
        except BodyMalformed:
            if _NAN not in body:
                raise
            with one_large_body_at_a_time(body):
                with_nulls = _with_nulls(body)
        return self._read(with_nulls, reader, decode)

    def _read(
        self, body: bytes, reader: JsonReader, decode: Callable[[str, Any], Batch]
    ) -> tuple[str, Batch]:
        # Most bodies have nothing beside the rows, which are then decoded in pieces.
        usual = self._usual_start.match(body)
        if usual and (batch := reader.read_rows(body)) is not None:
            return usual[1].decode(), batch
        key, rows = self._find(body)
        if (batch := reader.read_rows(b'{"%b":%b}' % (key.encode(), rows))) is not None:
            return key, batch
        with one_large_body_at_a_time(rows):
            return key, decode(key, parse_json(rows))

    def _find(self, body: bytes) -> tuple[str, bytes]:
        """The key of the rows in ``body``, and their JSON. Raises BodyMalformed, InputRefused."""
        with one_large_body_at_a_time(body):
            parsed = parse_json(body, self._parse)
        found = {name: rows for name in self._names if (rows := bytes(getattr(parsed, name)))}
        if len(found) > 1:
            raise InputRefused(f"Send rows under one key, not under {' and '.join(found)}.")
        if not found:
            raise InputRefused(f"Expected rows under one of {', '.join(map(repr, self._names))}.")
        return found.popitem()

    def _parse(self, body: bytes) -> Any:
        if not body.isascii():
            body.decode()  # msgspec does not validate texts that it skips
        return self._decode(body)


def copies(body: bytes) -> int:
    """The most bytes that copies of ``body`` take while its rows are looked for."""
    # A single byte is found in a fortieth of the time, and numbers have no N.
    return (3 if b"N" in body and _NAN in body else 1) * len(body)


def _with_nulls(body: bytes) -> bytes:
    """``body`` with null for each NaN that is not in a text."""
    return _PIECE.sub(lambda piece: (piece[1] or b"").replace(_NAN, b"null") or piece[0], body)
