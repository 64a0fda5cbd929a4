"""The base of the stand-ins for the estimators of XGBoost and LightGBM."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator

from registry.engines import boosting_predictor
from registry.engines.boosting.compiling import compile_trees
from registry.engines.boosting.model import BoostedModel
from registry.engines.boosting_arrays import Answer
from registry.errors import ArtifactRefused

_CELLS = 2**20
"""Cells of a block of rows that is predicted at once."""


class LibraryBooster(BaseEstimator):  # type: ignore[misc]  # scikit-learn publishes no types
    """``model_`` is what the library pickles of its booster. ``read`` sets the other attributes.

    Arrays and sparse matrices are predicted as by the library's own estimator, in its types.
    """

    library: ClassVar[str]
    dtype: ClassVar[type]
    """Of predicted numbers and probabilities."""

    def read(self) -> None:
        """Check and compile the booster. Raises ArtifactRefused."""
        if not boosting_predictor.AVAILABLE:
            raise ArtifactRefused(
                f"{type(self).__name__} needs the C kernel for boosted trees, which was not built "
                "when this service was installed. Install it where there is a C compiler, or "
                "upload ONNX."
            )
        model = self.read_as()
        try:
            self._trees = boosting_predictor.pack(compile_trees(model))
        except ValueError as error:
            raise ArtifactRefused(f"The model's trees are not valid: {error}") from error
        self._model = model
        self.n_features_in_ = model.parameters.n_features
        if model.names is not None:
            self.feature_names_in_ = np.array(model.names, dtype=object)

    def fit(self, *_: Any) -> None:
        """Raises NotImplementedError. scikit-learn recognises estimators by this method."""
        raise NotImplementedError("It predicts only: fit the estimator of the library.")

    @property
    def boosted(self) -> BoostedModel:
        """The trees that ``predict`` uses, and what their sums mean here."""
        return self._model

    def read_as(self, text_columns: Sequence[int] | None = None) -> BoostedModel:
        """``boosted``, read again with ``text_columns``, which are as for ``read_lightgbm``.

        Raises ArtifactRefused.
        """
        model = self.parsed(text_columns)
        answer = self._answer(model)
        return replace(model, parameters=msgspec.structs.replace(model.parameters, answer=answer))

    @property
    def environment(self) -> Mapping[str, str]:
        """The version of the library, or of its format."""
        return self._model.environment

    @property
    def replaces_blanks(self) -> bool:
        """Whether its names of columns have underscores where those of the training had blanks."""
        return self._model.replaces_blanks

    @property
    def names_categories(self) -> bool:
        """Whether it was fitted on pandas categories, which it knows by value."""
        return bool(self._model.categories)

    @property
    def missing_is_nan(self) -> bool:
        """Whether no other number stands for a missing value."""
        return True

    def splits(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The feature and the threshold of each node that compares numbers."""
        inner = [(tree, (tree.left >= 0) & (tree.threshold != 0.0)) for tree in self._model.trees]
        return (
            np.concatenate([tree.feature[chosen] for tree, chosen in inner]),
            np.concatenate([tree.threshold[chosen] for tree, chosen in inner]),
        )

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - scikit-learn's
        """The parameters of the library's estimator that are plain values."""
        return {name: value for name, value in vars(self).items() if not _is_private(name)}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.sparse = True
        return tags

    def parsed(self, text_columns: Sequence[int] | None) -> BoostedModel:
        raise NotImplementedError

    def _answer(self, model: BoostedModel) -> Answer:
        raise NotImplementedError

    def _cells(self, rows: Any) -> NDArray[Any]:
        """``rows``, an array or a sparse matrix in rows, as numbers, NaN where one is missing."""
        raise NotImplementedError

    def evaluate(self, rows: Any) -> NDArray[np.float64]:
        """The linked sums, rows x outputs. Raises ValueError."""
        if self.names_categories:
            raise ValueError(
                f"{type(self).__name__} was fitted on pandas categories, which this pipeline does "
                "not pass on here: encode them with OrdinalEncoder or OneHotEncoder in the "
                "pipeline, or upload the booster alone."
            )
        made = []
        for block in self._blocks(rows):
            outputs = np.empty((len(block), len(self._model.start)))
            if self._trees.evaluate(block, outputs) >= 0:
                raise ValueError("A feature is infinite, or too large for float32.")
            made.append(outputs)
        return np.concatenate(made)

    def _blocks(self, rows: Any) -> Iterator[NDArray[np.float64]]:
        if issparse(rows):
            rows = rows.tocsr()
        elif hasattr(rows, "iloc"):
            rows = rows.to_numpy(np.float64, na_value=np.nan)
        else:
            rows = np.asarray(rows)
        if rows.ndim != 2 or rows.shape[1] != self.n_features_in_:
            raise ValueError(
                f"{type(self).__name__} takes {self.n_features_in_} features, not the shape "
                f"{rows.shape}."
            )
        size = max(1, _CELLS // self.n_features_in_)
        for start in range(0, rows.shape[0], size):
            cells = self._cells(rows[start : start + size])
            yield np.ascontiguousarray(cells, dtype=np.float64)


def _is_private(name: str) -> bool:
    return name.startswith("_") or name.endswith("_")
