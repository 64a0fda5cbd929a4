"""Estimates the memory that a training needs from the beginning of its data, and refuses a table
that does not fit.

docs/measuring.md has what the estimate is compared with.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import pandas as pd

from trainers.arrow_files import opened_batches, read_batches
from trainers.bundled import is_bundled
from trainers.columns import MAX_CATEGORIES
from trainers.control_groups import memory_left
from trainers.data import file_ending, parse_content
from trainers.errors import DataRefused, TableTooLarge
from trainers.excel import OLD_EXCEL, ZIP
from trainers.file_settings import FileSettings
from trainers.recipe import Recipe
from trainers.recipe_rules import LEAST_SAMPLE
from trainers.unpacking import open_unpacked

_HEAD = 2**20
_SMALL = 2**20
"""Bytes of a file that are not worth an estimate."""
_MEMINFO = Path("/proc/meminfo")
_NUMBER = 9
"""Bytes of a number in pandas: 8, and one that says whether it is missing."""
_TEXT = 30
"""Bytes of a short text that many rows share: the reference to it, and its copies in Arrow."""
_READ = 7
"""For each byte of text: the file, its text, Python's copy of that with 4 bytes for each character,
and that of pandas."""
_PARSED = 16
"""Bytes of pandas' parser for each cell."""
_KEPT = 5
"""How often the table is kept: as read, typed, as a frame, divided, and in the evaluation."""
_PREPARED = 12
"""Bytes of each feature of a row: 8, and 4 where an estimator has a copy of half the precision."""
_FIXED = 25_000_000
"""Bytes that a training of a few rows takes: libraries that it loads, and its report."""


@dataclass(frozen=True, slots=True)
class Table:
    """A file with ``rows`` rows, about; the first of them as ``head``; ``written``: bytes of text
    for each, 0 where the file has types."""

    rows: int
    head: pd.DataFrame
    written: float


def available() -> int | None:
    """Bytes that this process may take: those free on this machine, or left by its control groups.

    None where the system does not tell.
    """
    found = []
    with suppress(OSError, ValueError, KeyError):
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        found.append(int(lines["MemAvailable"].split()[0]) * 1024)
    if (left := memory_left()) is not None:
        found.append(left)
    return max(0, min(found)) if found else None


def check_memory(recipe: Recipe, memory: int) -> None:
    """Raise TableTooLarge where the training takes more than ``memory`` bytes, by an estimate."""
    table = None if is_bundled(recipe.data) else table_of(Path(recipe.data), recipe.file)
    if table is None:
        return
    copies = 1 if recipe.search is None else joblib.cpu_count()
    each = bytes_of_row(table, copies)
    rows = table.rows if recipe.sample is None else min(recipe.sample, table.rows)
    needed = _FIXED + int(rows * each)
    if needed > memory:
        fitting = int((memory - _FIXED) / each)
        sample = fitting if fitting >= LEAST_SAMPLE else None
        raise TableTooLarge(recipe.data, rows, needed, memory, fitting=sample)


def table_of(path: Path, settings: FileSettings) -> Table | None:
    """How large the file is. None where it is small, or an Excel workbook, which has at most
    1,048,576 rows; or where it cannot be read, which its reading reports."""
    try:
        if path.stat().st_size < _SMALL:
            return None
        with open_unpacked(path) as stream:
            head = stream.read(_HEAD)
        if head.startswith((ZIP, OLD_EXCEL)):
            return None
        with path.open("rb") as file:
            batches = opened_batches(path, file.read(_HEAD))
        if batches is not None:
            rows, frame = read_batches(batches)
            return Table(rows, frame, 0)
        whole = head[: head.rfind(b"\n") + 1]
        read = parse_content(whole, file_ending(path), str(path), settings, ())
    except (OSError, DataRefused):
        return None
    written = len(whole) / max(1, len(read.frame))
    return Table(int(_unpacked_size(path) / written), read.frame, written)


def bytes_of_row(table: Table, copies: int) -> float:
    """The bytes of memory that each row adds at the peak of a training, of which ``copies`` parts
    are fitted at a time."""
    kinds = {name: _is_number(kind) for name, kind in table.head.dtypes.items()}
    numbers = sum(kinds.values())
    texts = [name for name, is_number in kinds.items() if not is_number]
    frame = _NUMBER * numbers + _TEXT * len(texts)
    parsed = _PARSED * len(kinds) if table.written else 0
    features = numbers + sum(_features(table.head[name]) for name in texts)
    fitting = _KEPT * frame + copies * (frame + _PREPARED * features)
    return max(frame + _READ * table.written + parsed, fitting)


def _features(texts: "pd.Series[Any]") -> int:
    categories = int(texts.nunique())
    return categories if categories <= MAX_CATEGORIES else 1


def _is_number(kind: Any) -> bool:
    return bool(pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_datetime64_any_dtype(kind))


def _unpacked_size(path: Path) -> int:
    with open_unpacked(path) as stream:
        return sum(map(len, iter(lambda: stream.read(_HEAD), b"")))
