"""The kernel of preprocessing: equal to scikit-learn's bits, and no access beyond its arrays."""

import math

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st

from registry.codecs.batch import Batch
from registry.dates import calendar
from registry.engines.chain_program import AVAILABLE
from registry.engines.chains_file import ChainsFile, Operation, from_bytes, to_bytes
from registry.engines.read_program import read_program
from registry.errors import ArtifactRefused
from tests.factories import MIXED, NUMBERS

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="built without a C compiler")

if AVAILABLE:
    from registry.engines.chain_kernel import Chains, logistic

_doubles = st.floats()

APPLIED = {
    Operation.FILL: lambda x, a, _: a if np.isnan(x) else x,
    Operation.SUBTRACT: lambda x, a, _: x - a,
    Operation.DIVIDE: lambda x, a, _: x / a,
    Operation.MULTIPLY: lambda x, a, _: x * a,
    Operation.ADD: lambda x, a, _: x + a,
    Operation.EQUALS: lambda x, a, _: np.float64(x == a),
    Operation.IS_MISSING: lambda x, *_: np.float64(np.isnan(x)),
    Operation.BETWEEN: lambda x, a, b: np.float64(a < x <= b),
    Operation.SIGNED_LOG: lambda x, *_: math.copysign(math.log1p(abs(x)), x),
    Operation.YEAR: lambda x, *_: calendar(np.array([x]), "year")[0],
    Operation.MONTH: lambda x, *_: calendar(np.array([x]), "month")[0],
    Operation.WEEKDAY: lambda x, *_: calendar(np.array([x]), "weekday")[0],
    Operation.HOUR: lambda x, *_: calendar(np.array([x]), "hour")[0],
    Operation.SINE: lambda x, *_: math.sin(x) if math.isfinite(x) else math.nan,
    Operation.COSINE: lambda x, *_: math.cos(x) if math.isfinite(x) else math.nan,
    Operation.CLIP: lambda x, a, b: a if x < a else (b if x > b else x),  # noqa: FURB136 - of NaN min() makes a bound
}
"""What each step does, in numpy; tables have a test of their own."""


def chains(steps, column=0, columns=1):
    """One chain of ``(operation, first, second)``."""
    return Chains(
        np.array([column], np.int32),
        np.array([len(steps)], np.int32),
        np.array([step[0] for step in steps], np.uint8),
        np.array([step[1] for step in steps], np.float64),
        np.array([step[2] for step in steps], np.float64),
        columns=columns,
    )


def bits(number):
    """Equal for equal bits; all NaN are one."""
    return "NaN" if math.isnan(number) else np.float64(number).tobytes()


@given(
    st.lists(st.tuples(st.sampled_from(list(APPLIED)), _doubles, _doubles), max_size=5),
    st.lists(_doubles, min_size=1, max_size=4),
)
def test_steps_equal_numpy_s_to_the_last_bit(steps, values):
    expected = []
    with np.errstate(all="ignore"):
        for value in values:
            x = np.float64(value)
            for operation, first, second in steps:
                x = APPLIED[operation](x, np.float64(first), np.float64(second))
            expected.append(x)
    made = chains(steps)
    many = np.empty((len(values), 1))

    made.many(np.array([values]), many, False)

    assert list(map(bits, many[:, 0])) == list(map(bits, expected))
    for value, answer in zip(values, expected, strict=True):
        assert bits(np.frombuffer(made.row((value,)))[0]) == bits(answer)


@pytest.mark.parametrize("by_column", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 3, 127, 128, 129, 300])
def test_many_rows_have_the_features_that_each_has_alone(rows, by_column):
    drawn = np.random.default_rng(rows).normal(0, 1e3, (2, rows))
    drawn[:, ::5], drawn[:, 1::7] = np.nan, np.inf
    drawn[:, 2::3] = 1.0
    operations = [operation for operation in APPLIED for _ in range(2)]
    made = Chains(
        np.array([0, 1] * len(APPLIED), np.int32),
        np.ones(len(operations), np.int32),
        np.array(operations, np.uint8),
        np.ones(len(operations)),
        np.full(len(operations), 700.0),
        columns=2,
    )
    many = np.empty((len(operations), rows) if by_column else (rows, len(operations)))

    made.many(drawn, many, by_column)

    for row, features in zip(drawn.T.tolist(), many.T if by_column else many, strict=True):
        alone = np.frombuffer(made.row(tuple(row)))
        assert list(map(bits, features)) == list(map(bits, alone))


