"""Ensembles and what they hold: whether the members are of the width and classes they are used for.

Checked after every member by itself is sound, for the members are asked here.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from registry.errors import ArtifactRefused
from registry.formats.shapes import is_count

_STACKED = frozenset({"predict", "predict_proba", "decision_function"})


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
            or columns.shape != (getattr(member, "n_features_in_", None),)
            or (columns < 0).any()
            or (columns >= own["n_features_in_"]).any()
        ):
            raise ArtifactRefused(
                f"{name} has 'estimators_features_' that do not fit its estimators."
            )
    _check_numbered(ensemble, members)


def check_voting(ensemble: Any) -> None:
    """Raises ArtifactRefused unless each member votes by the numbers of the ensemble's classes."""
    _check_numbered(ensemble, list(_members(ensemble)))


def check_stacking(ensemble: Any) -> None:
    """Raises ArtifactRefused unless each member is asked by a method that predicts."""
    name, own = type(ensemble).__name__, vars(ensemble)
    methods = own.get("stack_method_")
    if (
        type(methods) is not list
        or len(methods) != len(list(_members(ensemble)))
        or not all(type(method) is str and method in _STACKED for method in methods)
    ):
        raise ArtifactRefused(
            f"{name} has a 'stack_method_' that does not name a method that predicts for each "
            "estimator."
        )


def check_weights(ensemble: Any) -> None:
    """Raises ArtifactRefused unless each member has a weight."""
    weights = vars(ensemble).get("estimator_weights_")
    if (
        not isinstance(weights, np.ndarray)
        or weights.ndim != 1
        or weights.dtype.kind != "f"
        or len(weights) < len(list(_members(ensemble)))
    ):
        raise ArtifactRefused(
            f"{type(ensemble).__name__} does not have 'estimator_weights_' for each estimator."
        )


def check_boosting(ensemble: Any) -> None:
    """Raises ArtifactRefused unless the trees fit what they add to.

    Each adds to one column of what ``init_`` answers, without a look at where it ends.
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
    start = ensemble._raw_predict_init(np.zeros((1, own["n_features_in_"]), dtype=np.float32))
    if start.dtype != np.float64 or start.shape != (1, columns):
        raise ArtifactRefused(
            f"{name} has {columns} trees a round for answers of the shape {start.shape}."
        )


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
    classes = vars(ensemble).get("classes_")
    if classes is None:
        return
    for member in members:
        numbers = getattr(member, "classes_", None)
        if (
            not isinstance(numbers, np.ndarray)
            or numbers.ndim != 1
            or not all(is_count(each) and 0 <= each < len(classes) for each in numbers.tolist())
        ):
            raise ArtifactRefused(
                f"{type(ensemble).__name__} has an estimator of other classes than the numbers "
                f"below {len(classes)}."
            )
