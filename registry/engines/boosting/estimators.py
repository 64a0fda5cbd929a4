"""Stand-ins for the estimators of XGBoost and LightGBM, which predict without these libraries.

The readers of ``registry.formats`` create one where a file has an estimator of a library, with what
``registry.formats.library_boosters`` lists of its attributes; ``read`` checks these. Imported where
a file has one, nowhere else.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if

from registry.engines import boosting_predictor
from registry.engines.boosting.library_booster import LibraryBooster
from registry.engines.boosting.lightgbm_model import has_pandas_categories, read_lightgbm
from registry.engines.boosting.model import BoostedModel
from registry.engines.boosting.xgboost_model import read_xgboost
from registry.engines.boosting_arrays import Answer, Link
from registry.errors import ArtifactRefused
from registry.formats.shapes import MAX_WIDTH

_PROBABILITIES = {"second", "shares"}
_UNSUPPORTED = ("num_iteration_predict", "pred_early_stop", "start_iteration_predict")
"""Parameters of LightGBM that change what ``predict`` computes from the trees."""


class _Regressor(RegressorMixin, LibraryBooster):  # type: ignore[misc]
    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803 - as in scikit-learn
        """A number for each row. Raises ValueError."""
        return self.evaluate(X)[:, 0].astype(self.dtype)

    def _answer(self, model: BoostedModel) -> Answer:
        """Of an objective for two classes the regressor predicts the linked sum."""
        if model.class_count is None or model.parameters.answer in {"second", "place"}:
            return "value"
        raise ArtifactRefused(
            f"{type(self).__name__} has the objective {model.about['objective']}, which predicts "
            "classes: train the classifier of the library."
        )


def _has_probabilities(model: "_Classifier") -> bool:
    return model._model.parameters.answer in _PROBABILITIES


class _Classifier(ClassifierMixin, LibraryBooster):  # type: ignore[misc]
    classes_: NDArray[Any]

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803 - as in scikit-learn
        """A label for each row. Raises ValueError."""
        answer = self._model.parameters.answer
        return self.classes_[boosting_predictor.places(answer, self.evaluate(X))]

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> NDArray[Any]:  # noqa: N803 - as in scikit-learn
        """Probabilities, rows x classes. Raises ValueError."""
        shares = boosting_predictor.probabilities_of(self._model.parameters, self.evaluate(X))
        return shares.astype(self.dtype)

    def _answer(self, model: BoostedModel) -> Answer:
        answer, link = model.parameters.answer, model.parameters.link
        count = model.class_count
        if answer == "value" and link in {Link.LOGISTIC, Link.FLOAT_LOGISTIC}:
            answer, count = "second", 2
        if count is None or count != self._class_count():
            raise ArtifactRefused(
                f"{type(self).__name__} has the objective {model.about['objective']}, which does "
                f"not predict its {self._class_count()} classes: train it with its default "
                "objective."
            )
        return answer

    def _class_count(self) -> int:
        raise NotImplementedError


class _XGBoost(LibraryBooster):
    """``missing``: the number that stands for a missing value, in addition to NaN."""

    library = "xgboost"
    dtype = np.float32
    missing: float

    @property
    def missing_is_nan(self) -> bool:
        return isnan(self.missing)

    def read(self) -> None:
        missing = self.__dict__.setdefault("missing", np.nan)
        if isinstance(missing, bool) or not isinstance(missing, int | float | np.number):
            raise ArtifactRefused(f"{type(self).__name__} has a 'missing' that is not a number.")
        if "label_encoder_" in vars(self):
            raise ArtifactRefused(
                f"{type(self).__name__} was saved by an XGBoost before 1.6, which numbered the "
                "classes: train it with a later release."
            )
        self.missing = float(missing)
        super().read()

    def parsed(self, text_columns: Sequence[int] | None) -> BoostedModel:  # noqa: ARG002
        content = vars(self).get("model_")
        if not isinstance(content, bytes | bytearray):
            raise ArtifactRefused(f"{type(self).__name__} has no booster. Is it fitted?")
        return read_xgboost(bytes(content), of_estimator=True, most_columns=MAX_WIDTH)

    def _cells(self, rows: Any) -> NDArray[Any]:
        if issparse(rows):  # what is not stored is missing, zeros too
            cells = np.full(rows.shape, np.nan)
            stored = rows.tocoo()
            cells[stored.row, stored.col] = stored.data
        else:
            cells = rows if rows.dtype.kind == "f" else rows.astype(np.float32)
        if not isnan(self.missing):
            with np.errstate(over="ignore"):
                is_missing = cells.astype(np.float32) == np.float32(self.missing)
            cells = np.where(is_missing, np.nan, cells)
        return cells


class _LightGBM(LibraryBooster):
    """``_best_iteration``: how many iterations are used, all if it is not positive.

    ``_is_named``: whether it was fitted on columns with names; None if it does not say so.
    """

    library = "lightgbm"
    dtype = np.float64

    def read(self) -> None:
        for name in _UNSUPPORTED:
            if vars(self).get(name):
                raise ArtifactRefused(
                    f"{type(self).__name__} was made with {name}, which is not supported: train "
                    "without it."
                )
        super().read()
        self._names_categories = has_pandas_categories(self._content())

    @property
    def names_categories(self) -> bool:
        return self._names_categories

    def _content(self) -> bytes:
        content = vars(self).get("model_")
        if not isinstance(content, str):
            raise ArtifactRefused(f"{type(self).__name__} has no booster. Is it fitted?")
        return content.encode()

    def parsed(self, text_columns: Sequence[int] | None) -> BoostedModel:
        best = vars(self).get("_best_iteration", 0)
        if isinstance(best, bool) or not isinstance(best, int | np.integer):
            raise ArtifactRefused(f"{type(self).__name__} has an invalid best_iteration.")
        model = read_lightgbm(
            self._content(), text_columns, iterations=int(best), most_columns=MAX_WIDTH
        )
        made_up = tuple(f"Column_{at}" for at in range(model.parameters.n_features))
        is_named = vars(self).get("_is_named", model.names != made_up)
        return model if is_named else replace(model, names=None)

    def _cells(self, rows: Any) -> NDArray[Any]:
        cells: NDArray[Any] = rows.toarray() if issparse(rows) else rows
        if cells.dtype.kind == "O":
            return cells.astype(np.float64)
        return cells if cells.dtype.kind == "f" else cells.astype(np.float32)


class XGBClassifier(_XGBoost, _Classifier):
    """Its classes are the numbers below ``n_classes_``, or the ``labels_`` of these numbers, which
    ``hotswap train`` adds to the estimator of the library."""

    @property
    def classes_(self) -> NDArray[Any]:  # type: ignore[override]  # not writeable, as in XGBoost
        labels: NDArray[Any] | None = vars(self).get("labels_")
        return np.arange(self._class_count()) if labels is None else labels

    def read(self) -> None:
        labels, count = vars(self).get("labels_"), self._class_count()
        if labels is not None and (
            not isinstance(labels, np.ndarray)
            or labels.dtype.kind not in "biuU"
            or labels.shape != (count,)
            or len(np.unique(labels)) < count
        ):
            raise ArtifactRefused(
                f"{type(self).__name__} has labels_ that are not {count} different texts, integers "
                "or booleans."
            )
        super().read()

    def _answer(self, model: BoostedModel) -> Answer:
        if model.class_count == 2 and len(model.start) == 2:
            raise ArtifactRefused(
                f"{type(self).__name__} has the objective {model.about['objective']} for two "
                "classes, with which XGBoost predicts no labels: train with binary:logistic."
            )
        return super()._answer(model)

    def _class_count(self) -> int:
        count = vars(self).get("n_classes_")
        if isinstance(count, bool) or not isinstance(count, int | np.integer):
            raise ArtifactRefused(f"{type(self).__name__} does not state how many classes it has.")
        return int(count)


class XGBRFClassifier(XGBClassifier):
    """A forest, trained in one round."""


class XGBRegressor(_XGBoost, _Regressor):
    """Predicts a number."""


class XGBRFRegressor(XGBRegressor):
    """A forest, trained in one round."""


class LGBMClassifier(_LightGBM, _Classifier):
    """``classes_`` has its labels."""

    def _class_count(self) -> int:
        classes = vars(self).get("classes_")
        if not isinstance(classes, np.ndarray) or classes.ndim != 1:
            raise ArtifactRefused(f"{type(self).__name__} has no list of classes.")
        return len(classes)


class LGBMRegressor(_LightGBM, _Regressor):
    """Predicts a number."""
