"""Checks ensembles and their members: widths, classes and the shapes of outputs must agree.

Each ensemble is checked after its members, whose methods may be called here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from registry.errors import ArtifactRefused
from registry.formats.kept_values import input_estimator, routes
from registry.formats.shapes import is_count

_STACKED = frozenset({"predict", "predict_proba", "decision_function"})
BY_TARGET = {
    "GaussianProcessRegressor": "alpha_",
    "KNeighborsRegressor": "_y",
    "KernelRidge": "dual_coef_",
    "RadiusNeighborsRegressor": "_y",
}
"""Regressors whose attribute has one dimension if they return one number for each row."""
_SEVERAL = frozenset({"MultiOutputRegressor", "RegressorChain"})
_TRIAL_ROWS = (1, 2, 5)
"""Numbers of rows to try: an output that has the expected shape for one of them by chance has
another shape for the next."""


def check_trees(model: Any) -> None:
    """Raises ArtifactRefused unless each tree has the features and outputs of the model."""
    name, own = type(model).__name__, vars(model)
    classes = _most_classes(own)
    for member in (model,) if "tree_" in own else members_of(model):
        tree = _tree(model, member)
        if tree.n_outputs != own.get("n_outputs_") or tree.value.shape[2] != classes:
            raise ArtifactRefused(
                f"A tree of {name} has {tree.n_outputs} outputs of {tree.value.shape[2]} values, "
                f"the model has {own.get('n_outputs_')} of {classes}."
            )


def _most_classes(own: Mapping[str, Any]) -> int:
    """The classes of the output that has the most of them; 1 for a regressor."""
    classes = own.get("classes_")
    if isinstance(classes, list):
        return max(map(len, classes))
    return 1 if classes is None else len(classes)


def check_bagging(ensemble: Any) -> None:
    """Raises ArtifactRefused unless each member has a list of as many columns as it takes."""
    name, own = type(ensemble).__name__, vars(ensemble)
    members = list(members_of(ensemble))
    chosen = own.get("estimators_features_")
    if type(chosen) is not list or len(chosen) != len(members):
        raise ArtifactRefused(f"{name} does not have 'estimators_features_' for each estimator.")
    for member, columns in zip(members, chosen, strict=True):
        if (
            not isinstance(columns, np.ndarray)
            or columns.dtype.kind not in "iu"
            or columns.shape != (getattr(input_estimator(member), "n_features_in_", None),)
            or (columns < 0).any()
            or (columns >= own["n_features_in_"]).any()
        ):
            raise ArtifactRefused(
                f"{name} has 'estimators_features_' that do not fit its estimators."
            )
    check_voting(ensemble)


def check_voting(ensemble: Any) -> None:
    """Raises ArtifactRefused unless each member's output is what the ensemble expects.

    Members of a classifier return the indices of its classes, regressors one number for each row.
    """
    members = list(members_of(ensemble))
    _check_numbered(ensemble, members)
    _check_dimensions(ensemble, members)


def check_stacking(ensemble: Any) -> None:
    """Raises ArtifactRefused unless each member is called by a method that predicts."""
    name, own = type(ensemble).__name__, vars(ensemble)
    methods, members = own.get("stack_method_"), list(members_of(ensemble))
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
    """Raises ArtifactRefused unless each member has a weight, and regressors return one number."""
    weights, members = vars(ensemble).get("estimator_weights_"), list(members_of(ensemble))
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
    """Raises ArtifactRefused unless the trees match the output of ``init_``.

    Compiled code adds each tree to one column of that output, for all rows of the input: if it has
    fewer rows or columns, memory beyond its end is written.
    """
    name, own = type(ensemble).__name__, vars(ensemble)
    trees = own.get("estimators_")
    if not isinstance(trees, np.ndarray) or trees.ndim != 2 or not trees.size:
        raise ArtifactRefused(f"{name} is not fitted.")
    for member in members_of(ensemble):
        tree = _tree(ensemble, member)
        if tree.value.shape[1:] != (1, 1):
            raise ArtifactRefused(f"A tree of {name} has several outputs.")
    classes = own.get("classes_")
    columns = 1 if classes is None or len(classes) == 2 else len(classes)
    if trees.shape[1] != columns or own.get("n_trees_per_iteration_", columns) != columns:
        raise ArtifactRefused(
            f"{name} has {trees.shape[1]} trees in each round, expected {columns}."
        )
    if own.get("init_") != "zero":
        _check_dimensions(ensemble, [own.get("init_")])
    _check_start(ensemble, columns)


def _check_start(ensemble: Any, columns: int) -> None:
    """Raises ArtifactRefused unless ``init_`` returns ``columns`` numbers for each row."""
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
                f"{name} has an 'init' whose output has the shape {start.shape} for {rows} rows, "
                f"expected ({rows}, {columns})."
            )


def _trial_row(ensemble: Any) -> Any:
    """A row for ``init_``: known categories for encoders, and 1 in other columns, since some
    transformers require positive numbers."""
    width = vars(ensemble)["n_features_in_"]
    row = np.ones(width, dtype=np.float32)
    for step, columns in routes(ensemble, list(range(width))):
        for column, categories in zip(columns, getattr(step, "categories_", ()), strict=False):
            row[column] = categories[0]
    return row


def members_of(ensemble: Any) -> Iterator[Any]:
    """The estimators of ``ensemble``. Raises ArtifactRefused where it has none."""
    members = vars(ensemble).get("estimators_")
    # Not np.asarray: it would convert a pipeline, or a forest, to the list of its parts.
    if isinstance(members, np.ndarray) and members.dtype == object:
        members = members.ravel().tolist()
    if type(members) not in {list, tuple} or not members:
        raise ArtifactRefused(f"{type(ensemble).__name__} is not fitted: it has no estimators.")
    for member in members:
        if not hasattr(member, "__dict__"):
            raise ArtifactRefused(
                f"{type(ensemble).__name__} has a {type(member).__name__} among its estimators."
            )
        yield member


def _tree(model: Any, member: Any) -> Any:
    """The tree of ``member``, which must have as many features as ``model``."""
    name, width = type(model).__name__, vars(model).get("n_features_in_")
    tree = vars(member).get("tree_")
    if type(tree).__name__ != "Tree":
        raise ArtifactRefused(f"{name} is not fitted: it has a member without a tree.")
    if tree.n_features != width:
        raise ArtifactRefused(
            f"A tree of {name} has {tree.n_features} features, the model has {width}."
        )
    return tree


def _check_numbered(ensemble: Any, members: list[Any]) -> None:
    """The classes of a classifier's members must be indices of its own, which count the votes."""
    from sklearn.base import ClassifierMixin

    classes = vars(ensemble).get("classes_")
    if classes is None:
        return
    for member in members:
        numbers = getattr(member, "classes_", None)
        if (
            not isinstance(final_step(member), ClassifierMixin)
            or not isinstance(numbers, np.ndarray)
            or numbers.ndim != 1
            or not all(is_count(each) and 0 <= each < len(classes) for each in numbers.tolist())
        ):
            raise ArtifactRefused(
                f"{type(ensemble).__name__} has an estimator whose classes are not the numbers "
                f"below {len(classes)}."
            )


