"""A joblib file within a pickle, for programs that load models with pickle.

joblib writes arrays between its pickles, which pickle cannot read. Loading this one calls
``joblib.load(io.BytesIO(…))``. Its opcodes, from the standard module pickletools: PROTO 4, GLOBAL,
GLOBAL, BINBYTES8; then TUPLE1, REDUCE, TUPLE1, REDUCE, STOP.
"""

_START = b"\x80\x04cjoblib.numpy_pickle\nload\nc_io\nBytesIO\n\x8e"
_SIZE_BYTES = 8
_END = b"\x85R\x85R."

START_BYTES = len(_START) + _SIZE_BYTES


def around(size: int) -> tuple[bytes, bytes]:
    """What stands before and after a joblib file of ``size`` bytes."""
    return _START + size.to_bytes(_SIZE_BYTES, "little"), _END


def size_within(start: bytes, size: int) -> int | None:
    """The size of the joblib file in a file of ``size`` bytes that begins with ``start``, of
    START_BYTES; None where that is no such pickle."""
    inner = int.from_bytes(start[len(_START) :], "little")
    is_whole = START_BYTES + inner + len(_END) == size
    return inner if start.startswith(_START) and is_whole else None
