from typing import Any, final

import numpy as np
from numpy.typing import NDArray

@final
class BoostedTrees:
    def __new__(
        cls,
        node_counts: NDArray[np.int64],
        children_left: NDArray[np.int32],
        children_right: NDArray[np.int32],
        column: NDArray[np.int32],
        split: NDArray[np.uint32],
        missing_go_to_left: NDArray[np.uint8],
        leaf_values: NDArray[np.float64],
        tree_output: NDArray[np.int32],
        column_feature: NDArray[np.int32],
        column_kind: NDArray[np.uint8],
        column_length: NDArray[np.int32],
        table: NDArray[np.float64],
        sets: NDArray[np.uint32],
        start: NDArray[np.float64],
        *,
        n_features: int,
        link: int,
        scale: float,
        divisor: float,
        casts: bool,
        single: bool,
        tiny_is_zero: bool,
        allows_missing: bool,
    ) -> BoostedTrees: ...
    @property
    def depth(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def masked(self) -> bool: ...
    def evaluate(self, rows: NDArray[Any], out: NDArray[np.float64], /) -> int: ...
    def values(self, rows: NDArray[Any], /) -> list[float] | None: ...
    def one(self, features: bytes, /) -> list[float] | None: ...

def logarithm(number: float, /) -> float: ...
