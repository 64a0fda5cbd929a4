"""Small tables, written afresh for each test."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def shops():
    """60 rows with a column of each type, some values missing, and two things to predict."""
    draws = np.random.default_rng(5)
    size = draws.uniform(20, 200, 60).round(1)
    staff = draws.integers(1, 12, 60)
    opens_late = draws.random(60) < 0.5
    city = draws.choice(["Ghent", "Leeds", "Turin"], 60)
    sales = 30 * size + 400 * staff + 900 * opens_late + draws.normal(0, 150, 60)
    frame = pd.DataFrame(
        {
            "size": size,
            "staff": staff,
            "opens_late": opens_late,
            "city": city,
            "sales": sales.round(2),
            "thrives": np.where(sales > np.median(sales), "yes", "no"),
        }
    )
    frame.loc[[0, 9], "size"] = np.nan
    frame.loc[4, "city"] = None
    return frame


@pytest.fixture
def shops_csv(shops, tmp_path):
    path = tmp_path / "shops.csv"
    shops.to_csv(path, index=False)
    return path
