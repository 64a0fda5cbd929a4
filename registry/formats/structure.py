"""Whether a loaded model can be trusted to predict: scikit-learn itself does not check.

Its trees are walked by compiled code that follows whatever indices the file gave it: a child out
of range reads foreign memory, a cycle never ends. And some parameters make a transformer write or
call things.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from registry.errors import ArtifactRefused, shown
from registry.formats.allowed import ESTIMATORS, PARTS

_LEAF = -1
_MAX_OBJECTS = 2_000_000

_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes})
_HOLDERS = frozenset(
    {dict, list, tuple, set, slice, np.ndarray, np.random.RandomState, np.random.Generator}
)
_OBJECTS = ESTIMATORS | PARTS


def check_structure(model: Any) -> None:
    """Raises ArtifactRefused naming what is wrong with ``model``, or with a part of it."""
    from sklearn.base import BaseEstimator
    from sklearn.ensemble._gb import BaseGradientBoosting
    from sklearn.tree._tree import Tree

    # All of it is walked before any of it is asked: until then its methods may be the file's own.
    parts = list(_parts(model))
    if not isinstance(model, BaseEstimator) or not hasattr(model, "predict"):
        raise ArtifactRefused(
            f"The artifact holds a {type(model).__name__}, not a scikit-learn model that predicts."
        )
    boosted = []
    for part in parts:
        if isinstance(part, BaseGradientBoosting):
            boosted.append(part)
        if isinstance(part, Tree):
            _check_tree(part)
        elif isinstance(part, BaseEstimator):
            _check_parameters(part)
            _check_widths(part)
    for ensemble in boosted:
        _check_boosting(ensemble)


def is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _parts(model: Any) -> Iterator[Any]:
    """Every object below ``model``, each once. Raises ArtifactRefused at one that is not allowed.

    Calls nothing of the objects: what they hold may look like methods of theirs.
    """
    pending, seen = [model], set()
    while pending:
        part = pending.pop()
        if type(part) in _PLAIN or id(part) in seen:
            continue
        seen.add(id(part))
        if len(seen) > _MAX_OBJECTS:
            raise ArtifactRefused(f"The artifact holds more than {_MAX_OBJECTS} objects.")
        _check_type(part)
        yield part
        if isinstance(part, dict):
            pending.extend(part.keys())
            pending.extend(part.values())
        elif isinstance(part, list | tuple | set):
            pending.extend(part)
        elif isinstance(part, slice):
            pending.extend((part.start, part.stop, part.step))
        elif isinstance(part, np.ndarray) and part.dtype.hasobject:
            pending.extend(part.ravel().tolist())
        if hasattr(part, "__dict__"):
            pending.extend(_attributes(part))


def _check_type(part: Any) -> None:
    """Classes, functions and the like are not among these, wherever they stand."""
    kind = type(part)
    if kind in _HOLDERS or issubclass(kind, np.generic | np.dtype):
        return
    name = f"{kind.__module__}.{kind.__qualname__}"
    if name not in _OBJECTS:
        said = part.__name__ if isinstance(part, type) else kind.__name__
        raise ArtifactRefused(f"The model holds {shown(said)} as a value: not allowed.")


def _attributes(part: Any) -> Iterator[Any]:
    """The values of ``part``'s own attributes, none of which may stand before one of its class."""
    kind = type(part)
    for key, value in vars(part).items():
        if type(key) is not str or is_dunder(key):
            raise ArtifactRefused(f"{kind.__name__} has an attribute that is not allowed.")
        for parent in kind.__mro__:
            ours = vars(parent).get(key)
            if callable(ours) or hasattr(type(ours), "__get__") or hasattr(type(ours), "__set__"):
                raise ArtifactRefused(
                    f"{kind.__name__}.{shown(key)} is replaced by the file: not allowed."
                )
        if key == "dtype" and isinstance(value, type) and issubclass(value, np.generic):
            continue
        yield value


def _check_parameters(estimator: Any) -> None:
    from sklearn.base import BaseEstimator
    from sklearn.preprocessing import FunctionTransformer

    kind = type(estimator)
    name = kind.__name__
    own = vars(estimator)
    if own.get("memory") is not None:
        raise ArtifactRefused(f"{name}(memory=…) would write to the server's disk: set it to None.")
    if isinstance(estimator, FunctionTransformer):
        for key in ("func", "inverse_func"):
            if own.get(key) is not None:
                raise ArtifactRefused(f"{name}({key}=…) calls a function of the file's own.")
    # Through the class: asked itself, the estimator could answer with a function of the file's.
    for key in kind._get_param_names():
        value = own.get(key)
        number_type = isinstance(value, type) and issubclass(value, np.generic)
        if callable(value) and not number_type and not isinstance(value, BaseEstimator):
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
