from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

class Columns:
    def __new__(
        cls,
        names: tuple[tuple[bytes, int], ...],
        kinds: bytes,
        nullable: bytes,
        powers: bytes,
        /,
    ) -> Self: ...
    def read_json(self, body: bytes, cells: NDArray[np.float64], /) -> int | None: ...
    def read_csv(
        self, body: bytes, start: int, header: memoryview, cells: NDArray[np.float64], /
    ) -> int | None: ...
    def arrow_rows(self, body: bytes, model: bytes, plan: memoryview, /) -> int: ...
    def read_arrow(
        self, body: bytes, model: bytes, plan: memoryview, cells: NDArray[np.float64], /
    ) -> bool: ...

def texts(
    body: bytes,
    kept: NDArray[np.float64],
    results: NDArray[Any],
    first: int,
    null: float | None,
    unescape: Callable[[bytes], str],
    /,
) -> int: ...
def count(body: bytes, byte: int, first: int, last: int, /) -> int: ...