def test_none_becomes_nan_and_numbers_of_any_type_doubles():
    made = Chains(
        np.array([0, 1, 2, 3], np.int32),
        np.array([1, 0, 0, 0], np.int32),
        np.array([Operation.IS_MISSING], np.uint8),
        np.zeros(1),
        np.zeros(1),
        columns=4,
    )

    row = made.row((None, 3, True, 0.5))

    assert np.frombuffer(row).tolist() == [1.0, 3.0, 1.0, 0.5]


def test_a_row_may_have_more_columns_than_fit_the_stack():
    width = 1000
    made = Chains(
        np.arange(width, dtype=np.int32)[::-1].copy(),
        np.zeros(width, np.int32),
        *(np.zeros(0, kind) for kind in (np.uint8, np.float64, np.float64)),
        columns=width,
    )

    row = made.row(tuple(range(width)))

    assert np.frombuffer(row).tolist() == list(range(width))[::-1]


GOOD = {
    "column": np.array([0, 1], np.int32),
    "length": np.array([1, 1], np.int32),
    "kind": np.array([0, 1], np.uint8),
    "first": np.zeros(2),
    "second": np.zeros(2),
    "columns": 2,
}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"column": np.array([0, 2], np.int32)}, "of column 2"),
        ({"column": np.array([0, -1], np.int32)}, "of column -1"),
        ({"length": np.array([1, 2], np.int32)}, "has 2 steps"),
        ({"length": np.array([1, -1], np.int32)}, "has -1 steps"),
        ({"length": np.array([1, 0], np.int32)}, "2 steps, the chains have 1"),
        ({"length": np.array([1], np.int32)}, "1 lengths of 2 chains"),
        ({"kind": np.array([0, 17], np.uint8)}, "of kind 17"),
        ({"kind": np.array([0], np.uint8)}, "different lengths"),
        ({"first": np.zeros(3)}, "different lengths"),
        ({"first": np.zeros(2, np.float32)}, "format 'f'"),
        ({"first": np.zeros((2, 1))}, "2 dimensions"),
        ({"first": np.zeros(4)[::2]}, "not contiguous"),
        ({"column": np.array([], np.int32), "length": np.array([], np.int32)}, "0 features"),
        ({"columns": 0}, "0 columns"),
        ({"columns": 1}, "of column 1"),
        ({"columns": 2**40}, "1099511627776 columns"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_arrays_with_invalid_indices_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        Chains(**{**GOOD, **wrong})


TABLE = [
    (Operation.SUBTRACT, 1.0, 0.0),
    (Operation.LOOK_UP, 4.0, -9.0),
    (Operation.ENTRY, -1.0, 10.0),
    (Operation.ENTRY, 0.0, 20.0),
    (Operation.ENTRY, 2.5, 30.0),
    (Operation.ENTRY, math.nan, 40.0),
    (Operation.MULTIPLY, 2.0, 0.0),
]


def test_a_table_has_a_value_for_each_key_for_nan_and_for_all_other_numbers():
    made, alone = chains(TABLE), chains(TABLE[1:2] + [(Operation.ENTRY, math.nan, 7.0)] * 4)
    values = [0.0, 1.0, 3.5, math.nan, 2.0, -math.inf, math.inf, -0.0]

    found = [np.frombuffer(made.row((value,)))[0] for value in values]

    assert found == [20.0, 40.0, 60.0, 80.0, -18.0, -18.0, -18.0, 20.0]
    assert np.frombuffer(alone.row((1.0,)))[0] == -9.0


@given(st.dictionaries(st.floats(allow_nan=False, allow_infinity=False), _doubles), _doubles)
def test_tables_of_any_size_find_each_of_their_keys(values, probe):
    values = {key + 0.0: value for key, value in values.items()}  # -0.0 is 0.0
    keys = sorted(values)
    entries = [(Operation.ENTRY, key, values[key]) for key in keys]
    missing = (Operation.ENTRY, math.nan, 1.0)
    made = chains([(Operation.LOOK_UP, len(keys) + 1.0, 2.0), *entries, missing])
    probes = [*keys, probe]
    many = np.empty((len(probes), 1))

    made.many(np.array([probes]), many, False)

    expected = [1.0 if math.isnan(one) else values.get(one, 2.0) for one in probes]
    assert list(map(bits, many[:, 0])) == list(map(bits, expected))


@pytest.mark.parametrize(
    "steps",
    [
        [(Operation.LOOK_UP, count, 0.0), (Operation.ENTRY, 0.0, 0.0)]
        for count in (0.0, -1.0, 2.0, 1e300, math.nan, math.inf)
    ]
    + [
        [(Operation.ENTRY, 0.0, 0.0)],
        [(Operation.LOOK_UP, 1.0, 0.0), (Operation.ADD, 0.0, 0.0)],
        [(Operation.LOOK_UP, 1.0, 0.0), *[(Operation.ENTRY, 0.0, 0.0)] * 2],
    ],
    ids=str,
)
def test_a_table_beyond_its_chain_is_refused(steps):
    with pytest.raises(ValueError, match=r"table|of kind 17"):
        chains(steps)


def test_a_table_does_not_take_the_entries_of_the_next_chain():
    with pytest.raises(ValueError, match="step 0 has a table that its chain does not hold"):
        Chains(
            np.zeros(2, np.int32),
            np.array([2, 1], np.int32),
            np.array([Operation.LOOK_UP, Operation.ENTRY, Operation.ENTRY], np.uint8),
            np.array([2.0, 0.0, 0.0]),
            np.zeros(3),
            columns=1,
        )


@pytest.mark.parametrize(
    "cells",
    [(), (1.0,), (1.0, 2.0, 3.0), (1.0, "2"), (1.0, 2j), [1.0, 2.0], None, (10**400, 1.0)],
    ids=repr,
)
def test_rows_of_the_wrong_shape_are_refused(cells):
    with pytest.raises((ValueError, TypeError, OverflowError)):
        Chains(**GOOD).row(cells)


@pytest.mark.parametrize(
    ("cells", "out"),
    [
        (np.empty((1, 3)), np.empty((3, 2))),
        (np.empty((2, 3)), np.empty((2, 2))),
        (np.empty((3, 2)).T, np.empty((3, 2))),
        (np.empty((2, 3), np.float32), np.empty((3, 2))),
    ],
)
def test_batches_of_the_wrong_shape_are_refused(cells, out):
    made = Chains(**GOOD)

    with pytest.raises(ValueError, match=r"cells|out"):
        made.many(cells, out, False)
    with pytest.raises(ValueError, match=r"cells|out"):
        made.weighted_sums_many(cells, np.zeros((2, 2)), np.zeros(2), out)


def test_a_read_only_output_buffer_is_refused():
    out = np.empty((1, 2))
    out.flags.writeable = False

    with pytest.raises(ValueError, match="not writable"):
        Chains(**GOOD).many(np.zeros((2, 1)), out, False)


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=3),
    st.integers(1, 100).flatmap(
        lambda outputs: st.lists(
            st.floats(-1e9, 1e9), min_size=4 * outputs, max_size=4 * outputs
        ).map(lambda numbers: np.array(numbers).reshape(4, outputs))
    ),
)
def test_the_weighted_sum_of_a_row_equals_that_of_its_features(values, drawn):
    made = Chains(
        np.array([2, 0, 1], np.int32),
        np.array([1, 0, 1], np.int32),
        np.array([Operation.MULTIPLY, Operation.ADD], np.uint8),
        np.array([2.0, 1.0]),
        np.zeros(2),
        columns=3,
    )
    weights, start = drawn[:3].copy(), drawn[3].copy()

    expected = np.zeros(len(start))
    for feature, row in zip(np.frombuffer(made.row(tuple(values))), weights, strict=True):
        expected += feature * row

    assert made.weighted_sums(tuple(values), weights, start) == (expected + start).tolist()


