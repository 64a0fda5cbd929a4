"""Content codings of request bodies (RFC 9110, 8.4), decoded while they arrive."""

import zlib
from collections.abc import Iterable, Iterator
from itertools import chain

from registry.errors import BodyMalformed, CodingUnsupported

ACCEPTED = ("gzip", "deflate")
_GZIP = frozenset({"gzip", "x-gzip"})
_GZIP_BITS = 31
_ZLIB_BITS = 15
_RAW_BITS = -15
_STARTS = {"gzip": b"\x1f\x8b", "deflate": b"\x78"}
_PIECE = 2**16

FREE_MEMBERS = 10_000
MEMBER_BYTES = 2**10
"""A body may have ``FREE_MEMBERS`` gzip members, and one more for each ``MEMBER_BYTES`` of decoded
data. Each takes about a microsecond, even if it is empty."""


def coding_of(header: str | None) -> str | None:
    """The coding that a Content-Encoding header names; None: the body is not encoded.

    Raises CodingUnsupported.
    """
    if not header:
        return None
    named = [name for part in header.lower().split(",") if (name := part.strip()) != "identity"]
    if not named:
        return None
    if len(named) > 1 or (named[0] not in _GZIP and named[0] != "deflate"):
        raise CodingUnsupported(header, ACCEPTED)
    return "gzip" if named[0] in _GZIP else "deflate"


def decoded(coding: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Decode ``pieces``, in pieces of at most 64 KiB.

    Raises BodyMalformed if they do not match the coding, are incomplete or have too many members.
    """
    decoder = None
    members, size = 0, 0
    for piece in pieces:
        rest, more = piece, False
        while rest or more:
            if decoder is None:
                members += 1
                _check_members(members, size)
                decoder = zlib.decompressobj(_bits(coding, rest))
            try:
                data = decoder.decompress(rest, _PIECE)
            except zlib.error as error:
                raise BodyMalformed(f"The body is not {coding}: {error}.") from error
            if data:
                size += len(data)
                yield data
            # All input may be consumed before all output has been produced.
            rest, more = decoder.unconsumed_tail, len(data) == _PIECE
            if decoder.eof:
                rest, more = decoder.unused_data, False
                if coding == "gzip":  # may have several members (RFC 1952, 2.2)
                    decoder = None
                elif rest:
                    raise BodyMalformed("The body continues after the end of its deflate data.")
    if decoder is not None and not decoder.eof:
        raise BodyMalformed(f"The {coding} data of the body is incomplete.")


def decoded_if_encoded(coding: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """As ``decoded``, but a body that does not begin as its coding does is passed on unchanged.

    Some clients keep the Content-Encoding of a request in the headers of later ones.
    """
    remaining = iter(pieces)
    start = b""
    for piece in remaining:
        start += piece
        if len(start) >= len(_STARTS[coding]):
            break
    whole = chain([start], remaining)
    return decoded(coding, whole) if start.startswith(_STARTS[coding]) else whole


def _check_members(members: int, size: int) -> None:
    if members > FREE_MEMBERS + size // MEMBER_BYTES:
        raise BodyMalformed(
            f"The body has more than {FREE_MEMBERS} gzip members and one per KiB of decoded data."
        )


def _bits(coding: str, start: bytes) -> int:
    """zlib's ``wbits`` of the format. Some senders omit the zlib header of ``deflate``
    (RFC 9110, 8.4.1.2); its first byte identifies it, since raw data cannot begin with it."""
    if coding == "gzip":
        return _GZIP_BITS
    return _ZLIB_BITS if start[0] & 0x0F == zlib.DEFLATED else _RAW_BITS
