"""A row has the same hash wherever it was read from, and other rows have others."""

import numpy as np
import pytest

from hotswap.evaluation.row_hashes import MAGIC, TrainingRows, names_hash, row_hashes

SIZES = np.array([20.1, 35.25, np.nan, 20.1])
CITIES = np.array(["Ghent", np.nan, "Turin", "Ghent"], dtype=object)
PRICES = np.array([1.5, 2.0, 3.25, 4.0])


def columns(size=SIZES, city=CITIES, kind="number"):
    return [("size", kind, size), ("city", "string", city)]


def training_rows(numbers):
    return TrainingRows.of({"x": ("number", np.asarray(numbers, dtype=float))}, None)


@pytest.mark.parametrize(
    "size",
    [
        SIZES.astype(np.float32).astype(np.float64),
        np.nextafter(SIZES, np.inf),
        np.where(np.isnan(SIZES), -np.nan, SIZES),
    ],
    ids=["single precision", "the next double", "another NaN"],
)
def test_representations_of_the_same_numbers_have_the_same_hash(size):
    assert (row_hashes(columns(size), PRICES) == row_hashes(columns(), PRICES)).all()


def test_the_order_and_the_numeric_type_of_columns_do_not_matter():
    whole = np.array([1.0, 0.0, 2.0**53, -0.0])
    expected = row_hashes(columns(whole, kind="integer"))

    assert (row_hashes(columns(whole)[::-1]) == expected).all()
    assert (row_hashes(columns(whole.astype(np.int64))) == expected).all()


@pytest.mark.parametrize(
    ("column", "value"), [("size", 20.2), ("size", np.nan), ("city", "Leeds"), ("city", np.nan)]
)
def test_a_row_that_differs_in_one_cell_has_another_hash(column, value):
    size, city = SIZES.copy(), CITIES.copy()
    (size if column == "size" else city)[0] = value

    assert (row_hashes(columns(size, city)) != row_hashes(columns())).tolist() == [True] + [
        False
    ] * 3


def test_the_names_and_the_target_are_part_of_the_hash():
    plain = row_hashes(columns())

    assert (row_hashes(columns(), PRICES) != plain).all()
    assert (row_hashes([("width", "number", SIZES), ("city", "string", CITIES)]) != plain).all()


def test_dates_and_large_integers_are_not_rounded():
    seconds = 1.7e9 + np.array([0.25, 0.5, 1.0])
    assert len(np.unique(row_hashes([("at", "date", seconds)]))) == 3
    whole = 2.0**50 + np.arange(3)
    assert len(np.unique(row_hashes([("id", "integer", whole)]))) == 3


@pytest.mark.parametrize(
    ("labels", "same"),
    [
        (np.array([True, False]), np.array([1.0, 0.0])),
        (np.array([3, 5]), np.array([3.0, 5.0])),
        (np.array(["a", "b"]), np.array(["a", "b"], dtype=object)),
    ],
)
def test_labels_have_the_same_hash_in_every_array_type(labels, same):
    assert (row_hashes([], labels) == row_hashes([], same)).all()


def test_a_file_is_read_as_it_was_written():
    made = TrainingRows.of({name: (type_, values) for name, type_, values in columns()}, PRICES)

    content = made.to_bytes()
    read = TrainingRows.from_bytes(content)

    assert len(content) == 32 + 8 * 4
    assert (read.names, read.has_target) == (names_hash(["city", "size"]), True)
    assert read.known(row_hashes(columns(), PRICES)) == 4
    assert read.known(row_hashes(columns(), PRICES + 1)) == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[:32],
        lambda content: content[:-1],
        lambda content: b"x" + content[1:],
        lambda content: MAGIC + bytes([2]) + content[17:],
        lambda content: content[:32] + content[48:56] + content[32:48],
        lambda _: b"",
    ],
)
def test_a_malformed_file_is_refused(spoil):
    content = training_rows([1, 2, 3]).to_bytes()
    with pytest.raises(ValueError, match=r"is not|has"):
        TrainingRows.from_bytes(spoil(content))


def test_a_few_repeated_rows_are_expected_by_chance_only_where_rows_repeat():
    draws = np.random.default_rng(3)
    distinct, repeated = draws.normal(size=4000), draws.integers(0, 5, 4000)

    assert training_rows(distinct).by_chance(1000) <= 5
    assert training_rows(repeated).by_chance(1000) == 1000