@pytest.mark.parametrize(
    ("cells", "weights", "start"),
    [
        ((1.0,), np.zeros((2, 1)), np.zeros(1)),
        ([1.0, 2.0], np.zeros((2, 1)), np.zeros(1)),
        ((1.0, "2"), np.zeros((2, 1)), np.zeros(1)),
        ((10**400, 1.0), np.zeros((2, 1)), np.zeros(1)),
        ((1.0, 2.0), np.zeros((3, 1)), np.zeros(1)),
        ((1.0, 2.0), np.zeros((2, 2)), np.zeros(1)),
        ((1.0, 2.0), np.zeros((2, 1)), np.zeros(2)),
        ((1.0, 2.0), np.zeros(2), np.zeros(1)),
        ((1.0, 2.0), np.zeros((2, 1), np.float32), np.zeros(1)),
        ((1.0, 2.0), np.zeros((2, 2)).T, np.zeros((1, 1))),
        ((1.0, 2.0), np.zeros((4, 1))[::2], np.zeros(1)),
    ],
)
def test_weights_of_the_wrong_shape_are_refused(cells, weights, start):
    with pytest.raises((ValueError, TypeError, OverflowError)):
        Chains(**GOOD).weighted_sums(cells, weights, start)


def a_file(texts=(None, None)):
    arrays = {name: value for name, value in GOOD.items() if name != "columns"}
    return ChainsFile(texts=list(texts), **arrays)


