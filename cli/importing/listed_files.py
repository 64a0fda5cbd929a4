"""A folder of model files, and a CSV file that names the model of each."""

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cli.exits import WRONG_USAGE
from cli.formatting import size
from cli.importing.fitting import name_fault
from cli.importing.real_paths import real_path
from cli.importing.sources import (
    CannotCome,
    Described,
    FoundModel,
    FoundVersion,
    SourceFailed,
)
from hotswap.replies import Version
from registry.errors import Fault, shown

COLUMNS = ("file", "model", "version", "alias", "description", "tags", "metrics")
MAX_CSV = 64 * 2**20
MAX_ROWS = 100_000


class ListedFiles:
    """The rows of a CSV file, each a file below ``folder``; files of at most ``most`` bytes.

    ``alias`` may have several names, separated by spaces; ``tags`` and ``metrics`` are
    ``key=value`` pairs, separated by semicolons.
    """

    def __init__(self, folder: Path, names: Path, most: int) -> None:
        """Raises SourceFailed with all faults of the rows."""
        self.name = str(folder)
        self._folder = folder.resolve()
        self._most = most
        self._files: dict[Hashable, Path] = {}
        self._metrics: dict[Hashable, dict[str, float]] = {}
        self._faults: list[Fault] = []
        self._aliases: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._versions: defaultdict[str, list[FoundVersion]] = defaultdict(list)
        for line, row in _rows(names):
            self._add(f"line {line}", row)
        if self._faults:
            raise SourceFailed(
                f"{names} cannot be imported.", WRONG_USAGE, faults=tuple(self._faults[:20])
            )

    def models(self) -> Iterator[FoundModel]:
        for name, versions in self._versions.items():
            if fault := name_fault(name):
                yield FoundModel(name, unfit=fault)
                continue
            numbered = all(version.number is not None for version in versions)
            ordered = sorted(versions, key=lambda each: each.number or 0) if numbered else versions
            yield FoundModel(name, aliases=self._aliases[name], versions=tuple(ordered))

    def key_of(self, version: Version) -> Hashable:
        origin = version["lineage"].get("imported")
        if not isinstance(origin, Mapping):
            return None
        return (version["model"], origin.get("file"), version["artifact"]["sha256"])

    def describe(self, version: FoundVersion) -> Described:
        path = self._files[version.key]
        if (length := path.stat().st_size) > self._most:
            raise CannotCome(
                f"The file has {size(length)}, more than {size(self._most)}, see --max-mb."
            )
        return Described(file=path.name, metrics=self._metrics[version.key])

    @contextmanager
    def artifact(self, version: FoundVersion, described: Described) -> Iterator[Path]:  # noqa: ARG002 - the protocol's
        yield self._files[version.key]

    def _add(self, at: str, row: Mapping[str, str]) -> None:
        file, model = row.get("file", ""), row.get("model", "")
        for column, value in (("file", file), ("model", model)):
            if not value:
                self._faults.append(Fault(at, f"{column} is required"))
        if not (file and model):
            return
        try:
            path = self._path(file)
            number = _number(row.get("version", ""))
            tags = _pairs(row.get("tags", ""))
            metrics = {key: float(value) for key, value in _pairs(row.get("metrics", "")).items()}
        except ValueError as error:
            self._faults.append(Fault(at, str(error)))
            return
        relative = str(path.relative_to(self._folder))
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        key = (model, relative, digest)
        if key in self._files:
            self._faults.append(Fault(at, f"{shown(file)} is listed twice for {model}"))
        self._files[key], self._metrics[key] = path, metrics
        for alias in row.get("alias", "").split():
            if self._aliases[model].setdefault(alias, relative) != relative:
                self._faults.append(Fault(at, f"the alias {shown(alias)} is listed twice"))
        self._versions[model].append(
            FoundVersion(
                model=model,
                label=relative,
                number=number,
                key=key,
                lineage={"imported": {"file": relative}},
                description=row.get("description", ""),
                tags=tags,
            )
        )

    def _path(self, file: str) -> Path:
        """Raises ValueError for what is no file of the folder."""
        if "\x00" in file:
            raise ValueError("file contains the character U+0000")
        path = real_path(self._folder / file)
        if path is not None and not path.is_relative_to(self._folder):
            raise ValueError(f"{shown(file)} is outside the folder")
        if path is None or not path.is_file():
            raise ValueError(f"{shown(file)} is missing")
        return path


def _rows(names: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The number of the line, and the cells by column. Raises SourceFailed."""
    if names.stat().st_size > MAX_CSV:
        raise SourceFailed(f"{names} has more than {MAX_CSV} bytes.", WRONG_USAGE)
    try:
        reader = csv.DictReader(io.StringIO(names.read_bytes().decode("utf-8-sig")), strict=True)
        columns = reader.fieldnames or []
        if unknown := [column for column in columns if column not in COLUMNS]:
            raise SourceFailed(
                f"{names} has unknown columns: {', '.join(map(shown, unknown[:10]))}.",
                WRONG_USAGE,
                advice=f"It may have {', '.join(COLUMNS)}.",
            )
        if missing := {"file", "model"} - set(columns):
            raise SourceFailed(f"{names} has no column {min(missing)}.", WRONG_USAGE)
        for count, row in enumerate(reader, start=1):
            if count > MAX_ROWS:
                raise SourceFailed(f"{names} has more than {MAX_ROWS} rows.", WRONG_USAGE)
            if None in row:
                raise SourceFailed(
                    f"Line {reader.line_num} of {names} has more cells than the header.",
                    WRONG_USAGE,
                )
            yield reader.line_num, {key: (cell or "").strip() for key, cell in row.items()}
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceFailed(f"{names} cannot be read: {error}.", WRONG_USAGE) from error


def _number(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:11]) < 2**31):
        raise ValueError(f"version {shown(text)} is not valid: expected a number from 1 on")
    return int(text)


def _pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        key, sign, value = part.partition("=")
        if not sign or not key.strip():
            raise ValueError(f"{shown(part)} is not of the form key=value")
        pairs[key.strip()] = value.strip()
    return pairs
