"""How a file of data is written: what a recipe says of it, and what was found in it."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

DECIMALS = (".", ",")
THOUSANDS = (",", ".", " ", "'", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSettings:
    """None: found from the content of the file.

    ``na_values`` are cells that mean a missing value, in addition to empty cells, ``NA`` and the
    like; if there are none, only empty cells are missing. ``thousands`` is between groups of
    digits, ``decimal`` before the fraction. ``sheet`` is one of an Excel workbook.
    """

    na_values: tuple[str, ...] | None = None
    thousands: str | None = None
    decimal: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    sheet: str | None = None

    def mistakes(self) -> Iterator[tuple[tuple[str], str]]:
        """The keys with wrong values, and what is wrong with them."""
        for key, known in (("decimal", DECIMALS), ("thousands", THOUSANDS)):
            given = getattr(self, key)
            if given is not None and given not in known:
                yield (key,), f"{key} must be one of {' '.join(map(repr, known))}, not {given!r}"
        if self.decimal is not None and self.decimal == self.thousands:
            yield ("thousands",), f"thousands and decimal are both {self.decimal!r}"
        if self.delimiter is not None and not _is_delimiter(self.delimiter):
            said = f"delimiter must be a single ASCII character, not {self.delimiter!r}"
            yield ("delimiter",), said
        if self.encoding is not None and not _is_text_encoding(self.encoding):
            yield ("encoding",), f"encoding {self.encoding!r} is not a known text encoding"

    def to_json(self) -> dict[str, Any]:
        """The keys of a recipe that are set."""
        given = {own.name: getattr(self, own.name) for own in fields(self)}
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in given.items()
            if value is not None
        }


FILE_KEYS = tuple(own.name for own in fields(FileSettings))
FROM_CONTENT = FileSettings()


def _is_delimiter(sign: str) -> bool:
    # pandas' parser in C takes single bytes.
    return len(sign) == 1 and sign.isascii() and sign not in '"\r\n\0'


def _is_text_encoding(name: str) -> bool:
    try:
        b"a".decode(name, "ignore")  # 'idna' and 'undefined' do not read files
        return codecs.lookup(name)._is_text_encoding
    except (LookupError, ValueError):  # ValueError: also a zero byte in the name
        return False
