"""Uploads a fitted model with everything that can be said of it."""

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hotswap.address import service_address
from hotswap.registry import Registry
from hotswap.replies import Version

if TYPE_CHECKING:
    from hotswap.fitted.tables import Column
    from hotswap.metrics.names import Task


class TrainingWarning(UserWarning):
    """Why the metrics of a model are worth less than they seem."""


# X and y are the names that scikit-learn uses.
def log(
    model: Any,
    X_train: Any,  # noqa: N803
    X_test: Any,  # noqa: N803
    y_test: Any,
    *,
    name: str,
    promote: bool = False,
    y_train: Any = None,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    url: str | None = None,
    token: str | None = None,
) -> Version:
    """Upload a fitted ``model`` as the next version of the registered model ``name``.

    ``model`` is a fitted regressor or classifier of scikit-learn, XGBoost or LightGBM, or a
    pipeline that ends in one. ``X_train`` are the rows that it was fitted on, ``X_test`` and
    ``y_test`` held-out rows to measure it on: DataFrames, arrays of rows x columns, or texts.
    Signature, example, metrics with intervals, the data of plots and the profile follow from these;
    the baseline from ``y_train``, else from ``y_test``. Versions of libraries and the commit of the
    current directory are added. The rows themselves are not sent.

    Warns (`TrainingWarning`) of what makes metrics worth less than they seem, as ``hotswap train``
    does, and keeps it in the evaluation: a model no better than the baseline, a column that reveals
    the target, rows in both tables, constant columns, rare classes, extreme targets. Leaks and rare
    classes are found with ``y_train``. A warning that is made an error prevents the upload.

    The same model, data and commit give the same version again. With ``promote``, ``production`` is
    pointed at it. ``url`` and ``token`` default to HOTSWAP_URL and HOTSWAP_TOKEN.

    Raises ValueError for data that do not fit each other or the model, ModuleNotFoundError without
    scikit-learn, and what ``Registry.upload`` and ``Registry.promote`` raise.
    """
    metadata = measure(model, X_train, X_test, y_test, y_train)
    for warning in metadata["evaluation"]["warnings"]:
        warnings.warn(f"{name}: {warning}", TrainingWarning, stacklevel=2)
    metadata |= {"description": description, "tags": dict(tags or {})}
    artifact, metadata = packed(model, metadata)
    with Registry(*service_address(url, token)) as registry:
        uploaded = registry.upload(
            name,
            artifact,
            metadata,
            filename=f"model.{metadata['format']}",
            idempotency_key=_key(name, artifact, metadata),
            reuse=True,
            training_rows=training_rows(model, X_train, y_train),
        )
        version = uploaded.version
        if not promote:
            return version
        registry.promote(name, version["version"])
        return registry.version(name, version["version"])


