"""JSON bodies: every form of the contract, and the path of each fault."""

import json
import math
import tracemalloc

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registry.codecs.batch import MAX_FAULTS, Batch
from registry.codecs.json_body import decode_json
from registry.errors import BodyMalformed, InputRefused, RegistryError
from registry.signature import Column, Output, Signature
from tests.factories import MIXED, NUMBERS

ROW = {"age": 31.5, "visits": 4, "member": True, "city": "Ghent"}
LIST = [31.5, 4, True, "Ghent"]


def decode(value, signature=MIXED):
    return decode_json(json.dumps(value).encode(), signature)


def rows_of(batch):
    """The batch as lists of Python values, null for what is NaN."""
    columns = [array.tolist() for array in batch.columns.values()]
    return [
        [None if isinstance(cell, float) and math.isnan(cell) else cell for cell in row]
        for row in zip(*columns, strict=True)
    ]


def refusal(value, signature=MIXED):
    with pytest.raises(InputRefused) as refused:
        decode(value, signature)
    return refused.value


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [ROW, ROW]},
        {"instances": [LIST, LIST]},
        {"X": [LIST, LIST]},
        {"inputs": [LIST, LIST]},
        {"inputs": {name: [value, value] for name, value in ROW.items()}},
        {"dataframe_split": {"columns": list(ROW), "data": [LIST, LIST]}},
        {"dataframe_records": [ROW, ROW]},
    ],
    ids=lambda body: f"{next(iter(body))}-{type(next(iter(body.values()))).__name__}",
)
def test_every_form_of_a_batch_gives_the_same_rows(body):
    batch = decode(body)

    assert rows_of(batch) == [[31.5, 4.0, 1.0, "Ghent"]] * 2
    assert (batch.rows, batch.single) == (2, False)


@pytest.mark.parametrize("body", [ROW, {"input": LIST}], ids=["record", "input"])
def test_a_single_record_or_row_is_answered_with_one_prediction(body):
    batch = decode(body)

    assert rows_of(batch) == [[31.5, 4.0, 1.0, "Ghent"]]
    assert (batch.rows, batch.single) == (1, True)


@pytest.mark.parametrize(
    "body",
    [
        dict(reversed(ROW.items())),
        {"instances": [dict(reversed(ROW.items()))]},
        {"dataframe_split": {"columns": list(ROW)[::-1], "data": [LIST[::-1]]}},
        {**ROW, "shoe_size": 43, "instances_of": [1]},
        {"instances": [{**ROW, "shoe_size": {"eu": 43}}]},
        {"inputs": {**{name: [value] for name, value in ROW.items()}, "shoe_size": "any"}},
        {"dataframe_split": {"columns": ["id", *ROW], "data": [[7, *LIST]]}},
    ],
)
def test_columns_are_matched_by_name_and_extra_ones_ignored(body):
    assert rows_of(decode(body)) == [[31.5, 4.0, 1.0, "Ghent"]]


def test_an_allowed_null_becomes_nan():
    batch = decode({"instances": [{**ROW, "age": None, "city": None}, ROW]})

    assert rows_of(batch) == [[None, 4.0, 1.0, None], [31.5, 4.0, 1.0, "Ghent"]]
    assert batch.columns["age"].dtype == np.float64
    assert batch.columns["city"].dtype == object


@pytest.mark.parametrize(
    ("cell", "column"),
    [
        ("31", "age"),
        (True, "age"),
        ([], "age"),
        ({}, "age"),
        (1.5, "visits"),
        ("1", "visits"),
        (True, "visits"),
        (None, "visits"),
        (1, "member"),
        ("true", "member"),
        (None, "member"),
        (7, "city"),
        (False, "city"),
        (["Ghent"], "city"),
        (10**400, "age"),
        (10**400, "visits"),
        (10**400, "city"),
    ],
)
def test_a_cell_of_the_wrong_type_is_located_in_every_form(cell, column):
    bad = {**ROW, column: cell}
    position = list(ROW).index(column)

    places = {
        column: bad,
        f"input[{position}]": {"input": list(bad.values())},
        f"instances[1].{column}": {"instances": [ROW, bad]},
        f"instances[1][{position}]": {"instances": [LIST, list(bad.values())]},
        f"X[1][{position}]": {"X": [LIST, list(bad.values())]},
        f"inputs[1][{position}]": {"inputs": [LIST, list(bad.values())]},
        f"inputs.{column}[1]": {"inputs": {name: [ROW[name], bad[name]] for name in ROW}},
        f"dataframe_records[1].{column}": {"dataframe_records": [ROW, bad]},
        f"dataframe_split.data[1][{position}]": {
            "dataframe_split": {"columns": list(ROW), "data": [LIST, list(bad.values())]}
        },
    }

    for place, body in places.items():
        faults = refusal(body).faults
        assert [fault.at for fault in faults] == [place]
        assert len(faults[0].message) < 200


@pytest.mark.parametrize("cell", [4, 4.0, -0.0, 2**53, 1e300])
def test_an_integral_float_is_an_integer(cell):
    assert rows_of(decode({**ROW, "visits": cell}))[0][1] == cell


def test_an_integer_is_a_number():
    assert rows_of(decode({**ROW, "age": 31}))[0][0] == 31.0


