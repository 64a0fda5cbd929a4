"""The fast decoder of records gives the same result as the one that checks each cell."""

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registry.codecs.json_body import decode_json
from registry.codecs.json_reader import JsonReader
from registry.errors import RegistryError
from registry.signature import Column, Output, Signature
from tests.factories import MIXED, NUMBERS

ROW = {"age": 31.5, "visits": 4, "member": True, "city": "Ghent"}
READERS = {signature: JsonReader(signature) for signature in (MIXED, NUMBERS)}

BODIES = [
    ROW,
    {**ROW, "age": None, "city": None},
    {**ROW, "visits": 4.0},
    {**ROW, "visits": 2**53 + 1},
    {**ROW, "age": 2**70},
    {**ROW, "city": "Orléans"},
    {**ROW, "instances": [ROW]},
    {**ROW, "instances": 3},
    {**ROW, "unknown": {"deep": [[[]]]}},
    {"instances": [ROW, {**ROW, "age": None}]},
    {"instances": [[31.5, 4, True, "Ghent"]]},
    {"instances": [ROW], "X": None},
    {"instances": [ROW], "inputs": [ROW]},
    {"dataframe_records": [ROW, ROW]},
    {"inputs": {name: [value, value] for name, value in ROW.items()}},
    {"inputs": {**{name: [value, value] for name, value in ROW.items()}, "age": [1.0]}},
    {"inputs": {name: [] for name in ROW}},
    {"other": 1, "instances": [ROW]},
]


def outcome(read):
    """What came of it, as plain values that compare: the rows, or the refusal word for word."""
    try:
        batch = read()
    except RegistryError as error:
        return error.detail, getattr(error, "faults", None)
    columns = {name: array.tolist() for name, array in batch.columns.items()}
    return json.dumps(columns), batch.rows, batch.single


def both(body, signature):
    typed = outcome(lambda: READERS[signature].read(body))
    return typed, outcome(lambda: decode_json(body, signature))


@pytest.mark.parametrize("body", BODIES, ids=lambda body: ",".join(body)[:40])
def test_both_decoders_read_the_same_rows(body):
    typed, cell_by_cell = both(json.dumps(body).encode(), MIXED)

    assert typed == cell_by_cell


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"age": NaN}', b'"', b"[]", b'{"x":"\xff","length":1,"width":2}', b"{}" * 2],
)
def test_both_decoders_refuse_the_same_bodies(body):
    typed, cell_by_cell = both(body, NUMBERS)

    assert typed == cell_by_cell


_cells = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3)
)
_row = st.fixed_dictionaries({"visits": _cells, "member": _cells}, optional={
    "age": _cells, "city": _cells, "X": _cells, "extra": _cells,
})  # fmt: skip
_columns = st.dictionaries(st.sampled_from([*ROW, "extra"]), st.lists(_cells, max_size=3))


@given(
    _row
    | st.fixed_dictionaries(
        {"instances": st.lists(_row, max_size=3)}, optional={"inputs": _cells | _columns}
    )
    | st.fixed_dictionaries({"inputs": _columns})
)
@example({**ROW, "visits": 10**400})
def test_both_decoders_agree_on_any_body(value):
    typed, cell_by_cell = both(json.dumps(value).encode(), MIXED)

    assert typed == cell_by_cell


def test_the_cells_of_a_record_are_available_without_arrays():
    batch = READERS[MIXED].read(json.dumps({**ROW, "city": None}).encode())

    assert batch.cells == (31.5, 4, True, None)
    assert np.isnan(batch.columns["city"][0])


def test_ten_thousand_columns_are_read():
    signature = Signature(
        tuple(Column(f"c {index}", "number") for index in range(10_000)), Output("y", "number")
    )
    body = json.dumps({column.name: 1 for column in signature.inputs}).encode()

    assert JsonReader(signature).read(body).cells == (1.0,) * 10_000


@pytest.mark.parametrize("name", ['height (")', "a\\b", "a\nb", "a\tb", "\x7f", "é", "instances"])
def test_a_column_may_have_any_valid_name(name):
    signature = Signature((Column(name, "number"), Column("b", "number")), NUMBERS.output)
    bodies = [
        {name: 1.5, "b": 2},
        {"instances": [{name: 1.5, "b": 2}]},
        {"inputs": {name: [1.5], "b": [2]}},
    ]
    for body in bodies:
        raw = json.dumps(body).encode()
        expected = outcome(lambda raw=raw: decode_json(raw, signature))

        assert outcome(lambda raw=raw: JsonReader(signature).read(raw)) == expected
