"""Checks the trees of HistGradientBoosting models, and the sets of categories that they read.

A node that splits by categories names a row of ``raw_left_cat_bitsets``, 256 bits of which one is
read for the category of a row. Compiled code checks neither the row nor the bit.
"""

from functools import partial
from typing import Any

import numpy as np

from registry.errors import ArtifactRefused
from registry.formats.kept_values import chosen_columns

_CATEGORIES = 256
_ENCODER = {"encoder": "OrdinalEncoder", "numerical": "FunctionTransformer"}
"""The parts of the ColumnTransformer that scikit-learn creates, and their classes."""
_WORDS = 8
"""A set of categories has 8 words of 32 bits."""


def check_histograms(ensemble: Any) -> None:
    """Raises ArtifactRefused unless the trees of a HistGradientBoosting model can be walked."""
    name, own = type(ensemble).__name__, vars(ensemble)
    mapper, rounds = own.get("_bin_mapper"), own.get("_predictors")
    if type(rounds) is not list or mapper is None:
        raise ArtifactRefused(f"{name} is not fitted.")
    mapper.n_threads = 1
    width, trees = own.get("n_features_in_"), own.get("n_trees_per_iteration_")
    categorical = _categorical(name, mapper, width)
    start = own.get("_baseline_prediction")
    if type(trees) is not int or not isinstance(start, np.ndarray) or start.size != trees:
        raise ArtifactRefused(f"{name} does not have a baseline for each tree of a round.")
    for one in rounds:
        if type(one) is not list or len(one) != trees:
            raise ArtifactRefused(f"{name} does not have {trees} trees in each round.")
        for tree in one:
            _check_tree(tree, width, categorical)


def rebuild_encoder(ensemble: Any) -> None:
    """Give the encoder of categories the function that converts the other columns to doubles.

    It was left out when the file was read. Raises ArtifactRefused.
    """
    from sklearn.utils.validation import check_array

    own = vars(ensemble)
    encoder = own.get("_preprocessor")
    if encoder is None:
        return
    parts = vars(encoder).get("transformers_") if hasattr(encoder, "__dict__") else None
    chosen = {name: (type(step).__name__, step, columns) for name, step, columns in parts or ()}
    if type(encoder).__name__ != "ColumnTransformer" or not _returns_each_column(
        encoder, chosen, own["n_features_in_"]
    ):
        raise ArtifactRefused(
            f"{type(ensemble).__name__} has a '_preprocessor' that does not return its columns."
        )
    chosen["numerical"][1].func = partial(check_array, dtype=[np.float64], ensure_all_finite=False)


def _returns_each_column(encoder: Any, chosen: dict[str, Any], width: int) -> bool:
    """Whether ``encoder`` returns one column for each of ``width``. Trees read as many of a row."""
    if vars(encoder).get("n_features_in_") != width or vars(encoder).get("transformer_weights"):
        return False
    kinds = {name: kind for name, (kind, *_) in chosen.items()}
    if kinds.pop("remainder", "str") != "str" or kinds != _ENCODER:
        return False
    positions = list(range(width))
    taken = [chosen_columns(encoder, chosen[name][2], positions) for name in _ENCODER]
    encoded = len(taken[0])
    return sorted(taken[0] + taken[1]) == positions and (
        not encoded or vars(chosen["encoder"][1]).get("n_features_in_") == encoded
    )


def _categorical(name: str, mapper: Any, width: Any) -> Any:
    """Which features are categories, a mask. Their categories are numbered from 0 to 255."""
    own = vars(mapper)
    mask, bins = own.get("is_categorical_"), own.get("bin_thresholds_")
    if type(bins) is not list or len(bins) != width:
        raise ArtifactRefused(f"{name} has bins for other features than its {width}.")
    if not isinstance(mask, np.ndarray) or mask.shape != (width,) or mask.dtype.kind not in "biu":
        raise ArtifactRefused(f"{name} does not state which of its features are categories.")
    for feature in np.flatnonzero(mask):
        known = bins[feature]
        if (
            not isinstance(known, np.ndarray)
            or known.ndim != 1
            or known.dtype.kind not in "iuf"
            or not ((known >= 0) & (known < _CATEGORIES) & (known == np.floor(known))).all()
        ):
            raise ArtifactRefused(f"{name} has categories that are not numbers below 256.")
    return mask != 0


def _check_tree(tree: Any, width: Any, categorical: Any) -> None:
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    own = vars(tree) if hasattr(tree, "__dict__") else {}
    nodes = own.get("nodes")
    if (
        not isinstance(nodes, np.ndarray)
        or nodes.dtype != PREDICTOR_RECORD_DTYPE
        or nodes.ndim != 1
        or not len(nodes)
    ):
        raise ArtifactRefused("A tree of histograms has no nodes.")
    inner = np.flatnonzero(nodes["is_leaf"] == 0)
    for side in ("left", "right"):
        child = nodes[side][inner].astype(np.int64)
        if np.any(child <= inner) or np.any(child >= len(nodes)):
            raise ArtifactRefused(
                "A tree of histograms has a child that is out of range or before its parent."
            )
    features = nodes["feature_idx"][inner]
    if np.any(features < 0) or np.any(features >= width):
        raise ArtifactRefused(f"A tree of histograms uses a feature beyond its {width}.")
    if np.isnan(nodes["num_threshold"][inner]).any() or not np.isfinite(nodes["value"]).all():
        raise ArtifactRefused(
            "A tree of histograms has a threshold or a value that is not a number."
        )
    sets = own.get("raw_left_cat_bitsets")
    splits = inner[nodes["is_categorical"][inner] != 0]
    if not len(splits):
        return
    if (
        not isinstance(sets, np.ndarray)
        or sets.dtype != np.uint32
        or sets.ndim != 2
        or sets.shape[1] != _WORDS
        or not sets.flags.c_contiguous
        or (nodes["bitset_idx"][splits].astype(np.int64) >= len(sets)).any()
        or not categorical[nodes["feature_idx"][splits]].all()
    ):
        raise ArtifactRefused("A tree of histograms splits by categories that it does not have.")
