"""MLflow's registry as a source: the same for a server, a database and a folder.

The messages are those of its REST API: https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

import math
import re
import sys
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from cli.exits import SAID_NO, WRONG_USAGE
from cli.importing.fitting import name_fault
from cli.importing.sources import (
    CannotCome,
    Described,
    FoundModel,
    FoundVersion,
    LeftOut,
    SourceFailed,
)
from hotswap.replies import Version
from registry.errors import ArtifactRefused, shown
from registry.formats.mlmodel import MAX_MLMODEL, MlflowModel, first_row, read_mlmodel
from registry.mlflow_models.environment import read_requirements
from registry.stored_text import unstorable

Message = Mapping[str, Any]
MAX_VERSIONS = 100_000
"""Of one model; and models of one registry."""
MAX_EXAMPLE = 2**20
"""Bytes of the input example, and of requirements.txt."""
PROMPT_TAG = "mlflow.prompt.is_prompt"
_MODEL_ID = re.compile(r"m-[0-9A-Za-z]{1,64}")
_LOGGED_MODEL = re.compile(r"models:/(m-[0-9A-Za-z]{1,64})")
_RUN_ID = re.compile(r"[0-9A-Za-z]{1,64}")


class MlflowStore(Protocol):
    """Where a registry of MLflow is kept. Every method raises SourceFailed."""

    name: str

    def registered_models(self) -> Iterator[Message]:
        """Each registered model, with ``tags`` and ``aliases`` as mappings."""

    def model_versions(self, model: str) -> Iterator[Message]:
        """Each version of a model that is not deleted, with ``tags`` as a mapping."""

    def run_metrics(self, run_id: str) -> Iterable[Message]:
        """The metrics of a run. Raises CannotCome."""

    def model_metrics(self, model_id: str) -> Iterable[Message]:
        """The metrics of a logged model. Raises CannotCome."""

    def read(self, version: Message, name: str, most: int) -> bytes:
        """The file ``name`` in the directory of a version. Raises CannotCome."""

    def artifact(self, version: Message, name: str) -> AbstractContextManager[Path]:
        """The file ``name``, of any size that is allowed, on disk. Raises CannotCome."""

    def close(self) -> None:
        """Release what the store holds open."""


class MlflowSource:
    """The models of a registry of MLflow; only those in ``names``, if there are any."""

    def __init__(self, store: MlflowStore, names: Collection[str] = ()) -> None:
        self.name = store.name
        self._store = store
        self._names = names
        self._messages: dict[Hashable, Message] = {}

    def models(self) -> Iterator[FoundModel]:
        seen: set[str] = set()
        for message in self._store.registered_models():
            name = text_of(message, "name")
            if name in seen:
                raise listed_twice(self.name, f"the model {shown(name)}")
            seen.add(name)
            if self._names and name not in self._names:
                continue
            if PROMPT_TAG not in message["tags"]:
                yield self._model(name, message)
        if missing := [name for name in self._names if name not in seen]:
            raise SourceFailed(f"{self.name} has no model {shown(missing[0])}.", WRONG_USAGE)

    def _model(self, name: str, message: Message) -> FoundModel:
        if fault := name_fault(name):
            return FoundModel(name, unfit=fault)
        versions: dict[int, FoundVersion] = {}
        for each in self._store.model_versions(name):
            version = self._version(name, each)
            number = version.number or 0
            if number in versions:
                raise listed_twice(self.name, f"version {number} of {name}")
            versions[number] = version
        return FoundModel(
            name,
            text_of(message, "description"),
            message["tags"],
            message["aliases"],
            tuple(versions[number] for number in sorted(versions)),
        )

    def _version(self, model: str, message: Message) -> FoundVersion:
        label = text_of(message, "version")
        if not (label.isascii() and label.isdecimal() and len(label) <= 10):
            raise SourceFailed(
                f"{self.name} lists a version {shown(label)} of {model}: expected a number.",
                SAID_NO,
            )
        number = int(label)
        key = (model, number, text_of(message, "creation_timestamp"))
        self._messages[key] = message
        return FoundVersion(
            model=model,
            label=label,
            number=number,
            key=key,
            lineage={"mlflow": _lineage(message, key)},
            description=text_of(message, "description"),
            tags=message["tags"],
            unfit=_status_fault(message),
            left_out=_stage(model, label, text_of(message, "current_stage")),
        )

    def key_of(self, version: Version) -> Hashable:
        origin = version["lineage"].get("mlflow")
        if not isinstance(origin, Mapping) or "name" not in origin:
            return None
        number, made = origin.get("version"), origin.get("creation_timestamp")
        return (origin["name"], number, str(made))

    def describe(self, version: FoundVersion) -> Described:
        message = self._messages[version.key]
        try:
            model = read_mlmodel(self._store.read(message, "MLmodel", MAX_MLMODEL))
        except ArtifactRefused as error:
            raise CannotCome(error.detail) from error
        metrics, left_out = self._metrics(message, model)
        if model.predict_function != "predict":
            why = "a version predicts; request the probabilities with probabilities=true"
            left_out.append(LeftOut(f"predict_fn {shown(model.predict_function)}", why))
        return Described(
            file=model.file,
            format=model.format,
            signature=model.signature,
            input_example=self._example(message, model),
            environment={**self._packages(message), **model.environment},
            metrics=metrics,
            left_out=tuple(left_out),
        )

    def artifact(self, version: FoundVersion, described: Described) -> AbstractContextManager[Path]:
        return self._store.artifact(self._messages[version.key], described.file)

    def _example(self, message: Message, model: MlflowModel) -> Any:
        if model.example_file is None:
            return None
        try:
            return first_row(self._store.read(message, model.example_file, MAX_EXAMPLE))
        except CannotCome:
            return None  # the service takes its own example then

    def _packages(self, message: Message) -> dict[str, str]:
        try:
            return read_requirements(self._store.read(message, "requirements.txt", MAX_EXAMPLE))
        except CannotCome:
            return {}

    def _metrics(
        self, message: Message, model: MlflowModel
    ) -> tuple[dict[str, float], list[LeftOut]]:
        """The metrics of the run, replaced by those of the logged model.

        A database has 0 for the NaN of a logged model, and says of a run's that it is NaN.
        """
        metrics: dict[str, float] = {}
        left_out: list[LeftOut] = []
        run_id = text_of(message, "run_id") or model.run_id
        logged = _LOGGED_MODEL.fullmatch(text_of(message, "source"))
        model_id = logged[1] if logged else text_of(message, "model_id") or model.model_id
        wanted = (
            (_RUN_ID, run_id, self._store.run_metrics),
            (_MODEL_ID, model_id, self._store.model_metrics),
        )
        for grammar, its_id, read in wanted:
            if not grammar.fullmatch(its_id):
                continue
            try:
                found = _latest(read(its_id))
            except CannotCome as error:
                left_out.append(LeftOut(f"metrics of {its_id}", str(error)))
            else:
                was_nan = {name for name, value in metrics.items() if math.isnan(value)}
                metrics |= {
                    name: value
                    for name, value in found.items()
                    if name not in was_nan or value != 0.0
                }
        return metrics, left_out


def text_of(message: Message, key: str) -> str:
    """The text of a field; of a number its digits; an empty one where there is none."""
    value = message.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def mapping_of(entries: object, key: str, value: str) -> dict[str, str]:
    """Tags or aliases as MLflow lists them: ``[{key: …, value: …}]``."""
    listed = entries if isinstance(entries, list) else []
    messages = [entry for entry in listed if isinstance(entry, Mapping)]
    return {text_of(entry, key): text_of(entry, value) for entry in messages}


def listed_twice(source: str, what: str) -> SourceFailed:
    return SourceFailed(f"{source} lists {what} twice.", SAID_NO)


def too_many(source: str, what: str) -> SourceFailed:
    return SourceFailed(f"{source} lists more than {MAX_VERSIONS} {what}.", SAID_NO)


def _lineage(message: Message, key: tuple[str, int, str]) -> dict[str, Any]:
    name, number, made = key
    more = {field: text_of(message, field) for field in ("source", "run_id", "model_id")}
    return {
        "name": name,
        "version": number,
        "creation_timestamp": made,
        **{field: text for field, text in more.items() if text and not unstorable(text)},
    }


def _status_fault(message: Message) -> str:
    status = text_of(message, "status") or "READY"
    if status == "READY":
        return ""
    return f"Its status in MLflow is {shown(status)}."


def _stage(model: str, label: str, stage: str) -> tuple[LeftOut, ...]:
    if stage in {"", "None"}:
        return ()
    alias = " --alias NAME" if stage != "Production" else ""
    why = f"there are aliases instead: hotswap promote {model} {label}{alias}"
    return (LeftOut(f"stage {stage}", why),)


def _latest(metrics: Iterable[Message]) -> dict[str, float]:
    """The value of the last step of each metric, as MLflow shows it."""
    found: dict[str, tuple[tuple[float, float], float]] = {}
    for metric in metrics:
        name = text_of(metric, "key")
        at = (_number(metric.get("step")), _number(metric.get("timestamp")))
        if name not in found or at >= found[name][0]:
            found[name] = (at, _number(metric.get("value"), float("nan")))
    return {name: value for name, (_, value) in found.items()}


def _number(value: object, otherwise: float = 0.0) -> float:
    """MLflow writes NaN and the infinities as texts; into a database the latter as the largest
    finite numbers."""
    try:
        number = float(value) if isinstance(value, str | int | float) else otherwise
    except (ValueError, OverflowError):
        return otherwise
    return math.copysign(math.inf, number) if abs(number) == sys.float_info.max else number
