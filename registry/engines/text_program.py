"""A model's preprocessing as chains of steps followed by the terms of free text.

The interface of `ChainProgram`. A row has few of the many terms, so sums are made of these only, in
the order of scipy's sparse matrices, whose bits they have.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import Batch
from registry.engines.chain_program import ChainProgram
from registry.engines.chains_file import ChainsFile, TextColumn
from registry.errors import ArtifactRefused
from registry.signature import Signature
from registry.terms import places_of, weights

_CHUNK_CELLS = 2**18
_ROWS_AT_ONCE = 256


class TextProgram:
    """The chains and texts in ``file``. Immutable: safe to run from several threads.

    Raises ArtifactRefused where they are not valid for ``signature``.
    """

    def __init__(self, file: ChainsFile, signature: Signature) -> None:
        self._chains = ChainProgram(file, signature) if len(file.column) else None
        self._first = 0 if self._chains is None else self._chains.width
        self._columns: list[tuple[str, int, Mapping[str, int], list[float], int]] = []
        self.width = self._first
        for text in file.text_columns:
            self._add(text, signature)

    def _add(self, text: TextColumn, signature: Signature) -> None:
        places, idf = places_of(text.terms), text.idf.tolist()
        inputs = signature.inputs
        if not 0 <= text.column < len(inputs) or inputs[text.column].type != "string":
            raise ArtifactRefused(f"The compiled preprocessing has no text {text.column}.")
        if len(places) != len(idf) or not np.isfinite(text.idf).all():
            raise ArtifactRefused("The compiled preprocessing has terms without a frequency.")
        self._columns.append((inputs[text.column].name, text.column, places, idf, self.width))
        self.width += len(places)

    def row(self, batch: Batch) -> bytes:
        """As in `ChainProgram`."""
        return self.array(batch).tobytes()

    def array(self, batch: Batch) -> NDArray[np.float64]:
        """As in `ChainProgram`."""
        first: NDArray[np.float64] = next(iter(self.blocks(batch)))[0]
        return first

    def weighted_sums(
        self, batch: Batch, by_feature: NDArray[np.float64], start: NDArray[np.float64]
    ) -> list[float]:
        """As in `ChainProgram`."""
        sums: list[float] = self.weighted_sums_many(batch, by_feature, start)[0].tolist()
        return sums

    def decide(self, batch: Batch, weights: Any, start: Any) -> None:
        """As in `ChainProgram`; the sums themselves decide."""

    def weighted_sums_many(
        self, batch: Batch, by_feature: NDArray[np.float64], start: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """As in `ChainProgram`."""
        outputs = len(start)
        sums = np.zeros((batch.rows, outputs))
        if self._chains is not None:
            weights, none = by_feature[: self._first], np.zeros(outputs)
            sums = self._chains.weighted_sums_many(batch, weights, none)
        terms = self._terms(batch)
        for first in range(0, batch.rows, _ROWS_AT_ONCE):
            rows: list[int] = []
            places: list[int] = []
            values: list[float] = []
            for row, (found, weighed) in enumerate(islice(terms, _ROWS_AT_ONCE), start=first):
                rows += [row] * len(found)
                places += found
                values += weighed
            factors = by_feature[places]
            for output in range(outputs):
                # It adds one term after the other, in their order.
                np.add.at(sums[:, output], rows, factors[:, output] * values)
        return sums + start

    def blocks(
        self, batch: Batch, rows: int | None = None, *, by_column: bool = False
    ) -> Iterable[NDArray[np.float64]]:
        """As in `ChainProgram`."""
        each = max(1, _CHUNK_CELLS // self.width) if rows is None else rows
        order: Literal["C", "F"] = "F" if by_column else "C"
        terms = self._terms(batch)
        for start in range(0, batch.rows, each):
            count = min(each, batch.rows - start)
            features = np.zeros((count, self.width), order=order)
            if self._chains is not None:
                features[:, : self._first] = self._chains.features(batch, start, start + count)
            for row, (places, values) in zip(range(count), terms, strict=False):
                features[row, places] = values
            yield features

    def _terms(self, batch: Batch) -> Iterator[tuple[list[int], list[float]]]:
        """For each row the places of its terms among the features, ascending, and their weights."""
        cells = [self._cells(batch, name, column) for name, column, *_ in self._columns]
        for texts in zip(*cells, strict=True):
            places: list[int] = []
            values: list[float] = []
            for text, (_, _, known, idf, start) in zip(texts, self._columns, strict=True):
                if isinstance(text, str):
                    found, weighed = weights(text, known, idf)
                    places += [start + place for place in found]
                    values += weighed
            yield places, values

    @staticmethod
    def _cells(batch: Batch, name: str, column: int) -> Iterable[Any]:
        return (batch.cells[column],) if batch.cells else batch.columns[name]
