"""Reads and writes the elements of BYTES tensors: for each a length of 4 bytes, little endian, and
that many bytes, which must be UTF-8.

``tensor_kernel.c`` reads them in a fifth of the time. Where the project was installed without a C
compiler, ``AVAILABLE`` is False and the Python code below is used instead.
"""

from contextlib import suppress

try:
    from registry.codecs import tensor_kernel
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True

Data = bytes | memoryview

LENGTH_BYTES = 4
_AT_ONCE = 4096
"""Elements that are read in one call, which holds the interpreter's lock for about 0.2 ms."""


class TextFault(ValueError):
    """What is wrong with the element at ``index``, or, where it is None, with the whole tensor."""

    def __init__(self, index: int | None, message: str) -> None:
        super().__init__(message)
        self.index = index
        self.message = message


def read_in_python(data: Data, at: int, count: int) -> tuple[list[str], int]:
    """The ``count`` elements from the position ``at`` on, and the position after them.

    Raises TextFault, with the index of an element counted from ``at``.
    """
    texts = []
    for index in range(count):
        end = at + LENGTH_BYTES
        if end > len(data):
            raise TextFault(index, f"expected its length, but {len(data) - at} bytes are left")
        size = int.from_bytes(data[at:end], "little")
        at = end + size
        if at > len(data):
            raise TextFault(index, f"its length is {size}, but {len(data) - end} bytes are left")
        try:
            texts.append(str(data[end:at], "utf-8"))
        except UnicodeDecodeError:
            raise TextFault(index, "expected a text in UTF-8") from None
    return texts, at


def read_texts(data: Data, count: int) -> list[str]:
    """The ``count`` elements of a tensor. Raises TextFault."""
    # Before anything is allocated: each element has at least a length.
    if count * LENGTH_BYTES > len(data):
        most = len(data) // LENGTH_BYTES
        raise TextFault(None, f"{len(data)} bytes hold at most {most} elements, not {count}")
    texts: list[str] = []
    at = 0
    for first in range(0, count, _AT_ONCE):
        more, at = _read(data, at, first, min(_AT_ONCE, count - first))
        texts += more
    if at < len(data):
        raise TextFault(None, f"{len(data) - at} bytes are left after {count} elements")
    return texts


def with_length(encoded: bytes) -> bytes:
    """The element of a tensor for a text in UTF-8."""
    return len(encoded).to_bytes(LENGTH_BYTES, "little") + encoded


def _read(data: Data, at: int, first: int, count: int) -> tuple[list[str], int]:
    """As ``read_in_python``; ``first`` is the index of the first element in its tensor."""
    if AVAILABLE:
        with suppress(ValueError):  # which does not say what is wrong
            return tensor_kernel.read_texts(data, at, count)
    try:
        return read_in_python(data, at, count)
    except TextFault as fault:
        index = None if fault.index is None else first + fault.index
        raise TextFault(index, fault.message) from None