def packed(model: Any, metadata: Mapping[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """The file of ``model``, and ``metadata`` with its format and where it was made."""
    from hotswap.fitted.saving import save
    from hotswap.fitted.surroundings import environment, git_commit

    format_, artifact = save(model)
    commit = git_commit(Path.cwd())
    lineage = {} if commit is None else {"git_commit": commit}
    made = {"format": format_, "lineage": lineage, "environment": environment(model)}
    return artifact, {**metadata, **made}


def measure(
    model: Any,
    X_train: Any,  # noqa: N803
    X_test: Any,  # noqa: N803
    y_test: Any,
    y_train: Any = None,
) -> dict[str, Any]:
    """The part of the metadata that follows from the data. Raises ValueError."""
    from hotswap.evaluation.predicted import predict
    from hotswap.fitted.description import Measured
    from hotswap.fitted.tables import check_finite, table_columns
    from hotswap.fitted.targets import check_predictions, target_values

    task, names = _task(model), _names(model)
    train = table_columns(X_train, "X_train", _array_names(model))
    test = table_columns(X_test, "X_test", _array_names(model))
    _check_columns(train, test, names, replaces_blanks=_is_lightgbm(model))
    unused = _unused(model, names)
    check_finite(train, "X_train", unused)
    check_finite(test, "X_test", unused)
    target = target_values(y_test, len(test[0].array), task, "y_test")
    rows = _as_fitted(X_test, names)
    made = predict(model, task, rows, target)
    check_predictions(made)
    return Measured(
        model=model,
        made=made,
        test=test,
        train=train,
        train_target=None
        if y_train is None
        else target_values(y_train, len(train[0].array), task, "y_train"),
        output="prediction" if (output := getattr(y_test, "name", None)) is None else str(output),
        unused=unused,
    ).metadata()


def training_rows(
    model: Any,
    X_train: Any,  # noqa: N803
    y_train: Any = None,
) -> bytes | None:
    """The hashes of the training rows (``hotswap.evaluation.row_hashes``), with ``y_train`` of
    their targets too; None if a column has values that a request cannot contain.

    Raises ValueError.
    """
    from hotswap.evaluation.row_hashes import TrainingRows
    from hotswap.fitted.tables import table_columns
    from hotswap.fitted.targets import target_values

    names = _names(model)
    unused = _unused(model, names)
    columns = table_columns(X_train, "X_train", _array_names(model))
    used = {one.name: (one.type, one.array) for one in columns if one.name not in unused}
    if not all(type_ for type_, _ in used.values()):
        return None
    target = None
    if y_train is not None:
        target = target_values(y_train, len(columns[0].array), _task(model), "y_train")
    return TrainingRows.of(used, target).to_bytes()


def _task(model: Any) -> "Task":
    from sklearn.base import is_classifier, is_regressor

    if isinstance(model, type) or not hasattr(model, "__sklearn_tags__"):
        raise ValueError(f"Expected a fitted model of scikit-learn's kind, not {model!r:.200}.")
    if is_regressor(model):
        return "regression"
    if is_classifier(model):
        return "classification"
    raise ValueError(
        f"{type(model).__name__} is neither a regressor nor a classifier, so it cannot be measured "
        "on y_test. Upload its file with Registry.upload."
    )


def _names(model: Any) -> list[str] | None:
    """The names of the columns that ``model`` was fitted on, where it or its first part knows
    them: not every ensemble does."""
    found = getattr(model, "feature_names_in_", None)
    if found is not None:
        return [str(name) for name in found]
    if hasattr(model, "steps"):
        parts = [step for _, step in model.steps if not isinstance(step, str | None)]
    else:
        held = getattr(model, "regressor_", None) or getattr(model, "estimators_", None)
        parts = held if isinstance(held, list) else [] if held is None else [held]
    return _names(parts[0]) if parts else None


def _array_names(model: Any) -> list[str] | None:
    """The names of an array's columns: those of the model; LightGBM makes some up."""
    return _names(model) or getattr(model, "feature_name_", None)


def _is_lightgbm(model: Any) -> bool:
    return type(model).__module__.startswith("lightgbm.")


def _check_columns(
    train: "list[Column]", test: "list[Column]", names: list[str] | None, *, replaces_blanks: bool
) -> None:
    """``replaces_blanks``: the model has underscores where the names had blanks, as LightGBM's do.

    Raises ValueError.
    """
    given, others = [column.name for column in train], [column.name for column in test]
    if given != others:
        raise ValueError(f"X_train has the columns {given[:20]}, X_test {others[:20]}.")
    written = [name.replace(" ", "_") for name in given] if replaces_blanks else given
    if names is not None and names not in (given, written):
        raise ValueError(f"The model was fitted on the columns {names[:20]}, not {given[:20]}.")


def _as_fitted(table: Any, names: list[str] | None) -> Any:
    """``table`` as the model was fitted: with names or without."""
    if names is None and hasattr(table, "to_numpy"):
        return table.to_numpy()
    if names is not None and not hasattr(table, "columns"):
        import pandas as pd  # type: ignore[import-untyped,unused-ignore]  # the client has no stubs

        return pd.DataFrame(table, columns=names)
    return table


def _unused(model: Any, names: list[str] | None) -> frozenset[str]:
    """The named columns that a ColumnTransformer at the beginning of a pipeline drops."""
    first = model
    while type(first).__name__ == "Pipeline":
        first = first.steps[0][1]
    positions = getattr(first, "_transformer_to_input_indices", None)
    if names is None or positions is None:
        return frozenset()
    used = {position for part, step, _ in first.transformers_ if not _drops(step)
            for position in positions.get(part, ())}  # fmt: skip
    return frozenset(name for position, name in enumerate(names) if position not in used)


def _drops(step: Any) -> bool:
    return isinstance(step, str) and step == "drop"


def _key(name: str, artifact: bytes, metadata: Mapping[str, Any]) -> str:
    """The same for the same content."""
    content = json.dumps([name, hashlib.sha256(artifact).hexdigest(), metadata], sort_keys=True)
    return f"log-{hashlib.sha256(content.encode()).hexdigest()}"
