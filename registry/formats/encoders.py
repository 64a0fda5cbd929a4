"""The categories of encoders, and the positions that are derived from them.

OneHotEncoder builds a sparse matrix from ``_n_features_outs`` and its maps. Compiled code then
expands it: a position beyond the width is written beyond the end of the array.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.errors import ArtifactRefused
from registry.formats.shapes import MAX_WIDTH, is_count


def check_one_hot(encoder: Any) -> None:
    """Raises ArtifactRefused unless a OneHotEncoder's columns follow from its categories."""
    own = vars(encoder)
    groups = _groups(encoder, _categories(encoder), {})
    dropped = own.get("_drop_idx_after_grouping")
    if dropped is not None:
        if not isinstance(dropped, np.ndarray) or dropped.shape != (len(groups),):
            raise _unfit(encoder, "_drop_idx_after_grouping")
        for column, place in enumerate(dropped.tolist()):
            if place is None:
                continue
            if not is_count(place) or not 0 <= place < groups[column]:
                raise _unfit(encoder, "_drop_idx_after_grouping")
            groups[column] -= 1
    widths = own.get("_n_features_outs")
    if type(widths) is not list or not all(map(is_count, widths)) or widths != groups:
        raise _unfit(encoder, "_n_features_outs")


def check_ordinal(encoder: Any) -> None:
    """Raises ArtifactRefused unless an OrdinalEncoder's codes follow from its categories."""
    categories = _categories(encoder)
    missing = vars(encoder).get("_missing_indices", {})
    if type(missing) is not dict or not all(
        is_count(column)
        and 0 <= column < len(categories)
        and is_count(place)
        and place == len(categories[column]) - 1
        for column, place in missing.items()
    ):
        raise _unfit(encoder, "_missing_indices")
    _groups(encoder, categories, missing)


def check_bins(discretizer: Any) -> None:
    """Raises ArtifactRefused unless a KBinsDiscretizer's bins match those of its encoder."""
    name, own = type(discretizer).__name__, vars(discretizer)
    edges, counts = own.get("bin_edges_"), own.get("n_bins_")
    width = own.get("n_features_in_")
    if (
        not is_count(width)
        or not isinstance(edges, np.ndarray)
        or not isinstance(counts, np.ndarray)
        or counts.dtype.kind != "i"
        or counts.shape != (width,)
        or len(edges) != width
    ):
        raise ArtifactRefused(f"{name} does not have edges and a number of bins for each feature.")
    bins = counts.tolist()
    for edge, count in zip(edges, bins, strict=True):
        if not isinstance(edge, np.ndarray) or edge.shape != (count + 1,) or edge.dtype.kind != "f":
            raise ArtifactRefused(f"{name} has 'bin_edges_' that do not fit its 'n_bins_'.")
    if own.get("encode") == "ordinal":
        return
    # The encoder is also checked by itself.
    encoder = own.get("_encoder")
    if type(encoder).__name__ != "OneHotEncoder" or vars(encoder).get("n_features_in_") != width:
        raise ArtifactRefused(f"{name} has no encoder for its bins.")
    for known, count in zip(_categories(encoder), bins, strict=True):
        if not np.array_equal(known, np.arange(count)):
            raise ArtifactRefused(f"{name} has an encoder whose bins are not its own.")


def check_text_encoder(encoder: Any) -> None:
    """Raises ArtifactRefused unless a TextEncoder has different terms and a number for each."""
    own = vars(encoder)
    terms, idf, width = own.get("terms_"), own.get("idf_"), own.get("n_features_in_")
    if (
        type(terms) is not list
        or type(idf) is not list
        or not len(terms) == len(idf) == width
        or not all(type(words) is str for words in terms)
    ):
        raise ArtifactRefused("TextEncoder does not have terms and weights for each feature.")
    for words, frequencies in zip(terms, idf, strict=True):
        known = words.split()
        if not 1 <= len(known) == len(set(known)) <= MAX_WIDTH:
            raise _unfit(encoder, "terms_")
        if (
            not isinstance(frequencies, np.ndarray)
            or frequencies.dtype != np.float64
            or frequencies.shape != (len(known),)
            or not np.isfinite(frequencies).all()
        ):
            raise _unfit(encoder, "idf_")


def check_target_encoder(encoder: Any) -> None:
    """Raises ArtifactRefused unless a TargetEncoder has a number for each category, and for each
    class if there are several."""
    categories, encodings = _categories(encoder), vars(encoder).get("encodings_")
    classes = vars(encoder).get("classes_")
    several = vars(encoder).get("target_type_") == "multiclass"
    times = len(classes) if several and classes is not None else 1
    widths = [len(known) for known in categories for _ in range(times)]
    if type(encodings) is not list or any(
        not isinstance(numbers, np.ndarray) or numbers.dtype.kind != "f" for numbers in encodings
    ):
        raise _unfit(encoder, "encodings_")
    # A category that is missing is the last, and has a number too.
    if [numbers.shape for numbers in encodings] != [(width,) for width in widths]:
        raise _unfit(encoder, "encodings_")
    _groups(encoder, categories, {})


def _categories(encoder: Any) -> list[NDArray[Any]]:
    """The known categories of each column."""
    own = vars(encoder)
    categories = own.get("categories_")
    if (
        type(categories) is not list
        or len(categories) != own.get("n_features_in_")
        or not all(
            isinstance(known, np.ndarray) and known.ndim == 1 and len(known) for known in categories
        )
    ):
        raise ArtifactRefused(
            f"{type(encoder).__name__} does not have a list of categories for each feature."
        )
    return categories


def _groups(encoder: Any, categories: list[NDArray[Any]], missing: Mapping[int, int]) -> list[int]:
    """The number of codes of each column, where its infrequent categories share one.

    ``missing`` has the columns whose last category is the missing value, which is in no group.
    """
    own = vars(encoder)
    counts = [len(known) for known in categories]
    enabled = own.get("_infrequent_enabled", False)
    if enabled is False:
        return counts
    infrequent, maps = (
        own.get(key) for key in ("_infrequent_indices", "_default_to_infrequent_mappings")
    )
    for key, value in (
        ("_infrequent_indices", infrequent),
        ("_default_to_infrequent_mappings", maps),
    ):
        if enabled is not True or type(value) is not list or len(value) != len(counts):
            raise _unfit(encoder, key)
    for column, (rare, map_) in enumerate(zip(infrequent, maps, strict=True)):
        if rare is None and map_ is None:
            continue
        own_count = counts[column] - (column in missing)
        if not _are_places(rare, own_count):
            raise _unfit(encoder, "_infrequent_indices")
        expected = np.full(own_count, own_count - len(rare))
        frequent = np.setdiff1d(np.arange(own_count), rare)
        expected[frequent] = np.arange(len(frequent))
        if not isinstance(map_, np.ndarray) or map_.dtype.kind != "i":
            raise _unfit(encoder, "_default_to_infrequent_mappings")
        if not np.array_equal(map_, expected):
            raise _unfit(encoder, "_default_to_infrequent_mappings")
        counts[column] = own_count - len(rare) + 1
    return counts


def _are_places(value: Any, count: int) -> bool:
    """Whether these are distinct indices below ``count`` in ascending order."""
    return bool(
        isinstance(value, np.ndarray)
        and value.ndim == 1
        and value.dtype.kind == "i"
        and len(value)
        and value[0] >= 0
        and value[-1] < count
        and (np.diff(value) > 0).all()
    )


def _unfit(encoder: Any, key: str) -> ArtifactRefused:
    return ArtifactRefused(
        f"{type(encoder).__name__} has a '{key}' that does not fit its categories."
    )
