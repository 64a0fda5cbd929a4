"""TF-IDF of columns of free text, for trained pipelines.

In the registry because the allow-list for uploaded pipelines has its exact name, as those of
``registry.preprocessing``. Imported where a pipeline is loaded or trained, nowhere else.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils.validation import check_is_fitted, validate_data

from registry.terms import places_of, weights

MAX_TERMS = 20_000


# scikit-learn publishes no types, so its classes are Any to mypy.
class TextEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The weights of the terms of each column, as a sparse matrix: see ``registry.terms``.

    It is scikit-learn's TfidfVectorizer for whole columns of a DataFrame, without parameters that
    name files, functions or patterns. A text that is missing has no terms. At most ``max_terms``
    terms of a column are kept, the most frequent ones.

    ``terms_`` has the terms of each column in order, separated by blanks, ``idf_`` their inverse
    document frequencies.
    """

    def __init__(self, *, max_terms: int = MAX_TERMS) -> None:
        self.max_terms = max_terms

    # X and y are the names that scikit-learn passes and documents.
    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002, N803
        """Learn the terms of ``X``, rows x columns.

        Raises ValueError where a column has no terms.
        """
        validate_data(self, X, skip_check_array=True)
        learned = [
            TfidfVectorizer(max_features=self.max_terms).fit(text or "" for text in column)
            for column in _columns(X)
        ]
        self.terms_ = [" ".join(one.get_feature_names_out()) for one in learned]
        self.idf_ = [np.asarray(one.idf_, dtype=np.float64) for one in learned]
        return self

    def transform(self, X: ArrayLike) -> csr_matrix:  # noqa: N803
        """The weights of the terms in ``X``: rows x the terms of all columns."""
        check_is_fitted(self)
        validate_data(self, X, skip_check_array=True, reset=False)
        places: list[list[int]] = [[] for _ in range(len(X))]  # type: ignore[arg-type]
        values: list[list[float]] = [[] for _ in places]
        start = 0
        for column, terms, idf in zip(_columns(X), self.terms_, self.idf_, strict=True):
            known, frequencies = places_of(terms), idf.tolist()
            for row, text in enumerate(column):
                if text is not None:
                    found, weighed = weights(text, known, frequencies)
                    places[row] += [start + place for place in found]
                    values[row] += weighed
            start += len(known)
        ends = np.cumsum([0, *map(len, places)])
        return csr_matrix((_joined(values, np.float64), _joined(places, np.int32), ends),
                          shape=(len(places), start))  # fmt: skip

    def get_feature_names_out(
        self, input_features: Sequence[str] | None = None
    ) -> NDArray[np.object_]:
        """``comment_good``, ``comment_bad``, …: the column's name and the term."""
        check_is_fitted(self)
        if input_features is None:
            unnamed = [f"x{index}" for index in range(self.n_features_in_)]
            input_features = getattr(self, "feature_names_in_", unnamed)
        named = zip(input_features, self.terms_, strict=True)
        return np.array(
            [f"{name}_{term}" for name, terms in named for term in terms.split()], dtype=object
        )


def _columns(rows: Any) -> Iterable[list[str | None]]:
    """The texts of each column of a DataFrame or an array, None where one is missing."""
    cells = np.asarray(rows, dtype=object)
    if cells.ndim != 2:
        raise ValueError(f"Expected rows x columns, not {cells.ndim} dimensions.")
    for column in cells.T:
        yield [cell if isinstance(cell, str) else None for cell in column]


def _joined(lists: list[list[Any]], dtype: type) -> NDArray[Any]:
    return np.array([item for each in lists for item in each], dtype=dtype)
