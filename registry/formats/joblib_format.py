"""joblib files: a pickle with arrays beside it. Only exact names of the allow-list are loaded.

Needs joblib 1.6: before it, object arrays were unpickled past a restricted ``find_class``.
"""

import bz2
import io
import lzma
import pickle
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from joblib.numpy_pickle import NumpyUnpickler

from registry.errors import ArtifactRefused, shown
from registry.formats.allowed import PICKLE_GLOBALS

MAX_UNPACKED = 2 * 2**30
_CHUNK = 2**20

_PACKERS: tuple[tuple[bytes, Callable[[], Any]], ...] = (
    (b"\x1f\x8b", lambda: zlib.decompressobj(31)),
    (b"\x78", zlib.decompressobj),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", lambda: lzma.LZMADecompressor(memlimit=2**28)),
    (b"\x5d\x00\x00", lambda: lzma.LZMADecompressor(memlimit=2**28)),
)
"""The compressions that joblib writes, by the bytes that a file of each begins with."""


_UNWRITTEN = b"".join(
    [
        *(pickle.NEWOBJ_EX, pickle.INST, pickle.OBJ, pickle.PERSID, pickle.BINPERSID),
        *(pickle.EXT1, pickle.EXT2, pickle.EXT4),
    ]
)
"""Opcodes that make objects in ways that joblib has no need of."""


class _RestrictedUnpickler(NumpyUnpickler):  # type: ignore[misc]  # joblib publishes no types
    def __init__(self, file: BinaryIO) -> None:
        super().__init__("", file, ensure_native_byte_order=True)
        self._trees: list[Any] = []

    def find_class(self, module: str, name: str) -> Any:
        if "." in name or f"{module}.{name}" not in PICKLE_GLOBALS:
            raise ArtifactRefused(
                f"The artifact names the global {shown(f'{module}.{name}')}: not allowed."
            )
        return super().find_class(module, name)

    def load_reduce(self) -> None:
        self._refuse_a_call_of_ndarray(self.stack[-2])
        super().load_reduce()
        _check_dtype(self.stack[-1])

    def load_newobj(self) -> None:
        self._refuse_a_call_of_ndarray(self.stack[-2])
        super().load_newobj()
        _check_dtype(self.stack[-1])

    def load_build(self) -> None:
        target = self.stack[-2]
        if type(target).__name__ == "Tree":
            # scikit-learn copies a second state over the first without making room for it.
            if any(target is built for built in self._trees):
                raise ArtifactRefused("The artifact fills a tree twice.")
            self._trees.append(target)
        super().load_build()
        _check_dtype(self.stack[-1])

    def _refuse_a_call_of_ndarray(self, called: Any) -> None:
        # As a name it says what to make; called, it lays an array over bytes, also one of pointers.
        if called is np.ndarray:
            raise ArtifactRefused("The artifact calls numpy.ndarray: not allowed.")

    def _refuse_opcode(self) -> None:
        raise ArtifactRefused("The artifact uses a pickle opcode that joblib does not write.")

    dispatch = {
        **NumpyUnpickler.dispatch,
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.BUILD[0]: load_build,
        **dict.fromkeys(_UNWRITTEN, _refuse_opcode),
    }


def _check_dtype(value: Any) -> None:
    """A dtype's state may deny that it holds pointers, or place a field outside of it."""
    if not isinstance(value, np.dtype):
        return
    for field, offset, *_ in (value.fields or {}).values():
        if field.kind == "O" or field.fields or offset + field.itemsize > value.itemsize:
            raise ArtifactRefused("The artifact holds records of a kind that is not allowed.")
    whole = value.base
    if whole.kind == "O" and (whole.flags != np.dtype(object).flags or value.subdtype):
        raise ArtifactRefused("The artifact holds a forged type of object arrays.")


def read_joblib(file: BinaryIO) -> Any:
    """The object in a joblib file. Raises ArtifactRefused."""
    unpacked = _unpacked(file)
    try:
        model = _RestrictedUnpickler(unpacked).load()
    except ArtifactRefused:
        raise
    except RecursionError as error:
        raise ArtifactRefused("The artifact is nested too deeply.") from error
    except Exception as error:
        raise ArtifactRefused(
            f"The artifact is no whole joblib file: {type(error).__name__}: {error}"
        ) from error
    if unpacked.read(1):
        raise ArtifactRefused("The artifact goes on after the end of its pickle.")
    return model


def _unpacked(file: BinaryIO) -> BinaryIO:
    start = file.read(8)
    file.seek(0)
    for magic, packer in _PACKERS:
        if start.startswith(magic):
            return _decompressed(file, packer())
    return file


def _decompressed(file: BinaryIO, decompressor: Any) -> BinaryIO:
    out = io.BytesIO()
    try:
        while chunk := file.read(_CHUNK):
            if decompressor.eof:
                raise ArtifactRefused("The artifact goes on after the end of its compressed data.")
            _drain(decompressor, chunk, out)
    except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
        raise ArtifactRefused(f"The artifact is no whole compressed file: {error}") from error
    if not decompressor.eof or decompressor.unused_data:
        raise ArtifactRefused("The artifact's compressed data is cut off or has bytes after it.")
    out.seek(0)
    return out


def _drain(decompressor: Any, chunk: bytes, out: io.BytesIO) -> None:
    """Unpack ``chunk`` a megabyte at a time, so that a bomb is seen before it has gone off."""
    while True:
        out.write(decompressor.decompress(chunk, _CHUNK))
        if out.tell() > MAX_UNPACKED:
            raise ArtifactRefused(f"The artifact unpacks to more than {MAX_UNPACKED} bytes.")
        if hasattr(decompressor, "unconsumed_tail"):
            chunk = decompressor.unconsumed_tail
            if not chunk:
                return
        else:
            chunk = b""
            if decompressor.eof or decompressor.needs_input:
                return
