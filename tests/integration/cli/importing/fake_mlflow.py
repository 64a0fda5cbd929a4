"""A registry of MLflow as its server answers, and as its database and its file store hold it."""

import json
import math
import sqlite3
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from tests.integration.cli.fake_service import Answer, FakeService, ReceivedRequest

MLMODEL = """
flavors:
  python_function: {predict_fn: predict, python_version: 3.11.7}
  sklearn: {code: null, pickled_model: model.skops, serialization_format: skops,
    sklearn_version: 1.9.1}
saved_input_example_info: {artifact_path: input_example.json}
signature:
  inputs: '[{"type": "double", "name": "a", "required": true}]'
"""
OTHER_FLAVOR = "flavors: {pytorch: {data: model}}"
EXAMPLE = b'{"columns": ["a"], "data": [[1.5]]}'
FIRST_MADE = 1_795_424_418_000


@dataclass
class Made:
    """A version in MLflow; ``metrics`` are of its run, ``model_metrics`` of its logged model."""

    number: int
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    model_metrics: dict[str, float] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    status: str = "READY"
    stage: str = "None"
    location: str = ""
    """Where it says that its files are, if not where they are."""

    def __post_init__(self) -> None:
        own = {"MLmodel": MLMODEL.encode(), "model.skops": b"bytes of %d" % self.number}
        self.files = {**own, "input_example.json": EXAMPLE, **self.files}
        self.files.setdefault("requirements.txt", b"numpy==2.4.0\nscikit-learn==1.0\n")

    @property
    def run_id(self) -> str:
        return f"{self.number:032x}"

    @property
    def model_id(self) -> str:
        return f"m-{self.number:032x}"

    def message(self, model: str) -> dict[str, Any]:
        return {
            "name": model,
            "version": str(self.number),
            "creation_timestamp": FIRST_MADE + self.number,
            "description": self.description,
            "current_stage": self.stage,
            "source": f"models:/{self.model_id}",
            "run_id": self.run_id,
            "model_id": self.model_id,
            "status": self.status,
        }


@dataclass
class Registered:
    """A registered model in MLflow."""

    versions: list[Made]
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)


def iris() -> dict[str, Registered]:
    """Four versions, of which the third was deleted and the fourth cannot come."""
    return {
        "iris": Registered(
            [
                Made(1, "the first", {"data": "old"}, {"acc": 0.5, "f1": 0.4}, {"acc": 0.75}),
                Made(2, tags={"data": "new"}, metrics={"acc": 0.9, "loss": math.nan}),
                Made(4, files={"MLmodel": OTHER_FLAVOR.encode()}),
                Made(5, "the last", metrics={"acc": 0.95}),
            ],
            "Irises",
            {"team": "flowers"},
            {"champion": 2, "Blue": 5, "broken": 4, "latest": 5},
        )
    }


class FakeMlflow(FakeService):
    """A server with ``models``; a page of its lists has two entries."""

    def __init__(self) -> None:
        super().__init__()
        self.models = iris()

    def answer(self, received: ReceivedRequest) -> Answer:
        self.requests.append(received)
        if scripted := self._scripted.get((received.method, received.path)):
            return scripted
        query = {key: values[0] for key, values in received.query.items()}
        call = received.path.removeprefix("/api/2.0/mlflow/")
        if call == "registered-models/search":
            return self._page("registered_models", [*map(self._model, self.models)], query)
        if call == "model-versions/search":
            name = query["filter"].removeprefix("name='").removesuffix("'")
            messages = [self._version(name, made) for made in self.models[name].versions[::-1]]
            return self._page("model_versions", messages, query)
        if received.path == "/model-versions/get-artifact":
            return self._file(query["name"], query["version"], query["path"])
        return self._metrics(call, query.get("run_id", ""))

    def _metrics(self, call: str, run_id: str) -> Answer:
        for made in chain.from_iterable(each.versions for each in self.models.values()):
            if call == "runs/get" and run_id == made.run_id:
                return Answer(200, {"run": {"data": _metrics(made.metrics)}})
            if call == f"logged-models/{made.model_id}":
                return Answer(200, {"model": {"data": _metrics(made.model_metrics)}})
        return missing(f"{call} is not there")

    def _page(self, key: str, messages: list[Any], query: dict[str, str]) -> Answer:
        begin = int(query.get("page_token", "0"))
        more = {"next_page_token": str(begin + 2)} if begin + 2 < len(messages) else {}
        return Answer(200, {key: messages[begin : begin + 2], **more})

    def _model(self, name: str) -> dict[str, Any]:
        registered = self.models[name]
        aliases = [{"alias": key, "version": str(n)} for key, n in registered.aliases.items()]
        return {
            "name": name,
            "description": registered.description,
            "tags": _listed(registered.tags),
            "aliases": aliases,
        }

    def _version(self, name: str, made: Made) -> dict[str, Any]:
        return {**made.message(name), "tags": _listed(made.tags)}

    def _file(self, name: str, number: str, path: str) -> Answer:
        made = next(each for each in self.models[name].versions if str(each.number) == number)
        if path not in made.files:
            return missing(f"No such artifact: '{path}'")
        return Answer(200, made.files[path], {"Content-Type": "text/plain"})


