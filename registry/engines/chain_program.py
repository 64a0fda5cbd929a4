"""A model's preprocessing as chains of steps, run by our own compiled module.

Where the project was installed without a C compiler, ``AVAILABLE`` is False and an ONNX file is
used instead.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import Batch
from registry.engines.chains_file import ChainsFile
from registry.engines.row_encoder import RowEncoder
from registry.errors import ArtifactRefused
from registry.signature import Signature

try:
    from registry.engines import chain_kernel
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True

_CHUNK_CELLS = 2**18
"""A larger batch is computed in parts of about this many features: 2 MB, which fit in the cache."""


class ChainProgram:
    """The chains in a file. Immutable: safe to run from several threads.

    Raises ArtifactRefused where they are not valid for ``signature``.
    """

    def __init__(self, file: ChainsFile, signature: Signature) -> None:
        try:
            self._chains = chain_kernel.Chains(
                file.column,
                file.length,
                file.kind,
                file.first,
                file.second,
                columns=len(signature.inputs),
            )
            self._encoder = RowEncoder(signature.names, file.texts)
        except ValueError as error:
            raise invalid_program(error) from error
        self.width = self._chains.features
        self._make_row = self._chains.row
        self._weighted_sums, self._decide = self._chains.weighted_sums, self._chains.decide

    def row(self, batch: Batch) -> bytes:
        """The features of a batch of one row, as the bytes of ``width`` doubles.

        An array takes four times as long."""
        return self._make_row(self._encoder.row(batch))

    def weighted_sums(
        self, batch: Batch, weights: NDArray[np.float64], start: NDArray[np.float64]
    ) -> list[float]:
        """The features of a batch of one row times ``weights`` (``width`` x outputs, C order),
        added up in order, plus ``start`` (outputs). numpy takes four times as long."""
        return self._weighted_sums(self._encoder.row(batch), weights, start)

    def decide(
        self, batch: Batch, weights: NDArray[np.float64], start: NDArray[np.float64]
    ) -> int | None:
        """The index of the highest of the sums that ``weighted_sums`` gives; of a single one,
        whether it is above zero. None where adding up in another order could give another index,
        and where a sum is not finite."""
        index = self._decide(self._encoder.row(batch), weights, start)
        return None if index < 0 else index

    def weighted_sums_many(
        self, batch: Batch, weights: NDArray[np.float64], start: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """What ``weighted_sums`` gives for each row of ``batch``, rows x outputs."""
        sums = np.empty((batch.rows, len(start)))
        self._chains.weighted_sums_many(self._encoder.columns(batch), weights, start, sums)
        return sums

    def array(self, batch: Batch) -> NDArray[np.float64]:
        """The features of a batch of one row."""
        return np.frombuffer(self.row(batch))

    def blocks(
        self, batch: Batch, rows: int | None = None, *, by_column: bool = False
    ) -> Iterable[NDArray[np.float64]]:
        """The features of ``batch``, rows x ``width``, in parts of ``rows`` rows, of which the last
        may have nearly twice as many. ``by_column``: in Fortran order."""
        if batch.rows == 1:
            return (self.array(batch).reshape(1, -1),)
        each = max(1, _CHUNK_CELLS // self.width) if rows is None else rows
        return self._chunks(batch, each, by_column=by_column)

    def features(self, batch: Batch, start: int, stop: int) -> NDArray[np.float64]:
        """The features of the rows of ``batch`` from ``start`` to ``stop``."""
        part = self._encoder.columns(batch, start, stop)
        made = np.empty((part.shape[1], self.width))
        self._chains.many(part, made, False)
        return made

    def _chunks(self, batch: Batch, each: int, *, by_column: bool) -> Iterator[NDArray[np.float64]]:
        count = max(1, batch.rows // each)
        for number in range(count):
            end = batch.rows if number == count - 1 else (number + 1) * each
            part = self._encoder.columns(batch, number * each, end)
            rows = part.shape[1]
            features = np.empty((self.width, rows) if by_column else (rows, self.width))
            self._chains.many(part, features, by_column)
            yield features.T if by_column else features


def invalid_program(error: ValueError) -> ArtifactRefused:
    """The error for bytes that are not a valid program."""
    return ArtifactRefused(f"The compiled preprocessing is not valid: {error}")


def logistic(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)) for each x of ``scores``, in C order, equal to ``scipy.special.expit``."""
    made = scores.copy()
    chain_kernel.logistic(made.ravel())
    return made
