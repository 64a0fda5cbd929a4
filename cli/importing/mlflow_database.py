"""A SQLite database of MLflow, which is what it writes by default, with its artifacts in folders.

Read without MLflow: the tables are those of its schema since MLflow 2, and the columns that were
added later are used where they are.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cli.exits import SAID_NO, WRONG_USAGE
from cli.importing.artifact_folders import ArtifactFolders, LocalStore
from cli.importing.mlflow import MAX_VERSIONS, Message, too_many
from cli.importing.sources import CannotCome, SourceFailed

DELETED = "Deleted_Internal"
_DEFAULT_FOLDERS = ("mlruns", "mlartifacts")
"""Beside the database: where MLflow stores artifacts without a server, and its server does."""
Row = dict[str, Any]
_MODEL_TAGS = "SELECT key AS k, value AS v, * FROM registered_model_tags WHERE name = ?"
_ALIASES = "SELECT alias AS k, version AS v, * FROM registered_model_aliases WHERE name = ?"
_VERSION_TAGS = (
    "SELECT key AS k, value AS v, * FROM model_version_tags WHERE name = ? AND version = ?"
)
_MOST_ROWS = MAX_VERSIONS + 1
_LONGEST_VALUE = 16 * 2**20
_STEPS = 1_000_000
_MOST_CALLS = 2_000
"""Of the progress handler: a query of at most 2,000 million steps, about a minute."""


class MlflowDatabase(LocalStore):
    """The registry in the SQLite database at ``path``.

    Artifacts are read below ``folders``, by default those beside the database.
    """

    def __init__(self, path: Path, folders: Sequence[Path], most: int) -> None:
        """Raises SourceFailed where it is no database of MLflow."""
        self.name = str(path)
        beside = [path.parent / name for name in _DEFAULT_FOLDERS]
        super().__init__(ArtifactFolders(folders or beside, most))
        if not path.is_file():
            raise SourceFailed(f"There is no file {path}.", WRONG_USAGE)
        uri = f"file:{quote(str(path.resolve()))}?mode=ro"
        self._database = sqlite3.connect(uri, uri=True)
        self._database.row_factory = _row
        self._database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
        # A database may have been written to make its readers run something.
        for pragma in ("trusted_schema=OFF", "query_only=ON", "cell_size_check=ON"):
            self._rows(f"PRAGMA {pragma}")
        tables = {
            row["name"] for row in self._rows("SELECT name FROM sqlite_master WHERE type='table'")
        }
        if missing := {"registered_models", "model_versions"} - tables:
            raise SourceFailed(
                f"{path} is no database of MLflow: it has no table {' and no '.join(missing)}.",
                SAID_NO,
            )
        self._tables = tables

    def registered_models(self) -> Iterator[Message]:
        query = "SELECT * FROM registered_models ORDER BY name"
        for message in self._messages(query, (), "models"):
            name = message["name"]
            # Aliases are of MLflow 2.3.
            has_aliases = "registered_model_aliases" in self._tables
            yield {
                **message,
                "tags": self._pairs(_MODEL_TAGS, (name,)),
                "aliases": self._pairs(_ALIASES, (name,)) if has_aliases else {},
            }

    def model_versions(self, model: str) -> Iterator[Message]:
        query = "SELECT * FROM model_versions WHERE name = ?"
        for message in self._messages(query, (model,), f"versions of {model}"):
            if message.get("current_stage") == DELETED:
                continue
            yield {
                **message,
                "creation_timestamp": message.get("creation_time"),
                "tags": self._pairs(_VERSION_TAGS, (model, message.get("version"))),
            }

    def run_metrics(self, run_id: str) -> Iterable[Message]:
        query = "SELECT key, value, is_nan, timestamp, step FROM latest_metrics WHERE run_uuid = ?"
        for metric in self._rows(query, (run_id,)):
            value = "nan" if metric["is_nan"] else metric["value"]
            yield {**metric, "value": value}

    def model_metrics(self, model_id: str) -> Iterable[Message]:
        if "logged_model_metrics" not in self._tables:  # before MLflow 3
            return []
        query = (
            "SELECT metric_name AS key, metric_value AS value, metric_step AS step, "
            "metric_timestamp_ms AS timestamp FROM logged_model_metrics WHERE model_id = ?"
        )
        return self._rows(query, (model_id,))

    def close(self) -> None:
        self._database.close()

    def _artifacts_of_run(self, run_id: str) -> str:
        found = self._rows("SELECT artifact_uri FROM runs WHERE run_uuid = ?", (run_id,))
        if not found:
            raise CannotCome(f"Its run {run_id} is not in the database.")
        return str(found[0]["artifact_uri"])

    def _pairs(self, query: str, values: tuple[Any, ...]) -> dict[str, str]:
        rows = _of_default_workspace(self._rows(query, values))
        return {str(row["k"]): "" if row["v"] is None else str(row["v"]) for row in rows}

    def _messages(self, query: str, values: tuple[Any, ...], what: str) -> Iterator[Row]:
        rows = self._rows(query, values)
        if len(rows) > MAX_VERSIONS:
            raise too_many(self.name, what)
        yield from _of_default_workspace(rows)

    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> list[Row]:
        calls = iter(range(_MOST_CALLS))
        self._database.set_progress_handler(lambda: next(calls, None) is None, _STEPS)
        try:
            with closing(self._database.execute(query, values)) as found:
                return found.fetchmany(_MOST_ROWS)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise SourceFailed(f"{self.name} cannot be read: {error}.", SAID_NO) from error


def _of_default_workspace(rows: list[Row]) -> list[Row]:
    """The rows that a server shows without a workspace in the request, as of MLflow 3.8."""
    return [row for row in rows if "workspace" not in row or row["workspace"] == "default"]


def _row(cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, values, strict=True)}
