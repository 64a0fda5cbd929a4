"""The input of a run: chunks of rows, in spans that can be read by themselves."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from hotswap.batches import Batch
from hotswap.errors import FileRefused

CHUNK_ROWS = 32_768
SPAN_ROWS = 8 * CHUNK_ROWS


def _nothing() -> None:
    """No fault."""


@dataclass(frozen=True, slots=True)
class Rows:
    """One chunk: ``count`` rows, the first of which is row ``first`` of the file.

    ``data`` is what is predicted from, an Arrow table or a Batch; ``kept`` gives the columns that
    are written beside the predictions, as Arrow columns or lists of texts. ``explain`` raises
    FileRefused if the rows are malformed. ``end`` is the fraction of the file that ends with them.
    """

    chunk: int
    first: int
    count: int
    data: Batch | Any
    kept: Callable[[], Mapping[str, Any]]
    end: float
    explain: Callable[[], None] = _nothing


class Span(Protocol):
    """Consecutive chunks. Can be pickled and read by another process."""

    @property
    def chunk(self) -> int:
        """The number of the first chunk."""

    @property
    def chunks(self) -> int: ...

    @property
    def count(self) -> int:
        """Rows of all chunks."""

    @property
    def end(self) -> float: ...

    def read(self) -> Iterator[Rows]:
        """The chunks in order. Raises OSError, FileRefused."""


class Source(Protocol):
    """An input file, as the columns of the model and those to keep."""

    @property
    def columns(self) -> Sequence[str]:
        """All columns of the file."""

    def spans(self, wanted: Sequence[str], kept: Sequence[str]) -> Iterator[Span]:
        """The file in spans: the columns ``wanted`` to predict from, and those to be ``kept``.

        Raises OSError, FileRefused.
        """

    def kept_types(self, kept: Sequence[str]) -> Mapping[str, Any]:
        """The Arrow types of ``kept``; needs pyarrow."""


@contextmanager
def damage_refused(path: str, kind: str, *errors: type[Exception]) -> Iterator[None]:
    """Turns ``errors`` of a library that reads a file of this ``kind`` into FileRefused, and its
    OSErrors without a number, which are not from the operating system."""
    caught: tuple[type[Exception], ...] = (OSError, *errors)
    try:
        yield
    except caught as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise FileRefused(f"{path} is not a readable {kind} file: {first}") from error
