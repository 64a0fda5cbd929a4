"""Whether a loaded model can be trusted to predict: scikit-learn itself does not check.

Its trees are walked by compiled code that follows whatever indices the file gave it: a child out
of range reads foreign memory, a cycle never ends. And some parameters make a transformer write or
call things.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from registry.errors import ArtifactRefused

_LEAF = -1
_MAX_OBJECTS = 2_000_000


def check_structure(model: Any) -> None:
    """Raises ArtifactRefused naming what is wrong with ``model``, or with a part of it."""
    from sklearn.base import BaseEstimator
    from sklearn.ensemble._gb import BaseGradientBoosting
    from sklearn.tree._tree import Tree

    if not isinstance(model, BaseEstimator) or not hasattr(model, "predict"):
        raise ArtifactRefused(
            f"The artifact holds a {type(model).__name__}, not a scikit-learn model that predicts."
        )
    boosted = []
    for part in _parts(model):
        if isinstance(part, BaseGradientBoosting):
            boosted.append(part)
        if isinstance(part, Tree):
            _check_tree(part)
        elif isinstance(part, BaseEstimator):
            _check_parameters(part)
            _check_widths(part)
    for ensemble in boosted:
        _check_boosting(ensemble)


def _parts(model: Any) -> Iterator[Any]:
    """Every object below ``model``, each once."""
    pending, seen = [model], set()
    while pending:
        part = pending.pop()
        if isinstance(part, str | bytes | int | float | bool | None) or id(part) in seen:
            continue
        seen.add(id(part))
        if len(seen) > _MAX_OBJECTS:
            raise ArtifactRefused(f"The artifact holds more than {_MAX_OBJECTS} objects.")
        yield part
        if isinstance(part, dict):
            pending.extend(part.values())
        elif isinstance(part, list | tuple | set):
            pending.extend(part)
        elif isinstance(part, np.ndarray):
            if part.dtype.hasobject:
                pending.extend(part.ravel().tolist())
        elif hasattr(part, "__dict__"):
            pending.extend(vars(part).values())


def _check_parameters(estimator: Any) -> None:
    name = type(estimator).__name__
    parameters = {key: vars(estimator).get(key) for key in estimator.get_params(deep=False)}
    if parameters.get("memory") is not None:
        raise ArtifactRefused(f"{name}(memory=…) would write to the server's disk: set it to None.")
    for key, value in parameters.items():
        number_type = isinstance(value, type) and issubclass(value, np.generic)
        if callable(value) and not number_type and not hasattr(value, "get_params"):
            raise ArtifactRefused(f"{name}({key}=…) calls a function of the file's own.")


def _check_widths(estimator: Any) -> None:
    """Ensembles hand their rows to the trees unchecked, so the trees must be of their width."""
    members = getattr(estimator, "estimators_", [])
    # Not np.asarray: it would take a pipeline, or a forest, for the list of its own parts.
    members = members.ravel().tolist() if isinstance(members, np.ndarray) else list(members)
    for member in (estimator, *members):
        tree = getattr(member, "tree_", None)
        if tree is not None and tree.n_features != estimator.n_features_in_:
            raise ArtifactRefused(
                f"A tree of {type(estimator).__name__} looks at {tree.n_features} features, "
                f"the model has {estimator.n_features_in_}."
            )


def _check_boosting(ensemble: Any) -> None:
    """Its trees add to one column each of what ``init_`` answers, and do not look where it ends."""
    trees = getattr(ensemble, "estimators_", None)
    if not isinstance(trees, np.ndarray) or trees.ndim != 2:
        raise ArtifactRefused(f"{type(ensemble).__name__} is not fitted.")
    start = ensemble._raw_predict_init(np.zeros((1, ensemble.n_features_in_), dtype=np.float32))
    if start.dtype != np.float64 or start.shape != (1, trees.shape[1]):
        raise ArtifactRefused(
            f"{type(ensemble).__name__} has {trees.shape[1]} trees a round for answers of the "
            f"shape {start.shape}."
        )


def _check_tree(tree: Any) -> None:
    count = tree.node_count
    left, right = tree.children_left, tree.children_right
    if count < 1 or len(left) != count or len(tree.value) != count:
        raise ArtifactRefused(f"A tree says it has {count} nodes and holds {len(left)}.")
    nodes = np.arange(count)
    leaf = left == _LEAF
    if not np.array_equal(leaf, right == _LEAF):
        raise ArtifactRefused("A tree has a node with one child.")
    inner = nodes[~leaf]
    for side in (left, right):
        # scikit-learn numbers a child after its parent, so this also rules out every cycle.
        if np.any(side[inner] <= inner) or np.any(side[inner] >= count):
            raise ArtifactRefused("A tree has a child that is out of range or before its parent.")
    children = np.concatenate([left[inner], right[inner]])
    if not np.array_equal(np.sort(children), nodes[1:]):
        raise ArtifactRefused("A tree has a node with no parent, or with two.")
    features = tree.feature[inner]
    if np.any(features < 0) or np.any(features >= tree.n_features):
        raise ArtifactRefused(f"A tree looks at a feature beyond its {tree.n_features}.")
    if np.isnan(tree.threshold[inner]).any() or not np.isfinite(tree.value).all():
        raise ArtifactRefused("A tree has a threshold or a value that is not a number.")
