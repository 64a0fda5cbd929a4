"""Our own preprocessing steps for trained pipelines.

They are in the registry, not in the trainers, because the allow-list for uploaded pipelines has
their exact names. The only module of the registry that imports scikit-learn at the top: import it
where a pipeline is loaded or trained, nowhere else.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from registry.dates import CalendarPart, calendar, from_datetimes, parse_date

DATE_PARTS: tuple[CalendarPart, ...] = ("year", "month", "weekday", "hour")
DAYS = "days"
"""The days since the first date of the training, with a fraction."""
PERIODS: Mapping[str, int] = {"month": 12, "weekday": 7, "hour": 24}
"""How many values a part has before it begins again."""
DAY_SECONDS = 86_400.0
DATE_FILLS = ("mean", "median", "most_frequent")


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


class DateEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Makes numbers of columns of dates: year, month, weekday, hour and days since the first date.

    A column is datetime64, of any unit and zone, or seconds since 1970 (`registry.dates`); times
    with a zone are converted to UTC. Parts that are the same in all rows of the training are left
    out, such as the hour of dates without a time. ``cyclic``: month, weekday and hour become a sine
    and a cosine, for estimators to which December would otherwise be far from January. ``fill``:
    what takes the place of a missing date, one of ``DATE_FILLS`` or a date as text; None: all
    features of a missing date are NaN.

    ``data_min_`` and ``data_max_`` are the ends of each column in seconds, ``fill_`` its filling or
    NaN, and ``parts_`` the names of its features.
    """

    def __init__(self, *, cyclic: bool = False, fill: str | None = None) -> None:
        self.cyclic = cyclic
        self.fill = fill

    # X and y are the names that scikit-learn passes and documents.
    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002, N803
        """Remember the ends and the parts of the columns of ``X``, rows x columns.

        Raises ValueError where ``fill`` is invalid, or ``X`` has neither dates nor numbers.
        """
        validate_data(self, X, skip_check_array=True)
        seconds = _date_seconds(X)
        columns = [column[~np.isnan(column)] for column in seconds.T]
        self.data_min_ = np.array([column.min(initial=np.inf) for column in columns])
        self.data_max_ = np.array([column.max(initial=-np.inf) for column in columns])
        empty = self.data_min_ > self.data_max_
        self.data_min_[empty] = self.data_max_[empty] = np.nan
        self.fill_ = np.array([_date_filling(self.fill, column) for column in columns])
        self.parts_ = [self._varying(column) for column in columns]
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """The features of ``X`` (rows x columns), column by column. Raises ValueError."""
        check_is_fitted(self)
        validate_data(self, X, skip_check_array=True, reset=False)
        seconds = _date_seconds(X)
        features = [
            self._feature(np.where(np.isnan(column), self.fill_[at], column), at, part)
            for at, column in enumerate(seconds.T)
            for part in self.parts_[at]
        ]
        return np.column_stack(features)

    def get_feature_names_out(
        self, input_features: Sequence[str] | None = None
    ) -> NDArray[np.object_]:
        """``sold_year``, ``sold_month``, …: the column's name and the part's."""
        check_is_fitted(self)
        if input_features is None:
            unnamed = [f"x{index}" for index in range(self.n_features_in_)]
            input_features = getattr(self, "feature_names_in_", unnamed)
        named = zip(input_features, self.parts_, strict=True)
        return np.array([f"{name}_{part}" for name, parts in named for part in parts], dtype=object)

    def _varying(self, known: NDArray[np.float64]) -> list[str]:
        """The names of the features of a column whose present dates are ``known``."""
        names: list[str] = []
        for part in DATE_PARTS:
            found = calendar(known, part)
            if len(found) == 0 or (found == found[0]).all():
                continue
            waves = self.cyclic and part in PERIODS
            names += [f"{part}_sin", f"{part}_cos"] if waves else [part]
        return [*names, DAYS]

    def _feature(self, dates: NDArray[np.float64], at: int, name: str) -> NDArray[np.float64]:
        if name == DAYS:
            days: NDArray[np.float64] = (dates - self.data_min_[at]) / DAY_SECONDS
            return days
        part, _, wave = name.partition("_")
        found = calendar(dates, part)  # type: ignore[arg-type]  # one of DATE_PARTS
        if not wave:
            return found
        # With the C library, as in the compiled form.
        turn = math.sin if wave == "sin" else math.cos
        angles = (found * angle_of(part)).tolist()
        return np.fromiter(map(turn, angles), np.float64, len(angles))


def angle_of(part: str) -> float:
    """The angle between two values of a part, in radians."""
    return 2 * math.pi / PERIODS[part]


def date_features() -> frozenset[str]:
    """The names that ``DateEncoder.parts_`` may hold."""
    waves = {f"{part}_{wave}" for part in PERIODS for wave in ("sin", "cos")}
    return frozenset({*DATE_PARTS, DAYS, *waves})


def _date_seconds(dates: Any) -> NDArray[np.float64]:
    """Rows x columns of a DataFrame or an array. Raises ValueError."""
    if hasattr(dates, "columns"):
        return np.column_stack([_column_seconds(dates[name]) for name in dates.columns])
    rows = np.asarray(dates)
    if rows.ndim != 2:
        raise ValueError(f"Expected rows x columns, not {rows.ndim} dimensions.")
    return np.column_stack([_column_seconds(column) for column in rows.T])


def _column_seconds(column: Any) -> NDArray[np.float64]:
    if getattr(column.dtype, "kind", "") == "M":
        if getattr(column.dtype, "tz", None) is not None:
            column = column.dt.tz_convert(None)
        return from_datetimes(np.asarray(column))
    seconds: NDArray[np.float64] = np.asarray(column, dtype=np.float64)
    return seconds


def _date_filling(fill: str | None, known: NDArray[np.float64]) -> float:
    """The seconds that take the place of a missing date; NaN for none."""
    if fill is None or (fill in DATE_FILLS and not len(known)):
        return math.nan
    if fill == "most_frequent":
        values, counts = np.unique(known, return_counts=True)
        return float(values[counts.argmax()])
    if fill in DATE_FILLS:
        return float(np.rint(known.mean() if fill == "mean" else np.median(known)))
    try:
        return parse_date(fill)
    except ValueError:
        raise ValueError(
            f"fill is {fill!r}: expected None, a date as text, or one of {', '.join(DATE_FILLS)}."
        ) from None


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
