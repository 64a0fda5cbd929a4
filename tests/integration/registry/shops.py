"""A table with a column of every type and nulls in some, and pipelines on it."""

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from registry.intake.signatures import read_signature
from registry.preprocessing import BandEncoder, SignedLog
from registry.signature import Column, Output, Signature


def shop(rows=300):
    """A column of each type, a timestamp among them; nulls in three."""
    draws = np.random.default_rng(8)
    frame = pd.DataFrame(
        {
            "seen_at": 1.7e9 + draws.integers(0, 10**7, rows).astype(float),
            "age": draws.uniform(0, 99, rows).round(),
            "visits": draws.integers(0, 40, rows).astype(float),
            "member": draws.integers(0, 2, rows).astype(float),
            "city": pd.Series(draws.choice(["Ghent", "Leeds", "Turin"], rows), dtype=object),
            "plan": pd.Series(draws.choice(["free", "paid"], rows), dtype=object),
        }
    )
    target = (
        (frame["seen_at"] - 1.7e9) / 1e6
        + frame["age"] / 9
        + 3 * frame["member"]
        + 2 * (frame["city"] == "Leeds")
        + draws.normal(size=rows)
    )
    for column in ("age", "visits", "city", "plan"):
        frame.loc[draws.random(rows) < 0.08, column] = np.nan
    return frame, target.to_numpy()


FRAME, TARGET = shop()
INPUTS = (
    Column("seen_at", "number"),
    Column("age", "number", nullable=True),
    Column("visits", "integer", nullable=True),
    Column("member", "boolean"),
    Column("city", "string", nullable=True),
    Column("plan", "string", nullable=True),
)


def preparation(*, sparse=True):
    """Every step that the trainers write, and nulls as a category of their own."""
    filled = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=sparse),
    )
    return ColumnTransformer(
        [
            ("scale", StandardScaler(), ["seen_at"]),
            ("bands", BandEncoder([0, 18, 60, 90], ["child", "adult", "old"]), ["age"]),
            (
                "fill",
                make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()),
                ["visits"],
            ),
            ("log", make_pipeline(SimpleImputer(), SignedLog(), StandardScaler()), ["visits"]),
            ("as_is", "passthrough", ["member"]),
            ("texts", filled, ["city"]),
            ("null-texts", OneHotEncoder(handle_unknown="ignore"), ["plan"]),
        ]
    )


def signature_of(model, inputs=INPUTS):
    own = read_signature(model, None)
    return Signature(inputs, Output("answer", own.output.type, own.output.classes))


EXAMPLE = {"seen_at": 1.7e9, "age": 30, "visits": 3, "member": True, "city": None, "plan": "free"}
IS_HIGH = np.greater(TARGET, np.median(TARGET))
LABELS = {
    "texts": np.array(["low", "high"], dtype=object)[IS_HIGH.astype(int)],
    "integers": np.digitize(TARGET, np.quantile(TARGET, [0.3, 0.7])) * 10 - 10,
    "booleans": IS_HIGH,
    "many": np.array([f"class {n}" for n in range(12)])[np.digitize(TARGET, range(1, 12))],
}
