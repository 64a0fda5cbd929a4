from typing import Any, final

import numpy as np
from numpy.typing import NDArray

@final
class Chains:
    def __new__(
        cls,
        column: NDArray[np.int32],
        length: NDArray[np.int32],
        kind: NDArray[np.uint8],
        first: NDArray[np.float64],
        second: NDArray[np.float64],
        *,
        columns: int,
    ) -> Chains: ...
    @property
    def columns(self) -> int: ...
    @property
    def features(self) -> int: ...
    def row(self, cells: tuple[float | None, ...], /) -> bytes: ...
    def weighted_sums(
        self,
        cells: tuple[float | None, ...],
        weights: NDArray[np.float64],
        start: NDArray[np.float64],
        /,
    ) -> list[float]: ...
    def decide(
        self,
        cells: tuple[float | None, ...],
        weights: NDArray[np.float64],
        start: NDArray[np.float64],
        /,
    ) -> int: ...
    def weighted_sums_many(
        self,
        cells: NDArray[np.float64],
        weights: NDArray[np.float64],
        start: NDArray[np.float64],
        out: NDArray[np.float64],
        /,
    ) -> None: ...
    def many(
        self, cells: NDArray[np.float64], out: NDArray[np.float64], by_column: bool, /
    ) -> None: ...

def logistic(numbers: NDArray[np.float64], /) -> None: ...
def encode(
    texts: NDArray[np.object_], codes: dict[Any, float], out: NDArray[np.float64], /
) -> None: ...
