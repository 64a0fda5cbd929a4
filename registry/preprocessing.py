"""Our own preprocessing steps for trained pipelines.

They are in the registry, not in the trainers, because the allow-list for uploaded pipelines has
their exact names. The only module of the registry that imports scikit-learn at the top: import it
where a pipeline is loaded or trained, nowhere else.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data


# scikit-learn publishes no types, so its classes are Any to mypy.
class BandEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Cuts numeric columns into named bands, one output column of 0.0 or 1.0 for each band.

    ``edges`` are n + 1 ascending finite numbers, ``labels`` the n names of the bands between them.
    Bands are closed on the right, the first one also on the left, as with ``pandas.cut`` and
    ``include_lowest``: edges 0, 18, 30 give [0, 18] and (18, 30]. A value outside the edges, or a
    missing one, is in no band: all its columns are 0.
    """

    def __init__(self, edges: Sequence[float], labels: Sequence[str]) -> None:
        self.edges = edges
        self.labels = labels

    # X and y are the names that scikit-learn passes and documents.
    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002, N803
        """Check the parameters and remember the columns of ``X``, rows x columns.

        Raises ValueError where the edges or labels are invalid.
        """
        check_bands(self.edges, self.labels)
        validate_data(self, X, dtype=np.float64, ensure_all_finite=False)
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """The bands of ``X`` (rows x columns) as rows x (columns * bands), column by column."""
        check_is_fitted(self)
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite=False, reset=False)
        edges = np.asarray(self.edges, dtype=np.float64)
        band = np.searchsorted(edges, values, side="left") - 1
        band[values == edges[0]] = 0
        one_hot = band[:, :, np.newaxis] == np.arange(len(self.labels))
        bands: NDArray[np.float64] = one_hot.reshape(len(values), -1).astype(np.float64)
        return bands

    def get_feature_names_out(
        self, input_features: Sequence[str] | None = None
    ) -> NDArray[np.object_]:
        """``age_child``, ``age_adult``, …: the column's name and the band's label."""
        check_is_fitted(self)
        names: Sequence[str]
        if input_features is not None:
            names = input_features
        else:
            unnamed = [f"x{index}" for index in range(self.n_features_in_)]
            names = getattr(self, "feature_names_in_", unnamed)
        return np.array(
            [f"{name}_{label}" for name in names for label in self.labels], dtype=object
        )

    def __sklearn_tags__(self) -> Any:
        """It accepts missing values."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class SignedLog(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The logarithm of numeric columns: log(1 + x), and -log(1 - x) for an x below zero.

    It is defined and increasing for every finite number, and keeps zeros and missing values.
    ``data_min_`` and ``data_max_`` are the ends of each column, as in MinMaxScaler.
    """

    # X and y are the names that scikit-learn passes and documents.
    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002, N803
        """Remember the columns of ``X``, rows x columns, and their ends."""
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        empty = np.isnan(values).all(axis=0)
        self.data_min_ = np.where(empty, np.nan, np.fmin.reduce(values, axis=0))
        self.data_max_ = np.where(empty, np.nan, np.fmax.reduce(values, axis=0))
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """The logarithms of ``X``, rows x columns."""
        check_is_fitted(self)
        values = validate_data(
            self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False
        )
        # With the C library, as in the compiled form: numpy's log1p differs in the last bit on
        # some processors.
        sizes = map(math.log1p, np.abs(values).ravel().tolist())
        logarithms = np.fromiter(sizes, np.float64, values.size).reshape(values.shape)
        signed: NDArray[np.float64] = np.copysign(logarithms, values)
        return signed

    def get_feature_names_out(
        self, input_features: Sequence[str] | None = None
    ) -> NDArray[np.object_]:
        """The names of the columns that it was fitted on."""
        check_is_fitted(self)
        if input_features is None:
            unnamed = [f"x{index}" for index in range(self.n_features_in_)]
            input_features = getattr(self, "feature_names_in_", unnamed)
        return np.array(input_features, dtype=object)

    def __sklearn_tags__(self) -> Any:
        """It accepts missing values."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def check_bands(edges: Sequence[float], labels: Sequence[str]) -> None:
    """Raise ValueError unless ``edges`` are finite and ascending and ``labels`` distinct names."""
    if len(edges) < 2:
        raise ValueError(f"Bands require at least two edges, not {len(edges)}.")
    if not all(_is_finite_number(edge) for edge in edges):
        raise ValueError(f"The edges of bands must be finite numbers, not {list(edges)}.")
    if any(low >= high for low, high in pairwise(edges)):
        raise ValueError(f"The edges of bands must be in ascending order, not {list(edges)}.")
    if len(labels) != len(edges) - 1:
        raise ValueError(
            f"{len(edges)} edges give {len(edges) - 1} bands, but there are {len(labels)} labels."
        )
    if isinstance(labels, str) or not all(isinstance(label, str) and label for label in labels):
        raise ValueError(f"The labels of bands must be names, not {list(labels)}.")
    if len(set(labels)) != len(labels):
        raise ValueError(f"The labels of bands must differ, not {list(labels)}.")


def _is_finite_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    return bool(np.isfinite(value))
