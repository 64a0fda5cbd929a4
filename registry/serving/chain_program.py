"""A model's preprocessing as chains of steps, run by a compiled module of our own.

Where the project was installed without a C compiler, ``AVAILABLE`` is False and an ONNX program
does the same.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from registry.errors import ArtifactRefused
from registry.serving.chains_file import from_bytes
from registry.serving.codecs.batch import Batch
from registry.serving.coded_rows import RowCoder
from registry.signature import Signature

try:
    from registry.serving.chains import Chains
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True

_CHUNK_CELLS = 2**18
"""A larger batch is made in parts of that many features: 2 MB, which stay in the cache."""


class ChainProgram:
    """The chains in a file, given as its bytes. Immutable: safe to run from several threads.

    Raises ArtifactRefused where the bytes are no such file, or one for another signature.
    """

    def __init__(self, data: bytes, signature: Signature) -> None:
        try:
            file = from_bytes(data)
            self._chains = Chains(
                file.column,
                file.length,
                file.kind,
                file.first,
                file.second,
                columns=len(signature.inputs),
            )
            self._coder = RowCoder(signature.names, file.texts)
        except ValueError as error:
            raise ArtifactRefused(f"The compiled preprocessing is refused: {error}") from error
        self.width = self._chains.features
        self._make_row, self._weigh = self._chains.row, self._chains.weigh

    def row(self, batch: Batch) -> bytes:
        """The features of a batch of one row, as the bytes of ``width`` doubles: a quarter of the
        time that an array of them takes."""
        return self._make_row(self._coder.one(batch))

    def weigh(
        self, batch: Batch, weights: NDArray[np.float64], start: NDArray[np.float64]
    ) -> list[float]:
        """The features of a batch of one row times ``weights`` (``width`` x outputs), plus
        ``start`` (outputs). numpy takes four times as long for so few."""
        return self._weigh(self._coder.one(batch), weights, start)

    def array(self, batch: Batch) -> NDArray[np.float64]:
        """The features of a batch of one row."""
        return np.frombuffer(self.row(batch))

    def blocks(self, batch: Batch) -> Iterable[NDArray[np.float64]]:
        """The features of ``batch``, rows x ``width``, some thousand rows at a time."""
        if batch.rows == 1:
            return (self.array(batch).reshape(1, -1),)
        return self._chunks(self._coder.many(batch))

    def _chunks(self, rows: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
        count = max(1, _CHUNK_CELLS // self.width)
        for start in range(0, len(rows), count):
            part = rows[start : start + count]
            features = np.empty((len(part), self.width))
            self._chains.many(part, features)
            yield features