def test_whole_numbers_beside_a_number_that_is_out_of_range_are_refused():
    body = {"instances": [{**ROW, "visits": 1.0}, {**ROW, "visits": 10**400}]}

    assert [fault.at for fault in refusal(body).faults] == ["instances[1].visits"]


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"age": 1}, "visits"),
        ({}, "age"),
        ({"instances": [ROW, {"age": 1, "visits": 1, "member": True}]}, "instances[1].city"),
        ({"instances": [ROW, LIST]}, "instances[1]"),
        ({"instances": [LIST, ROW]}, "instances[1]"),
        ({"instances": [1]}, "instances[0]"),
        ({"instances": {"age": 1}}, "instances"),
        ({"instances": 5}, "instances"),
        ({"instances": None}, "instances"),
        ({"X": [ROW]}, "X[0]"),
        ({"X": LIST}, "X[0]"),
        ({"X": [LIST, LIST[:3]]}, "X[1]"),
        ({"X": [[*LIST, 1]]}, "X[0]"),
        ({"input": ROW}, "input"),
        ({"input": LIST[:1]}, "input"),
        ({"inputs": {"age": [1]}}, "inputs.visits"),
        ({"inputs": {**{n: [v] for n, v in ROW.items()}, "city": "Ghent"}}, "inputs.city"),
        ({"inputs": {**{n: [v] for n, v in ROW.items()}, "city": []}}, "inputs.city"),
        ({"dataframe_records": {}}, "dataframe_records"),
        ({"dataframe_split": [1]}, "dataframe_split"),
        ({"dataframe_split": {"columns": ["age"]}}, "dataframe_split"),
        (
            {"dataframe_split": {"columns": ["age"], "data": []}},
            "dataframe_split.columns.visits",
        ),
        (
            {"dataframe_split": {"columns": [*ROW, "age"], "data": []}},
            "dataframe_split.columns",
        ),
        ({"dataframe_split": {"columns": [1], "data": []}}, "dataframe_split.columns"),
        (
            {"dataframe_split": {"columns": list(ROW), "data": [LIST, [1]]}},
            "dataframe_split.data[1]",
        ),
        ({"dataframe_split": {"columns": list(ROW), "data": [ROW]}}, "dataframe_split.data[0]"),
    ],
    ids=json.dumps,
)
def test_rows_of_the_wrong_shape_are_located(body, at):
    assert at in [fault.at for fault in refusal(body).faults]


@pytest.mark.parametrize(
    "body",
    [
        {"instances": []},
        {"X": []},
        {"inputs": []},
        {"inputs": {name: [] for name in ROW}},
        {"dataframe_records": []},
        {"dataframe_split": {"columns": list(ROW), "data": []}},
    ],
    ids=json.dumps,
)
def test_an_empty_batch_is_refused(body):
    assert "empty" in refusal(body).detail


def test_rows_under_two_keys_are_refused():
    refused = refusal({"X": [LIST], "instances": [ROW]})

    assert refused.detail == "Send rows under one key, not under instances and X."


@pytest.mark.parametrize("body", [b"[1,2]", b"5", b'"x"', b"null"])
def test_json_other_than_objects_is_refused(body):
    with pytest.raises(InputRefused, match="Expected a JSON object"):
        decode_json(body, MIXED)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"age": NaN}',
        b'{"age": Infinity}',
        b'{"age": -Infinity}',
        b'{"age": 01}',
        b'{"age": 1} x',
        b'\xef\xbb\xbf{"age": 1}',
        b'{"city": "\xff"}',
        b'{"city": "\\ud800"}',
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
    ids=lambda body: repr(body[:16]),
)
def test_invalid_json_is_malformed_as_a_body(body):
    with pytest.raises(BodyMalformed):
        decode_json(body, MIXED)


@pytest.mark.parametrize("number", [b"1e999", b"9" * 5000])
def test_a_number_beyond_every_range_is_refused(number):
    with pytest.raises(InputRefused, match="out of range"):
        decode_json(b'{"age": ' + number + b"}", MIXED)


@pytest.mark.parametrize("key", ["instances", "inputs", "X", "input"])
def test_a_column_may_be_named_like_a_wrapper(key):
    signature = Signature((Column(key, "number"),), Output("y", "number"))

    record = decode({key: 5}, signature)
    batch = decode({"instances": [{key: 5}]}, signature)

    assert (rows_of(record), record.single) == ([[5.0]], True)
    assert rows_of(batch) == [[5.0]]


def test_only_the_first_faults_are_named():
    refused = refusal({"instances": [{**ROW, "visits": "x"}] * (MAX_FAULTS + 5)})

    assert len(refused.faults) == MAX_FAULTS
    assert refused.detail.startswith(f"More than {MAX_FAULTS} values do not fit")


def test_many_faults_take_no_more_memory_than_the_first():
    body = b'{"instances":[' + b"{}," * 1_000_000 + b"{}]}"

    tracemalloc.start()
    with pytest.raises(InputRefused):
        decode_json(body, MIXED)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 200 * 2**20


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*ROW, "columns", "data", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
_wrapped = st.dictionaries(
    st.sampled_from(["instances", "inputs", "X", "input", "dataframe_split", "dataframe_records"]),
    _json,
    max_size=2,
)


@given(_json | _wrapped)
@example({"instances": [{**ROW, "visits": 1.0}, {**ROW, "visits": 10**400}]})
def test_any_json_is_a_batch_or_refused(value):
    for signature in (MIXED, NUMBERS):
        try:
            batch = decode(value, signature)
        except RegistryError:
            continue
        assert isinstance(batch, Batch)
        assert list(batch.columns) == list(signature.names)
        assert {len(array) for array in batch.columns.values()} == {batch.rows}


@given(st.binary(max_size=60))
def test_any_bytes_are_a_batch_or_refused(body):
    with pytest.raises(RegistryError):
        decode_json(body, MIXED)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_are_decoded_exactly(numbers):
    body = msgspec.json.encode({"X": [[number, 0] for number in numbers]})

    arrived = decode_json(body, NUMBERS).columns["length"].tolist()

    assert [math.copysign(1, a) for a in arrived] == [math.copysign(1, n) for n in numbers]
    assert arrived == numbers
