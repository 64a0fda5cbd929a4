from typing import Any, final

import numpy as np
from numpy.typing import NDArray

@final
class PackedTrees:
    def __new__(
        cls,
        node_counts: NDArray[np.int64],
        children_left: NDArray[np.int32],
        children_right: NDArray[np.int32],
        feature: NDArray[np.int32],
        threshold: NDArray[np.float64],
        missing_go_to_left: NDArray[np.uint8],
        leaf_values: NDArray[np.float64],
        *,
        n_features: int,
        averaged: bool,
        allows_missing: bool,
        vectors: bool,
    ) -> PackedTrees: ...
    @property
    def depth(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def allows_missing(self) -> bool: ...
    def evaluate(self, rows: NDArray[Any], out: NDArray[np.float64], /) -> int: ...
    def values(self, rows: NDArray[Any], /) -> list[float] | None: ...
    def one(self, features: bytes, /) -> list[float] | None: ...
