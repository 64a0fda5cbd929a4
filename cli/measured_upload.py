"""Measures the model in a file on data, for ``hotswap upload --data``."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.exits import WRONG_USAGE, CommandFailed
from cli.formatting import listed
from cli.training_refusals import refusals
from registry.errors import PredictionRefused
from registry.formats.reading import BOOSTERS, Format, read_model
from registry.signature import Column as Input
from registry.signature import Signature, label_text

if TYPE_CHECKING:
    from hotswap.evaluation.predicted import Predicted
    from hotswap.fitted.tables import Column
    from registry.engines.predictor import Predictor

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Data:
    """The file of held-out rows, the column to predict, and the file of the rows fitted on."""

    test: Path
    target: str
    train: Path | None = None


@dataclass(frozen=True, slots=True)
class _Table:
    """The columns of a file that the model takes, in its order, and the target."""

    path: Path
    columns: "list[Column]"
    target: Any


def measured(
    file: Path, format_: Format, data: Data, declared: dict[str, Any] | None
) -> tuple[dict[str, Any], bytes | None]:
    """Signature, example, metrics and evaluation of the model in ``file``, and the hashes of the
    rows that it was fitted on, as ``hotswap.log`` sends them. ``declared`` is a signature given by
    the user.

    The file is read as by the service, through its allow-list, and predicts as there.

    Raises CommandFailed, ArtifactRefused, MetadataRefused.
    """
    from hotswap.fitted.description import Measured, described, inputs

    model, predictor = _opened(file, format_, declared)
    with _usage():
        test = _read(data.test, data.target, predictor.signature)
        train = None if data.train is None else _read(data.train, data.target, predictor.signature)
        columns = described(test.columns, None if train is None else train.columns)
        if declared is None:
            output: dict[str, Any] = {"name": data.target}
            if model is None:  # the file knows the types of its columns
                output = predictor.signature.to_json()["output"] | output
                own = predictor.signature.to_json()["inputs"]
                given = [known | {"name": column.name} for known, column in
                         zip(own, columns, strict=True)]  # fmt: skip
            else:
                given = inputs(model, columns)
            model, predictor = _opened(file, format_, {"inputs": given, "output": output})
        made = _predicted(predictor, test)
        signature = predictor.signature
        described_model = Measured(
            model=model,
            made=made,
            test=test.columns,
            train=None if train is None else train.columns,
            train_target=None if train is None else _true(signature, train),
        )
        rows = None if train is None else _training_rows(signature, train)
        return described_model.metadata() | {"signature": signature.to_json()}, rows


def _training_rows(signature: Signature, table: _Table) -> bytes | None:
    from hotswap.evaluation.row_hashes import TrainingRows

    pairs = zip(signature.inputs, table.columns, strict=True)
    columns = {given.name: (given.type, _cells(given, column)) for given, column in pairs}
    return TrainingRows.of(columns, _true(signature, table)).to_bytes()


def _opened(
    file: Path, format_: Format, declared: dict[str, Any] | None
) -> "tuple[Any | None, Predictor]":
    """The scikit-learn model, None for other formats, and what predicts with it."""
    if format_ == "onnx":
        from registry.intake.onnx_upload import read_upload

        said = {} if declared is None else {"signature": declared}
        return None, read_upload(file.read_bytes(), said).predictor
    if format_ in BOOSTERS:
        from registry.intake.boosting.upload import read_booster

        return None, read_booster(file.read_bytes(), format_, declared).predictor
    from registry.engines.predictor import SklearnPredictor
    from registry.intake.boosting.upload import read_bare_estimator
    from registry.intake.signatures import read_signature

    with file.open("rb") as opened:
        model = read_model(opened, format_)
    if (booster := read_bare_estimator(model, declared)) is not None:
        return None, booster.predictor
    return model, SklearnPredictor(model, read_signature(model, declared))


def _read(path: Path, target: str, signature: Signature) -> _Table:
    """The columns of ``path`` by name; by position for a model that does not know any names."""
    import pandas as pd

    from hotswap.fitted.tables import table_columns
    from trainers.columns import declared_column
    from trainers.data import read_dataset
    from trainers.preparation import DeclaredType

    types: dict[str, DeclaredType] = {
        column.name: "category" if column.type == "string" else "date"
        for column in signature.inputs
        if column.type in {"string", "date"}
    }
    dataset = read_dataset(str(path), as_text=list(types))
    frame = dataset.frame
    if target not in frame.columns:
        raise ValueError(f"{path} has no column {target!r}.")
    missing = [name for name in signature.names if name not in frame.columns]
    if missing and _knows_names(signature):
        raise ValueError(f"{path} lacks columns of the model: {listed(missing, _SHOWN)}.")
    if _knows_names(signature):
        frame = frame[[name for name in frame if name == target or name in signature.names]]
    typed = {
        str(name): declared_column(str(name), cells, types.get(str(name)), dataset.rules)
        for name, cells in frame.items()
    }
    frame = pd.DataFrame({name: values.to_series() for name, values in typed.items()})
    values = frame.pop(target)
    named = {column.name: column for column in table_columns(frame, str(path))}
    if missing:
        if len(named) != len(signature.inputs):
            raise ValueError(
                f"{path} has {len(named)} columns besides {target!r}; the model takes "
                f"{len(signature.inputs)}, by position."
            )
        return _Table(path, list(named.values()), values)
    return _Table(path, [named[name] for name in signature.names], values)


def _knows_names(signature: Signature) -> bool:
    return signature.names != tuple(f"x{index}" for index in range(len(signature.inputs)))


def _predicted(predictor: "Predictor", table: _Table) -> "Predicted":
    import numpy as np

    from hotswap.evaluation.predicted import Predicted
    from hotswap.fitted.targets import check_predictions
    from registry.codecs.batch import Batch

    signature = predictor.signature
    pairs = zip(signature.inputs, table.columns, strict=True)
    arrays = {given.name: _cells(given, column) for given, column in pairs}
    batch = Batch(arrays, len(table.target))
    try:
        answers = predictor.predict(batch, probabilities=predictor.has_probabilities)
    except PredictionRefused as error:
        why = error.__cause__ or error
        raise ValueError(f"The model cannot predict {table.path}: {why}") from error
    classes = signature.output.classes
    made = Predicted(
        _true(signature, table),
        np.array(answers.values),
        answers.probabilities,
        None if classes is None else np.array(classes),
    )
    check_predictions(made)
    return made


def _cells(given: Input, column: "Column") -> Any:
    """The values of ``column`` as an engine takes them."""
    own = {"string": "string", "date": "date"}
    fits = own.get(given.type, "number") == own.get(column.type, "number")
    if not column.missing.all() and not (column.type and fits):
        raise ValueError(
            f"The column {column.name!r} does not hold values of the type {given.type}."
        )
    return column.array.astype(object if given.type == "string" else float)


def _true(signature: Signature, table: _Table) -> Any:
    """The target; its labels as texts if the classes are texts."""
    import numpy as np

    from hotswap.fitted.targets import target_values

    values = target_values(
        table.target.to_numpy(object), len(table.target), signature.task, "target"
    )
    if signature.output.classes is None:
        return values
    texts = any(isinstance(label, str) for label in signature.output.classes)
    return np.array([label_text(each) if texts else each for each in values.tolist()])


@contextmanager
def _usage() -> Iterator[None]:
    """Raise what is wrong with the data in this block as CommandFailed."""
    try:
        with refusals():
            yield
    except ValueError as error:
        raise CommandFailed(str(error), WRONG_USAGE) from error
