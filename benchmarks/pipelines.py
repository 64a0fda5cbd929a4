"""The two pipelines that are measured, and tables of different rows for them.

Both tables are generated from a seed. ``iris`` has the ranges of scikit-learn's iris data;
``housing`` has the columns, ranges and missing values of the California housing data.
"""

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

TRAINING_ROWS = 20_000
TREES = 100
DEPTH = 12
IRIS_COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
PLACES = ("<1H OCEAN", "INLAND", "NEAR BAY", "NEAR OCEAN", "ISLAND")


def housing_like(rows: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """A table like the housing data, with missing values, and its prices."""
    rng = np.random.default_rng(seed)
    place = rng.choice(len(PLACES), size=rows, p=[0.44, 0.32, 0.11, 0.128, 0.002])
    households = rng.lognormal(6.0, 0.7, rows).round() + 1
    rooms = (households * rng.lognormal(1.65, 0.3, rows)).round()
    bedrooms = (rooms * rng.uniform(0.15, 0.3, rows)).round()
    table = pd.DataFrame(
        {
            "longitude": rng.uniform(-124.3, -114.3, rows).round(2),
            "latitude": rng.uniform(32.5, 42.0, rows).round(2),
            "housing_median_age": rng.integers(1, 53, rows).astype(float),
            "total_rooms": rooms,
            "total_bedrooms": np.where(rng.random(rows) < 0.01, np.nan, bedrooms),
            "population": (households * rng.lognormal(1.0, 0.3, rows)).round(),
            "households": households,
            "median_income": rng.gamma(4.0, 0.97, rows).round(4),
            "ocean_proximity": np.array(PLACES, dtype=object)[place],
        }
    )
    price = (
        4e4 * table["median_income"]
        + 6e4 * np.sin(table["longitude"]) * np.cos(table["latitude"])
        - 5e4 * (place == 1)
        + 500 * table["housing_median_age"]
        + 3e4 * table["total_rooms"] / table["households"]
    )
    return table, price.to_numpy() * rng.lognormal(0.0, 0.2, rows)


def train_housing(
    table: pd.DataFrame, prices: np.ndarray, *, trees: int = TREES, depth: int = DEPTH
) -> Pipeline:
    """The pipeline of the benchmark: imputed, scaled and one-hot columns, 100 trees of depth 12."""
    numbers = [column for column in table if column != "ocean_proximity"]
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            ("places", OneHotEncoder(handle_unknown="ignore"), ["ocean_proximity"]),
        ],
        sparse_threshold=0,
    )
    forest = RandomForestRegressor(n_estimators=trees, max_depth=depth, random_state=0, n_jobs=-1)
    pipeline = Pipeline([("columns", columns), ("forest", forest)]).fit(table, prices)
    forest.n_jobs = 1
    return pipeline


def iris_like(rows: int, seed: int) -> pd.DataFrame:
    """Rows between the minimum and the maximum of each column of the iris data, in centimetres."""
    rng = np.random.default_rng(seed)
    known = load_iris().data
    drawn = rng.uniform(known.min(axis=0), known.max(axis=0), (rows, known.shape[1])).round(2)
    return pd.DataFrame(drawn, columns=list(IRIS_COLUMNS))


def train_iris() -> Pipeline:
    """The small pipeline of the benchmark: scaled columns and a logistic regression."""
    known = load_iris()
    table = pd.DataFrame(known.data, columns=list(IRIS_COLUMNS))
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(
        table, known.target
    )
