"""Ensembles and their members: whether widths, classes and the shapes of answers fit together.

Each ensemble is checked after its members, whose methods may be called here.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from registry.errors import ArtifactRefused
from registry.formats.kept_values import entrance, routes
from registry.formats.shapes import is_count

_STACKED = frozenset({"predict", "predict_proba", "decision_function"})
_TRIAL_ROWS = (1, 2, 5)
"""An answer that has the right shape for one of these numbers of rows by chance has another one
for the next."""


def check_trees(model: Any) -> None:
    """Raises ArtifactRefused unless each tree of a tree or forest takes and gives what it does."""
    name, own = type(model).__name__, vars(model)
    classes = len(own["classes_"]) if own.get("classes_") is not None else 1
    for member in (model,) if "tree_" in own else _members(model):
        tree = _tree(model, member)
        if tree.n_outputs != own.get("n_outputs_") or tree.value.shape[2] != classes:
            raise ArtifactRefused(
                f"A tree of {name} has {tree.n_outputs} outputs of {tree.value.shape[2]} values, "
                f"the model has {own.get('n_outputs_')} of {classes}."
            )


def check_bagging(ensemble: Any) -> None:
    """Raises ArtifactRefused unless each member has columns of its own, as many as it takes."""
    name, own = type(ensemble).__name__, vars(ensemble)
    members = list(_members(ensemble))
    chosen = own.get("estimators_features_")
    if type(chosen) is not list or len(chosen) != len(members):
        raise ArtifactRefused(f"{name} does not have 'estimators_features_' for each estimator.")
    for member, columns in zip(members, chosen, strict=True):
        if (
            not isinstance(columns, np.ndarray)
            or columns.dtype.kind not in "iu"
            or columns.shape != (getattr(entrance(member), "n_features_in_", None),)
            or (columns < 0).any()
            or (columns >= own["n_features_in_"]).any()
        ):
            raise ArtifactRefused(
                f"{name} has 'estimators_features_' that do not fit its estimators."
            )
    check_voting(ensemble)


def check_voting(ensemble: Any) -> None:
    """Raises ArtifactRefused unless each member answers as the ensemble counts answers.

    The members of a classifier answer the numbers of its classes, the regressors one number a row.
    """
    members = list(_members(ensemble))
    _check_numbered(ensemble, members)
    _check_dimensions(ensemble, members)


def check_stacking(ensemble: Any) -> None:
    """Raises ArtifactRefused unless each member is called by a method that predicts."""
    name, own = type(ensemble).__name__, vars(ensemble)
    methods, members = own.get("stack_method_"), list(_members(ensemble))
    _check_dimensions(ensemble, [*members, own.get("final_estimator_")])
    if (
        type(methods) is not list
        or len(methods) != len(members)
        or not all(type(method) is str and method in _STACKED for method in methods)
    ):
        raise ArtifactRefused(
            f"{name} has a 'stack_method_' that does not name a method that predicts for each "
            "estimator."
        )


def check_weights(ensemble: Any) -> None:
    """Raises ArtifactRefused unless each member has a weight, and regressors one number a row."""
    weights, members = vars(ensemble).get("estimator_weights_"), list(_members(ensemble))
    _check_dimensions(ensemble, members)
    if (
        not isinstance(weights, np.ndarray)
        or weights.ndim != 1
        or weights.dtype.kind != "f"
        or len(weights) < len(members)
    ):
        raise ArtifactRefused(
            f"{type(ensemble).__name__} does not have 'estimator_weights_' for each estimator."
        )


def check_boosting(ensemble: Any) -> None:
    """Raises ArtifactRefused unless the trees fit what they add to.

    Compiled code adds each to one column of what ``init_`` answers, for as many rows as were
    given: an answer of fewer rows or columns is written beyond its end.
    """
    name, own = type(ensemble).__name__, vars(ensemble)
    trees = own.get("estimators_")
    if not isinstance(trees, np.ndarray) or trees.ndim != 2 or not trees.size:
        raise ArtifactRefused(f"{name} is not fitted.")
    for member in _members(ensemble):
        tree = _tree(ensemble, member)
        if tree.value.shape[1:] != (1, 1):
            raise ArtifactRefused(f"A tree of {name} has several outputs.")
    classes = own.get("classes_")
    columns = 1 if classes is None or len(classes) == 2 else len(classes)
    if trees.shape[1] != columns or own.get("n_trees_per_iteration_", columns) != columns:
        raise ArtifactRefused(
            f"{name} has {trees.shape[1]} trees a round, where {columns} are expected."
        )
    if own.get("init_") != "zero":
        _check_dimensions(ensemble, [own.get("init_")])
    _check_start(ensemble, columns)


def _check_start(ensemble: Any, columns: int) -> None:
    """Raises ArtifactRefused unless ``init_`` answers ``columns`` numbers for each row."""
    name = type(ensemble).__name__
    row = _trial_row(ensemble)
    for rows in _TRIAL_ROWS:
        try:
            start = ensemble._raw_predict_init(np.tile(row, (rows, 1)))
        except ValueError as error:
            raise ArtifactRefused(
                f"{name} is not supported with an 'init' that refuses a row made to check it: "
                f"{str(error)[:300]}. The row has the first category of each column of an encoder, "
                "and 1 in the other columns. Fit the encoders with handle_unknown='ignore', or use "
                "another 'init'."
            ) from error
        if start.dtype != np.float64 or start.shape != (rows, columns):
            raise ArtifactRefused(
                f"{name} starts from answers of the shape {start.shape} for {rows} rows, where "
                f"({rows}, {columns}) is expected."
            )


def _trial_row(ensemble: Any) -> Any:
    """A row for ``init_``: categories that its encoders know, and else 1, which is positive for
    transformers that refuse other numbers."""
    width = vars(ensemble)["n_features_in_"]
    row = np.ones(width, dtype=np.float32)
    for step, columns in routes(ensemble, list(range(width))):
        for column, categories in zip(columns, getattr(step, "categories_", ()), strict=False):
            row[column] = categories[0]
    return row


def _members(ensemble: Any) -> Iterator[Any]:
    members = vars(ensemble).get("estimators_")
    # Not np.asarray: it would take a pipeline, or a forest, for the list of its own parts.
    if isinstance(members, np.ndarray) and members.dtype == object:
        members = members.ravel().tolist()
    if type(members) is not list or not members:
        raise ArtifactRefused(f"{type(ensemble).__name__} is not fitted: it has no estimators.")
    for member in members:
        if not hasattr(member, "__dict__"):
            raise ArtifactRefused(
                f"{type(ensemble).__name__} has a {type(member).__name__} among its estimators."
            )
        yield member


def _tree(model: Any, member: Any) -> Any:
    """The tree of ``member``, which looks at as many features as ``model`` has."""
    name, width = type(model).__name__, vars(model).get("n_features_in_")
    tree = vars(member).get("tree_")
    if type(tree).__name__ != "Tree":
        raise ArtifactRefused(f"{name} is not fitted: it has a member without a tree.")
    if tree.n_features != width:
        raise ArtifactRefused(
            f"A tree of {name} looks at {tree.n_features} features, the model has {width}."
        )
    return tree


def _check_numbered(ensemble: Any, members: list[Any]) -> None:
    """The members of a classifier know its classes by their numbers, and count votes by them."""
    from sklearn.base import ClassifierMixin

    classes = vars(ensemble).get("classes_")
    if classes is None:
        return
    for member in members:
        numbers = getattr(member, "classes_", None)
        if (
            not isinstance(_final(member), ClassifierMixin)
            or not isinstance(numbers, np.ndarray)
            or numbers.ndim != 1
            or not all(is_count(each) and 0 <= each < len(classes) for each in numbers.tolist())
        ):
            raise ArtifactRefused(
                f"{type(ensemble).__name__} has an estimator of other classes than the numbers "
                f"below {len(classes)}."
            )


def _check_dimensions(ensemble: Any, members: list[Any]) -> None:
    """Each regressor among ``members`` answers one number a row, in an array of one dimension.

    NumPy combines arrays of two dimensions as well, along the wrong axis.
    """
    from sklearn.base import RegressorMixin

    for member in members:
        final = _final(member)
        if isinstance(final, RegressorMixin) and not _has_one_dimension(final):
            raise ArtifactRefused(
                f"{type(ensemble).__name__} has a {type(final).__name__} that does not answer one "
                "number for each row: fit it with targets of one dimension."
            )


def _has_one_dimension(regressor: Any) -> bool:
    """Whether ``regressor`` answers an array of one dimension.

    Regressors that store nothing of the kind do by their code; ensembles do where their members do.
    """
    own = vars(regressor)
    if type(regressor).__name__ == "TransformedTargetRegressor":
        width = getattr(entrance(own["transformer_"]), "n_features_in_", None)
        return bool(own.get("_training_dim") == 1 and width == 1)
    if "coef_" in own:
        return np.ndim(own["coef_"]) == 1
    return bool(own.get("n_outputs_", 1) == 1)


def _final(member: Any) -> Any:
    """The estimator that answers for ``member``: the last one, where that is a pipeline.

    Raises ArtifactRefused where there is none.
    """
    while type(member).__name__ == "Pipeline":
        steps = vars(member).get("steps")
        last = steps[-1] if type(steps) is list and steps else None
        member = last[1] if type(last) is tuple and len(last) == 2 else None
    if not hasattr(member, "__dict__"):
        raise ArtifactRefused(f"An ensemble has a {type(member).__name__} among its estimators.")
    return member
