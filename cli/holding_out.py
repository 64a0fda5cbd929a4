"""Writes the two parts of a table that a holdout is cut off."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.exits import WRONG_USAGE, CommandFailed
from cli.stages import Stages
from cli.training_refusals import refusals
from registry.storage.durable import write_whole

if TYPE_CHECKING:
    import pandas as pd

_PARQUET = {".parquet", ".pq"}
_TEXT = {".csv", ".tsv", ".txt", ".jsonl", ".gz", ".zst"}
_ENDINGS = _PARQUET | _TEXT | {".feather", ".arrow", ".xlsx"}


@dataclass(frozen=True, slots=True)
class Files:
    """The paths of both parts."""

    holdout: Path
    rest: Path

    def to_json(self) -> dict[str, str]:
        return {"holdout": str(self.holdout), "training": str(self.rest)}


@contextmanager
def cut(table: Path, target: str, fraction: float, seed: int) -> Iterator[Files]:
    """Write ``TABLE-holdout`` and ``TABLE-training`` beside ``table``, as Parquet if it is Parquet,
    else as CSV; remove them if the block raises.

    Raises CommandFailed, also where one of them exists.
    """
    is_parquet = table.suffix.lower() in _PARQUET
    stem, ending = _stem(table), ".parquet" if is_parquet else ".csv"
    files = Files(*(table.with_name(f"{stem}-{part}{ending}") for part in ("holdout", "training")))
    for path in (files.holdout, files.rest):
        if path.exists():
            advice = "Remove it, or train on it: the same seed gives the same rows."
            raise CommandFailed(f"{path} exists.", WRONG_USAGE, advice=advice)
    with refusals(), Stages() as stage:
        stage(f"reading {table}")
        from trainers.holding_out import hold_out

        parts = hold_out(str(table), target, fraction, seed)
    try:
        _write(files.holdout, parts.holdout, ",")
        _write(files.rest, parts.rest, parts.delimiter)
        yield files
    except BaseException:
        files.holdout.unlink(missing_ok=True)
        files.rest.unlink(missing_ok=True)
        raise


def _stem(table: Path) -> str:
    """The name without its endings: ``table`` of ``table.csv.gz``."""
    path = table
    while path.suffix.lower() in _ENDINGS:
        path = path.with_suffix("")
    return path.name


def _write(path: Path, frame: "pd.DataFrame", delimiter: str) -> None:
    if path.suffix == ".parquet":
        content: bytes = frame.to_parquet(index=False)
    else:
        content = frame.to_csv(index=False, sep=delimiter).encode()
    write_whole(path, content, 0o644)
