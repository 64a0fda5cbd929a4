"""Runs ONNX files on batches of a signature's columns. Imports neither scikit-learn nor pandas.

The file has one input, ``rows``: a double for each column of the signature, in its order. A text
is encoded as a number by the file's own vocabulary, which takes less time than a tensor of strings,
and NaN means null in every column. The outputs of a whole model are ``value``, or ``label`` (the
index of a class) and optionally ``probabilities``; that of its preprocessing alone is ``features``.
"""

import json
import threading
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import Batch
from registry.engines.allocator import release_free_memory
from registry.engines.onnx_runtime import open_session
from registry.engines.refusals import model_failed
from registry.engines.row_encoder import RowEncoder
from registry.errors import (
    ArtifactRefused,
    PredictionRefused,
    PredictionTimedOut,
    RegistryError,
)
from registry.signature import Signature

ROWS, FEATURES = "rows", "features"
TEXTS_KEY = "hotswap.texts"
"""Metadata: hexadecimal JSON; for each column null, or its texts, the one with code 0 first."""
LARGEST_KEY = "hotswap.largest"
"""Metadata: the absolute value from which scikit-learn refuses numbers; absent if there is none."""
CHUNK_ROWS = 4096
"""A larger batch is run in parts, because the session keeps buffers of the size of the largest."""
PART_SECONDS = 0.25
"""The longest time of a part, estimated from that of a single row; in a batch, rows take less."""
BATCH_SECONDS = 20.0
"""The time limit of a batch, checked before each part."""
_TIMED_RUNS = 3
_OUTSIDE = b"location"
"""The key with which an ONNX file refers to another file that holds a tensor's data."""


class _OneRow:
    """The buffers of one row, bound to the session once: binding takes a third of a call's time.

    For one thread. ``outputs``: for each requested output an array of its shape for one row.
    """

    def __init__(self, session: Any, width: int, outputs: dict[str, NDArray[Any]]) -> None:
        self.cells = np.empty(width)
        self._outputs = [np.empty_like(array) for array in outputs.values()]
        self._session = session
        self._binding = session.io_binding()
        _bind(self._binding.bind_input, ROWS, self.cells.reshape(1, width))
        for name, array in zip(outputs, self._outputs, strict=True):
            _bind(self._binding.bind_output, name, array)

    def run(self) -> list[NDArray[Any]]:
        """The outputs for ``cells``, which the next run overwrites."""
        self._session.run_with_iobinding(self._binding)
        return self._outputs


class _ThreadRows(threading.local):
    """The ``_OneRow`` of the current thread for each set of outputs."""

    def __init__(self) -> None:
        self.by_heads: dict[tuple[str, ...], _OneRow] = {}