def _check_dimensions(ensemble: Any, members: list[Any]) -> None:
    """Each regressor among ``members`` must return one number for each row, in one dimension.

    NumPy would combine arrays of two dimensions along the wrong axis.
    """
    from sklearn.base import RegressorMixin

    for member in members:
        final = final_step(member)
        if isinstance(final, RegressorMixin) and not _has_one_dimension(final):
            raise ArtifactRefused(
                f"{type(ensemble).__name__} has a {type(final).__name__} that does not return one "
                "number for each row: fit it with one-dimensional targets."
            )


def _has_one_dimension(regressor: Any) -> bool:
    """Whether ``regressor`` returns an array of one dimension.

    Regressors that do not store it always do; ensembles do if their members do.
    """
    own = vars(regressor)
    if type(regressor).__name__ == "TransformedTargetRegressor":
        width = getattr(input_estimator(own["transformer_"]), "n_features_in_", None)
        return bool(own.get("_training_dim") == 1 and width == 1)
    name = type(regressor).__name__
    if name in _SEVERAL:
        return False
    if name == "PLSRegression":
        return own.get("_predict_1d") is True
    if name in BY_TARGET:
        return np.ndim(own.get(BY_TARGET[name])) == 1
    if "coef_" in own:
        return np.ndim(own["coef_"]) == 1
    return bool(own.get("n_outputs_", 1) == 1)


def final_step(member: Any) -> Any:
    """The estimator that predicts for ``member``: the last one, if that is a pipeline.

    Raises ArtifactRefused where there is none.
    """
    while type(member).__name__ == "Pipeline":
        steps = vars(member).get("steps")
        last = steps[-1] if type(steps) is list and steps else None
        member = last[1] if type(last) is tuple and len(last) == 2 else None
    if not hasattr(member, "__dict__"):
        raise ArtifactRefused(f"An ensemble has a {type(member).__name__} among its estimators.")
    return member
