"""Writes holdouts: the two parts of a table that one is cut off, or a whole file."""

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from cli.exits import WRONG_USAGE, CommandFailed
from cli.stages import Stages
from cli.training_refusals import refusals
from registry.storage.durable import write_whole

if TYPE_CHECKING:
    import pandas as pd

    from trainers.file_settings import FileSettings

_TYPED = {".parquet", ".pq", ".feather", ".arrow", ".ipc"}
_TEXT = {".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".gz", ".zst"}
_ENDINGS = _TYPED | _TEXT | {".xlsx", ".xlsm"}


@dataclass(frozen=True, slots=True)
class Files:
    """The paths of both parts."""

    holdout: Path
    rest: Path

    def to_json(self) -> dict[str, str]:
        return {"holdout": str(self.holdout), "training": str(self.rest)}


@contextmanager
def cut(
    table: Path, target: str, fraction: float, seed: int, settings: "FileSettings"
) -> Iterator[Files]:
    """Write ``TABLE-holdout`` and ``TABLE-training`` beside ``table``, as Parquet if it is Parquet
    or Arrow, else as CSV; remove them if the block raises.

    Parts that exist with the same content, as after an interrupted run, are used. Raises
    CommandFailed, also where one exists with another content.
    """
    with table.open("rb") as locked:
        # Another run on this table waits: each removes only what it wrote.
        fcntl.flock(locked, fcntl.LOCK_EX)
        contents = _contents(table, target, fraction, seed, settings)
        new = [path for path, content in contents.items() if not _exists(path, content)]
        try:
            for path in new:
                write_whole(path, contents[path], 0o644)
            yield Files(*contents)
        except BaseException:
            for path in new:
                path.unlink(missing_ok=True)
            raise


@contextmanager
def in_requested_form(table: Path, settings: "FileSettings") -> Iterator[Path]:
    """A temporary CSV file with the rows of ``table``, a text file, as a holdout has them.

    Raises CommandFailed.
    """
    with refusals(), Stages() as stage:
        stage(f"reading {table}")
        from trainers.holding_out import whole_holdout

        content = _content(whole_holdout(str(table), settings), is_parquet=False)
    with NamedTemporaryFile(suffix=".csv") as file:
        file.write(content)
        file.flush()
        yield Path(file.name)


def _contents(
    table: Path, target: str, fraction: float, seed: int, settings: "FileSettings"
) -> dict[Path, bytes]:
    """The paths of the holdout and of the rest, with the bytes of their files."""
    is_parquet = bool({ending.lower() for ending in table.suffixes} & _TYPED)
    stem, ending = _stem(table), ".parquet" if is_parquet else ".csv"
    holdout, rest = (table.with_name(f"{stem}-{part}{ending}") for part in ("holdout", "training"))
    with refusals(), Stages() as stage:
        stage(f"reading {table}")
        from trainers.holding_out import hold_out

        parts = hold_out(str(table), target, fraction, seed, settings)
    return {
        holdout: _content(parts.holdout, is_parquet=is_parquet),
        rest: _content(parts.rest, parts.delimiter, parts.encoding, is_parquet=is_parquet),
    }


def _exists(path: Path, content: bytes) -> bool:
    """Whether ``path`` exists with ``content``; raises CommandFailed if it has another one."""
    if not path.exists():
        return False
    if path.read_bytes() != content:
        advice = "Remove it if it is no longer needed. The same data and seed give the same rows."
        raise CommandFailed(f"{path} exists, and has other rows.", WRONG_USAGE, advice=advice)
    return True


def _stem(table: Path) -> str:
    """The name without its endings: ``table`` of ``table.csv.gz``."""
    path = table
    while path.suffix.lower() in _ENDINGS:
        path = path.with_suffix("")
    return path.name


def _content(
    frame: "pd.DataFrame", delimiter: str = ",", encoding: str = "utf-8", *, is_parquet: bool
) -> bytes:
    if is_parquet:
        packed: bytes = frame.to_parquet(index=False)
        return packed
    # Python writes the byte-order mark for utf-16, and not for utf-16-le.
    wide = re.fullmatch(r"(utf-(?:16|32))-[lb]e", encoding)
    return frame.to_csv(index=False, sep=delimiter).encode(wide[1] if wide else encoding)
