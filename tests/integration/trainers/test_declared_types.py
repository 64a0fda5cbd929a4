"""A recipe says of what type a column is; a value that is not of this type is refused."""

import pytest

from trainers.errors import ColumnRefused, OddCells, TargetRefused
from trainers.preparation import Preparation
from trainers.preparing import prepare
from trainers.recipe import Recipe

CODES = ("01234", "21147", "00789")


def prepared(tmp_path, cell, target="y", **columns):
    """The data of a recipe whose column ``x`` has ``cell(row)``, prepared as ``columns`` say."""
    rows = [f"{cell(row)},{row % 3},{row / 4 + 0.1}" for row in range(30)]
    (tmp_path / "t.csv").write_text("\n".join(["x,z,y", *rows]))
    how = {name: Preparation(type=type_) for name, type_ in columns.items()}
    kind = "forest"
    return prepare(Recipe(data=str(tmp_path / "t.csv"), kind=kind, target=target, columns=how))


def test_a_category_is_kept_as_it_is_written(tmp_path):
    ready = prepared(tmp_path, lambda row: CODES[row % 3], x="category")

    assert ready.signature.inputs[0].type == "string"
    assert tuple(ready.columns[0].array[:3]) == CODES


def test_whole_numbers_are_declared_numbers(tmp_path):
    ready = prepared(tmp_path, lambda row: row, x="number")

    assert ready.signature.inputs[0].type == "number"


@pytest.mark.parametrize("type_", ["boolean", "integer"])
def test_numbers_are_declared_a_narrower_type(tmp_path, type_):
    ready = prepared(tmp_path, lambda row: f"{row % 2}.0", x=type_)

    assert ready.signature.inputs[0].type == type_
    assert ready.columns[0].array[:3].tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize(("type_", "cell"), [("integer", "1.5"), ("boolean", "2")])
def test_a_value_that_is_not_of_the_declared_type_is_refused(tmp_path, type_, cell):
    with pytest.raises(ColumnRefused, match=f"'x' is declared as the type {type_}"):
        prepared(tmp_path, lambda row: cell, x=type_)


@pytest.mark.parametrize("type_", ["integer", "boolean", "number"])
def test_a_text_that_is_not_a_number_is_refused_with_its_count(tmp_path, type_):
    with pytest.raises(OddCells, match="x: 29 of 30 values are numbers; 1 is 'a'"):
        prepared(tmp_path, lambda row: 1 if row else "a", x=type_)


def test_any_text_is_declared_free_text(tmp_path):
    ready = prepared(tmp_path, lambda row: f"2026-01-{row + 1:02}", x="text")

    assert ready.signature.inputs[0].type == "string"
    assert ready.notes == ("'x' is free text: learnt from its terms (TF-IDF)",)


def test_digits_are_declared_dates(tmp_path):
    ready = prepared(tmp_path, lambda row: f"202601{row + 1:02}", x="date")

    assert ready.signature.inputs[0].type == "date"


def test_dates_are_declared_a_category(tmp_path):
    ready = prepared(tmp_path, lambda row: f"2026-01-{row % 3 + 1:02}", x="category")

    assert ready.signature.inputs[0].type == "string"


def test_a_target_of_numbers_is_declared_a_category(tmp_path):
    ready = prepared(tmp_path, lambda row: row, target="z", z="category")

    assert (ready.target.task, ready.target.type) == ("classification", "string")
    assert set(ready.target.values) == {"0", "1", "2"}


def test_the_target_of_a_bundled_set_has_a_type_too():
    columns = {"target": Preparation(type="boolean")}
    with pytest.raises(TargetRefused, match="'target' is declared as the type boolean and holds"):
        prepare(Recipe(data="sklearn:diabetes", kind="tree", columns=columns))