def missing(message: str) -> Answer:
    return Answer(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": message})


def write_folder(models: dict[str, Registered], root: Path) -> Path:
    """Write what MLflow's file store writes to ``root``/mlruns; returns that."""
    runs = root / "mlruns"
    for name, registered in models.items():
        own = runs / "models" / name
        _write_meta(own, {"name": name, "description": registered.description})
        _write_texts(own / "tags", registered.tags)
        _write_texts(own / "aliases", {key: str(n) for key, n in registered.aliases.items()})
        for made in registered.versions:
            where = _write_files(made, runs)
            version = own / f"version-{made.number}"
            message = {**made.message(name), "storage_location": made.location or f"file://{where}"}
            _write_meta(version, message)
            _write_texts(version / "tags", made.tags)
            lines = {key: f"1 0.1 0\n2 {value} 1\n" for key, value in made.metrics.items()}
            _write_texts(runs / "1" / made.run_id / "metrics", lines)
            lines = {key: f"2 {value} 1 x\n" for key, value in made.model_metrics.items()}
            _write_texts(where.parent / "metrics", lines)
    return runs


def write_database(models: dict[str, Registered], root: Path) -> Path:
    """Write what MLflow writes by default, a database and artifacts; returns the database."""
    path = root / "mlflow.db"
    with sqlite3.connect(path) as database:
        database.executescript(_SCHEMA)
        for name, registered in models.items():
            database.execute(
                "INSERT INTO registered_models VALUES (?, ?, 'default')",
                (name, registered.description),
            )
            for key, value in registered.tags.items():
                database.execute("INSERT INTO registered_model_tags VALUES (?, ?, ?, 'default')",
                                 (key, value, name))  # fmt: skip
            for key, number in registered.aliases.items():
                database.execute("INSERT INTO registered_model_aliases VALUES (?, ?, ?, 'default')",
                                 (key, number, name))  # fmt: skip
            for made in registered.versions:
                _insert_version(database, name, made, _write_files(made, root / "mlruns"))
        database.execute(
            "INSERT INTO registered_models VALUES ('iris', 'of another workspace', 'team-b')"
        )
    database.close()
    return path


def _insert_version(database: sqlite3.Connection, name: str, made: Made, where: Path) -> None:
    message = made.message(name)
    database.execute(
        "INSERT INTO model_versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'default')",
        (
            name,
            made.number,
            message["creation_timestamp"],
            made.description or None,
            made.stage,
            message["source"],
            made.run_id,
            made.status,
            made.location or str(where),
        ),
    )
    for key, value in made.tags.items():
        database.execute("INSERT INTO model_version_tags VALUES (?, ?, ?, ?, 'default')",
                         (key, value, name, made.number))  # fmt: skip
    for key, value in made.metrics.items():
        is_nan = math.isnan(value)
        database.execute("INSERT INTO latest_metrics VALUES (?, ?, 1, 0, ?, ?)",
                         (key, 0.0 if is_nan else value, is_nan, made.run_id))  # fmt: skip
    for key, value in made.model_metrics.items():
        database.execute("INSERT INTO logged_model_metrics VALUES (?, ?, 1, 0, ?)",
                         (made.model_id, key, value))  # fmt: skip
    database.execute("INSERT INTO runs VALUES (?, ?)", (made.run_id, f"file://{where.parent}"))


_SCHEMA = """
CREATE TABLE registered_models (name TEXT, description TEXT, workspace TEXT);
CREATE TABLE registered_model_tags (key TEXT, value TEXT, name TEXT, workspace TEXT);
CREATE TABLE registered_model_aliases (alias TEXT, version INTEGER, name TEXT, workspace TEXT);
CREATE TABLE model_versions (name TEXT, version INTEGER, creation_time BIGINT, description TEXT,
  current_stage TEXT, source TEXT, run_id TEXT, status TEXT, storage_location TEXT, workspace TEXT);
CREATE TABLE model_version_tags (key TEXT, value TEXT, name TEXT, version INTEGER, workspace TEXT);
CREATE TABLE latest_metrics (key TEXT, value DOUBLE, timestamp BIGINT, step BIGINT, is_nan BOOLEAN,
  run_uuid TEXT);
CREATE TABLE logged_model_metrics (model_id TEXT, metric_name TEXT, metric_timestamp_ms BIGINT,
  metric_step BIGINT, metric_value DOUBLE);
CREATE TABLE runs (run_uuid TEXT, artifact_uri TEXT);
"""


def _write_files(made: Made, runs: Path) -> Path:
    where = runs / "1" / "models" / made.model_id / "artifacts"
    where.mkdir(parents=True)
    for name, content in made.files.items():
        (where / name).write_bytes(content)
    return where


def _write_meta(folder: Path, meta: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{key}: {json.dumps(value)}\n" for key, value in meta.items()]
    (folder / "meta.yaml").write_text("".join(lines))


def _write_texts(folder: Path, texts: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)


def _listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _metrics(metrics: dict[str, float]) -> dict[str, Any]:
    entry = {"timestamp": 1, "step": 0}
    return {"metrics": [{"key": key, "value": _json(value), **entry}
                        for key, value in metrics.items()]}  # fmt: skip


def _json(value: float) -> float | str:
    return "NaN" if math.isnan(value) else value
