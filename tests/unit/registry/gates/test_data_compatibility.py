"""Changed units, vocabularies, types and names are found; other samples and mild drift are not."""

import numpy as np
import pytest

from hotswap.evaluation.column_ranges import column_ranges
from hotswap.evaluation.predicted import Predicted
from hotswap.evaluation.profile import BINS, profile
from registry.gates.data_compatibility import Described, changes
from registry.signature import Column, Output, Signature
from trainers.values import Values


def data(rows=4000, seed=0, **changed):
    """A table of cars, by column; ``changed`` replaces or adds columns, None removes one."""
    draws = np.random.default_rng(seed)
    weight = draws.normal(2970, 850, rows).clip(1600)
    table = {
        "weight": weight,
        "income": draws.lognormal(10, 1.5, rows),
        "gain": np.where(draws.random(rows) < 0.9375, 0, draws.lognormal(8, 1, rows)),
        "cylinders": draws.choice([4.0, 6.0, 8.0], rows, p=[0.5, 0.2, 0.3]),
        "origin": draws.choice(["usa", "europe", "japan"], rows, p=[0.62, 0.18, 0.2]),
        "hybrid": (draws.random(rows) < 0.1).astype(float),
        "mpg": 60 - weight / 80,
    }
    for name, change in changed.items():
        table[name] = change(table) if change else None
    return {name: values for name, values in table.items() if values is not None}


def described(table, types=None):
    types = {"origin": "string", "hybrid": "boolean", **(types or {})}
    columns = []
    for name, cells in table.items():
        if name == "mpg":
            continue
        kind = types.get(name, "string" if cells.dtype.kind in "UO" else "number")
        gone = np.array([cell != cell for cell in cells.tolist()])  # noqa: PLR0124 - NaN
        array = cells.astype(object) if kind == "string" else cells
        columns.append(Values(name, kind, array, gone))
    rows = np.arange(len(table["mpg"]))
    ranges = column_ranges(columns, rows)
    made = Predicted(table["mpg"], table["mpg"])
    signature = Signature(
        tuple(Column(one.name, one.type, nullable=True) for one in columns),
        Output("mpg", "number"),
    )
    return Described(signature, profile(columns, rows, ranges, made))


CHAMPION = described(data())


def found(rows=4000, **changed):
    return list(changes(described(data(rows, 1, **changed)), CHAMPION))


@pytest.mark.parametrize("rows", [50, 400, 4000])
@pytest.mark.parametrize("seed", range(1, 16))
def test_another_sample_of_the_same_data_is_compatible(rows, seed):
    assert list(changes(described(data(rows, seed)), CHAMPION)) == []


def with_all_digits(described_, table):
    """As profiles were written at first: edges are values of the column, with all their digits."""
    columns = dict(described_.profile["columns"])
    for name in ("weight", "income", "gain", "cylinders"):
        ordered = np.sort(table[name])
        edges = np.unique(ordered[np.arange(1, BINS) * len(ordered) // BINS])
        edges = edges[edges > ordered[0]]
        below = np.searchsorted(ordered, edges, side="left")
        counts = np.diff(below, prepend=0, append=len(ordered)).tolist()
        columns[name] = columns[name] | {"edges": edges.tolist(), "counts": counts}
    return Described(described_.signature, {**described_.profile, "columns": columns})


@pytest.mark.parametrize("rows", [50, 400, 4000])
def test_profiles_with_all_digits_are_compared_with_shortened_ones(rows):
    older = with_all_digits(CHAMPION, data())
    table = data(rows, 1)
    assert older.profile != CHAMPION.profile
    assert list(changes(described(table), older)) == []
    assert list(changes(with_all_digits(described(table), table), CHAMPION)) == []
    (change,) = changes(described(data(4000, 1, weight=lambda table: table["weight"] / 2.2)), older)
    assert "'weight' seems to have another unit" in change


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("weight", lambda table: table["weight"] + 200),
        ("income", lambda table: table["income"] * 1.2),
        ("origin", lambda table: np.where(table["hybrid"] == 1, "korea", table["origin"])),
        ("weight", lambda table: np.where(table["hybrid"] == 1, np.nan, table["weight"])),
    ],
    ids=["a quarter of a deviation", "a fifth more", "a new value", "a tenth missing"],
)
def test_mild_drift_is_compatible(column, change):
    assert found(**{column: change}) == []


@pytest.mark.parametrize("rows", [200, 4000])
@pytest.mark.parametrize(
    ("column", "change", "said"),
    [
        ("weight", lambda t: t["weight"] * 0.4536, "'weight' seems to have another unit: its qua"),
        ("income", lambda t: t["income"] / 1000, "its quantiles are 0.000"),
        ("weight", lambda t: 6000 - t["weight"] / 2, "of the column 'weight' lie elsewhere: its"),
        ("weight", lambda t: t["weight"] * 0 + 7, "of the column 'weight' lie elsewhere: its"),
        ("weight", lambda t: t["weight"].astype(str), "is of the type string, it was number"),
        (
            "origin",
            lambda t: np.where(t["origin"] == "europe", "europa", t["origin"]),
            "values of the column 'origin' are replaced: 'europe' of the champion are gone",
        ),
        ("hybrid", lambda t: 1 - t["hybrid"], "'hybrid' are distributed otherwise: the most frequ"),
        (
            "weight",
            lambda t: np.where(t["cylinders"] == 4, np.nan, t["weight"]),
            "'weight' has no value in",
        ),
        ("mpg", lambda t: t["mpg"] * 1000, "the target 'mpg' seems to have another unit"),
    ],
)
def test_another_unit_vocabulary_or_type_is_named(rows, column, change, said):
    table = data(rows, 1, **{column: change})
    types = {"weight": "string"} if table["weight"].dtype.kind == "U" else {}

    (change_found,) = changes(described(table, types), CHAMPION)

    assert said in change_found


def test_a_renamed_column_is_reported_as_renamed():
    assert found(weight=None, weight_lb=lambda t: data(4000, 1)["weight"]) == [
        "the column 'weight' seems to be renamed to 'weight_lb'"
    ]
    assert found(origin=None, country=lambda t: data(4000, 1)["origin"]) == [
        "the column 'origin' seems to be renamed to 'country'"
    ]


def test_columns_that_only_one_version_has_are_not_compared():
    assert found(weight=None, height=lambda t: t["mpg"] / 2000) == []


def test_dates_may_move_on_and_integers_become_numbers():
    days = 86_400.0 * np.arange(4000)
    before = described(data(day=lambda _: days, cylinders=None), {"day": "date"})
    after = described(data(day=lambda _: days + 4e8, cylinders=None), {"day": "date"})
    assert list(changes(after, before)) == []

    whole = described(data(), {"cylinders": "integer"})
    assert list(changes(CHAMPION, whole)) == []


def test_a_column_without_any_value_is_reported_as_missing():
    said = found(weight=lambda t: t["weight"] * np.nan)
    assert said == ["the column 'weight' has no value in 100% of the rows, it was 0%"]