class OnnxProgram:
    """An ONNX file, given as its bytes, that takes batches of a signature's columns.

    ``head``: the name that its first output must have; ``seconds``: the time limit of a batch. Safe
    to run from several threads. ``row_seconds`` is what one row took when the file was loaded.

    Raises ArtifactRefused where the bytes are not such a file, or are for another signature.
    """

    def __init__(
        self, model: bytes, signature: Signature, head: str, *, seconds: float = BATCH_SECONDS
    ) -> None:
        self._width = len(signature.inputs)
        self._seconds = seconds
        if _OUTSIDE in model:
            raise ArtifactRefused("The ONNX file refers to data in another file.")
        self._session = open_session(model, keep_memory=True)
        release_free_memory()
        try:
            self._read_layout(signature.names, head)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ArtifactRefused("The ONNX file does not describe its columns.") from error

    def _read_layout(self, names: tuple[str, ...], head: str) -> None:
        given = [(tensor.name, tensor.type, tensor.shape) for tensor in self._session.get_inputs()]
        self.heads = [tensor.name for tensor in self._session.get_outputs()]
        if [(name, kind) for name, kind, _ in given] != [(ROWS, "tensor(double)")]:
            raise ArtifactRefused("The ONNX file does not take rows of numbers.")
        if given[0][2][1] != len(names) or self.heads[:1] != [head]:
            raise ArtifactRefused("The ONNX file does not fit the version's signature.")
        notes = self._session.get_modelmeta().custom_metadata_map
        self._encoder = RowEncoder(names, json.loads(bytes.fromhex(notes[TEXTS_KEY])))
        self._largest = float(notes[LARGEST_KEY]) if LARGEST_KEY in notes else None
        self._rows_of_threads = _ThreadRows()
        self.shapes = self._zero_outputs()
        self.row_seconds = min(self._timed_row() for _ in range(_TIMED_RUNS))
        self._part = max(1, min(CHUNK_ROWS, int(PART_SECONDS / self.row_seconds)))

    def _zero_outputs(self) -> dict[str, NDArray[Any]]:
        """The outputs for a row of zeros, which show the shape and type of each."""
        zeros = np.zeros((1, self._width))
        try:
            return dict(zip(self.heads, self._session.run(self.heads, {ROWS: zeros}), strict=True))
        except Exception as error:  # onnxruntime's errors have no base class of their own
            raise ArtifactRefused("The ONNX file fails on a row of zeros.") from error

    def _timed_row(self) -> float:
        began = time.perf_counter()
        self._zero_outputs()
        return time.perf_counter() - began

    def run(self, batch: Batch, heads: tuple[str, ...]) -> list[NDArray[Any]]:
        """The outputs named ``heads``, each with a row for each row of ``batch``; valid until this
        thread's next run.

        Raises PredictionRefused where the model fails on this input, PredictionTimedOut where the
        batch takes too long.
        """
        try:
            if batch.rows == 1:
                return self._run_one(batch, heads)
            rows = self._encoder.rows(batch)
            self._check_sizes(rows)
            return self._run_in_parts(list(heads), rows)
        except RegistryError:
            raise
        except Exception as error:  # onnxruntime's errors have no base class of their own
            raise model_failed(error) from error

    def _run_one(self, batch: Batch, heads: tuple[str, ...]) -> list[NDArray[Any]]:
        row = self._rows_of_threads.by_heads.get(heads)
        if row is None:
            outputs = {name: self.shapes[name] for name in heads}
            row = _OneRow(self._session, self._width, outputs)
            self._rows_of_threads.by_heads[heads] = row
        row.cells[:] = self._encoder.row(batch)  # None becomes NaN
        self._check_sizes(row.cells)
        return row.run()

    def _check_sizes(self, cells: NDArray[np.float64]) -> None:
        if self._largest is not None and np.fmax.reduce(np.abs(cells), axis=None) >= self._largest:
            raise PredictionRefused("The model does not accept numbers of this size.")

    def _run_in_parts(self, heads: list[str], rows: NDArray[np.float64]) -> list[NDArray[Any]]:
        if len(rows) <= self._part:
            whole: list[NDArray[Any]] = self._session.run(heads, {ROWS: rows})
            return whole
        ends = time.monotonic() + self._seconds
        parts = []
        for start in range(0, len(rows), self._part):
            if time.monotonic() > ends:
                raise PredictionTimedOut(self._seconds, len(rows))
            parts.append(self._session.run(heads, {ROWS: rows[start : start + self._part]}))
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]


class OnnxFeatures:
    """A model's preprocessing as an ONNX file, given as its bytes. Safe for several threads.

    Raises ArtifactRefused where the bytes are not such a file, or are for another signature.
    """

    def __init__(self, model: bytes, signature: Signature) -> None:
        self._program = OnnxProgram(model, signature, FEATURES)
        shape = self._program.shapes[FEATURES].shape
        if len(shape) != 2:
            raise ArtifactRefused("The ONNX file does not make features of rows.")
        self.width: int = shape[1]
        self.row_seconds = self._program.row_seconds

    def blocks(self, batch: Batch) -> Iterable[NDArray[np.float64]]:
        """The features of ``batch``, rows x ``width``; valid until this thread's next run."""
        return self._program.run(batch, (FEATURES,))

    def row(self, batch: Batch) -> bytes:
        """The features of a batch of one row, as the bytes of ``width`` doubles."""
        (features,) = self.blocks(batch)
        return features.tobytes()


def _bind(bind: Any, name: str, array: NDArray[Any]) -> None:
    bind(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