def test_a_file_restores_the_same_chains():
    back = from_bytes(to_bytes(a_file(texts=[None, ["a", "b"]])))

    assert back.texts == [None, ["a", "b"]]
    for name in ("column", "length", "kind", "first", "second"):
        assert getattr(back, name).tolist() == GOOD[name].tolist()


@given(st.binary(max_size=80))
def test_bytes_that_are_not_a_chain_file_are_refused(data):
    with pytest.raises(ValueError, match="chains"):
        from_bytes(data)


@given(st.data())
def test_a_damaged_file_is_refused_or_computes_something(data):
    whole = bytearray(to_bytes(a_file()))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))

    try:
        program = read_program(bytes(whole), NUMBERS)
    except ArtifactRefused:
        return
    (features,) = program.blocks(Batch({"length": np.ones(1), "width": np.ones(1)}, 1))
    assert features.shape == (1, program.width)


def test_a_file_for_another_signature_is_refused():
    with pytest.raises(ArtifactRefused, match="2 lists of texts for 4 columns"):
        read_program(to_bytes(a_file()), MIXED)


AS_THEY_ARE = [np.array([0, 1], np.int32), np.zeros(2, np.int32), np.zeros(0, np.uint8)]


def plain():
    """Two columns that are the features as they are."""
    return Chains(*AS_THEY_ARE, np.zeros(0), np.zeros(0), columns=2)


def test_features_are_written_by_column_too():
    by_row = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    by_column = np.empty((2, 3))

    plain().many(by_row.T.copy(), by_column, True)

    assert by_column.tolist() == by_row.T.tolist()
    with pytest.raises(ValueError, match="out is 3 x 2"):
        plain().many(by_row.T.copy(), np.empty((3, 2)), True)


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("rows", [1, 127, 128, 300])
def test_sums_add_the_features_of_each_row_in_order(rows, outputs):
    draws = np.random.default_rng(rows)
    values, weights = draws.normal(size=(rows, 2)), draws.normal(size=(2, outputs))
    start = draws.normal(size=outputs)
    sums = np.empty((rows, outputs))

    plain().weighted_sums_many(values.T.copy(), weights, start, sums)

    expected = [
        [row[0] * weights[0, at] + row[1] * weights[1, at] + start[at] for at in range(outputs)]
        for row in values
    ]
    assert sums.tolist() == expected
    alone = [plain().weighted_sums(tuple(row), weights, start) for row in values.tolist()]
    assert alone == expected


@pytest.mark.parametrize(
    ("cells", "place"),
    [
        ((2.0, -1.0), 1),
        ((1.0, -2.0), 0),
        ((1.0, -1.0), -1),
        ((1.0, -1.0 + 2**-53), -1),
        ((1.0, -1.0 + 2**-46), 1),
        ((math.inf, 1.0), -1),
        ((math.nan, 1.0), -1),
    ],
)
def test_a_class_is_returned_only_if_rounding_cannot_change_it(cells, place):
    one, two = np.ones((2, 1)), np.array([[0.0, 1.0], [0.0, 1.0]])

    assert plain().decide(cells, one, np.zeros(1)) == place
    assert plain().decide(cells, two, np.zeros(2)) == place


def test_the_logistic_function_equals_scipy_s_to_the_last_bit():
    numbers = np.concatenate([np.random.default_rng(2).normal(0, 20, 5000), [800.0, -800.0, 0.0]])
    expected = scipy.special.expit(numbers)

    logistic(numbers)

    assert numbers.tobytes() == expected.tobytes()
