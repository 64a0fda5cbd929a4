"""DateEncoder makes numbers of dates, of any dtype of pandas, and travels in a skops file."""

import math

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone

from registry.preprocessing import DateEncoder

DAYS = ["2024-02-29T06:00", "2025-12-31T23:59", "2026-01-05T12:00"]
FRAME = pd.DataFrame({"sold": np.array(DAYS, "datetime64[us]")})


def features(step, frame=FRAME):
    names = step.get_feature_names_out().tolist()
    return dict(zip(names, step.transform(frame).T.tolist(), strict=True))


def test_its_features_are_the_parts_of_the_calendar_and_the_days_since_the_first():
    made = features(DateEncoder().fit(FRAME))

    assert made["sold_year"] == [2024, 2025, 2026]
    assert made["sold_month"] == [2, 12, 1]
    assert made["sold_weekday"] == [3, 2, 0]  # Thursday, Wednesday, Monday
    assert made["sold_hour"] == [6, 23, 12]
    assert made["sold_days"] == pytest.approx([0, 671 + 17 / 24 + 59 / 1440, 676.25])


def test_what_is_the_same_in_every_row_is_left_out():
    dates = pd.DataFrame({"sold": pd.to_datetime(["2026-03-02", "2026-04-07"])})

    names = DateEncoder().fit(dates).get_feature_names_out().tolist()

    assert names == ["sold_month", "sold_weekday", "sold_days"]


def test_cyclic_parts_are_points_on_a_circle():
    made = features(DateEncoder(cyclic=True).fit(FRAME))

    assert made["sold_month_sin"] == [math.sin(month * math.pi / 6) for month in (2, 12, 1)]
    assert made["sold_weekday_cos"] == [math.cos(day * 2 * math.pi / 7) for day in (3, 2, 0)]
    assert made["sold_hour_sin"][0] == pytest.approx(1)
    assert made["sold_year"] == [2024, 2025, 2026]


@pytest.mark.parametrize(
    "dates",
    [
        pd.Series(pd.to_datetime(DAYS)),
        pd.Series(pd.to_datetime(DAYS)).dt.as_unit("s"),
        pd.Series(pd.to_datetime(DAYS)).dt.as_unit("ns"),
        pd.Series(pd.to_datetime(DAYS).tz_localize("UTC").tz_convert("Asia/Tokyo")),
        pd.Series(np.array(DAYS, "datetime64[s]").astype(np.int64) / 1.0),
    ],
    ids=str,
)
def test_units_zones_and_seconds_give_the_same_features(dates):
    step = DateEncoder().fit(FRAME)

    assert np.array_equal(step.transform(pd.DataFrame({"sold": dates})), step.transform(FRAME))


def test_an_array_of_dates_gives_the_same_features():
    array = FRAME.to_numpy()

    assert np.array_equal(DateEncoder().fit_transform(array), DateEncoder().fit_transform(FRAME))


@pytest.mark.parametrize(
    ("fill", "date"),
    [
        ("most_frequent", "2024-01-02"),
        ("median", "2024-01-02"),
        ("mean", "2024-01-03"),
        ("2020-02-29", "2020-02-29"),
    ],
)
def test_a_missing_date_is_filled(fill, date):
    known = pd.to_datetime(["2024-01-02", None, "2024-01-02", "2024-01-05"])
    step = DateEncoder(fill=fill).fit(pd.DataFrame({"sold": known}))

    filled = step.transform(pd.DataFrame({"sold": pd.to_datetime([None])}))

    assert np.array_equal(filled, step.transform(pd.DataFrame({"sold": pd.to_datetime([date])})))


def test_without_a_filling_a_missing_date_has_missing_features():
    step = DateEncoder().fit(FRAME)

    assert np.isnan(step.transform(pd.DataFrame({"sold": pd.to_datetime([None])}))).all()


def test_an_invalid_filling_and_other_columns_are_refused():
    with pytest.raises(ValueError, match="fill is 'tomorrow': expected None, a date as text"):
        DateEncoder(fill="tomorrow").fit(FRAME)
    with pytest.raises(ValueError, match="2 features, but DateEncoder is expecting 1"):
        DateEncoder().fit([[0.0], [1.0]]).transform([[0.0, 1.0]])
    with pytest.raises(ValueError, match="could not convert"):
        DateEncoder().fit(np.array([["monday"]], dtype=object))


def test_a_clone_is_not_fitted_and_a_saved_one_answers_alike():
    step = DateEncoder(cyclic=True, fill="median").fit(FRAME)
    saved = skops.io.loads(skops.io.dumps(step), trusted=["registry.preprocessing.DateEncoder"])

    assert np.array_equal(saved.transform(FRAME), step.transform(FRAME))
    assert not hasattr(clone(step), "parts_")
