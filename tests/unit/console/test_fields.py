"""The fields of the Try page, made from a signature and from what training knows."""

from console.trying.fields import by_importance, example_texts, fields_of
from registry.reading.stored_evaluation import read_evaluation
from registry.signature import Column, Output, Signature

SIGNATURE = Signature(
    (
        Column("age", "integer"),
        Column("sold_on", "date", nullable=True),
        Column("city", "string"),
        Column("city_hall", "boolean"),
        Column("size", "number"),
    ),
    Output("price", "number"),
)
EVALUATION = {
    "columns": {
        "age": {"min": 18, "max": 90, "mean": 41.7},
        "sold_on": {"first": "2024-01-01", "last": "2024-12-31"},
        "city": {"values": {"Leeds": 2, "Turin": 5}, "other": 3},
        "city_hall": {"values": {"false": 1, "true": 9}},
    },
    "profile": {
        "rows": 4,
        "source": "training",
        "columns": {
            "size": {"missing": 0, "edges": [2.0], "counts": [1, 3], "min": 1.5, "max": 7.0}
        },
        "output": {"source": "held-out", "edges": [2.0], "counts": [1, 3]},
    },
}


def made(evaluation):
    return fields_of(SIGNATURE, read_evaluation(evaluation))


def test_ranges_come_from_the_columns_or_from_the_profile() -> None:
    age, sold, city, hall, size = made(EVALUATION)
    assert (age.low, age.high, age.mean) == (18, 90, 41.7)
    assert (sold.low, sold.high) == (1704067200.0, 1735603200.0)
    assert (city.options, city.all_known) == (("Turin", "Leeds"), False)
    assert hall.options == ("true", "false")
    assert (size.low, size.high, size.mean) == (1.5, 7.0, None)


def test_labels_are_words() -> None:
    assert [field.label for field in made({})] == ["age", "sold on", "city", "city hall", "size"]


def test_usual_values_stand_in_for_an_example() -> None:
    texts = example_texts(made(EVALUATION), None)
    assert list(texts.values()) == ["42", "2024-12-31", "Turin", "true", "1.5"]
    example = {"age": 30, "sold_on": None, "city": "Bari", "city_hall": False, "size": 2.0}
    assert list(example_texts(made({}), example).values()) == ["30", "", "Bari", "false", "2"]


def test_the_weights_of_encoded_columns_count_for_their_column() -> None:
    weights = [
        {"feature": "city_Turin", "value": 0.2},
        {"feature": "city_Leeds", "value": -0.3},
        {"feature": "city_hall", "value": 0.4},
        {"feature": "unknown", "value": 9.0},
    ]
    evaluation = read_evaluation({"importances": weights})
    ordered = by_importance(fields_of(SIGNATURE, evaluation), evaluation)
    assert [field.name for field in ordered] == ["city", "city_hall", "age", "sold_on", "size"]


def test_what_an_uploader_made_up_is_left_out() -> None:
    columns = {
        "age": {"min": -1e308, "max": 1e308},
        "sold_on": {"first": "never", "last": "2024-12-31"},
        "size": {"min": 5, "max": 5},
    }
    age, sold, _, _, size = made({"columns": columns})
    assert not age.has_range
    assert (sold.low, sold.has_range) == (None, False)
    assert not size.has_range
