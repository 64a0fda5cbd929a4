"""What the kernel of rows accepts and leaves to the decoders in Python, case by case."""

import json
import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.codecs import compiled_rows
from registry.codecs.compiled_rows import CompiledCsv, CompiledJson
from registry.codecs.json_pieces import JsonPieces
from registry.signature import Column, Signature
from tests.unit.registry.codecs.generated_bodies import OUTPUT
from tests.unit.registry.codecs.test_compiled_rows import exact

pytestmark = pytest.mark.skipif(not compiled_rows.AVAILABLE, reason="there is no C compiler")

PLAIN = Signature((Column("age", "number"), Column("city", "string")), OUTPUT)


def read_json(body, signature=PLAIN):
    return CompiledJson(signature).read(body)


def records(*members):
    """Records of these members, and two usual ones."""
    usual = ['"age": 1, "city": "a"'] * 2
    return ('{"instances": [{' + "}, {".join([*members, *usual]) + "}]}").encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            records('"age": 1, "city": "a", "age": 2', '"age": 1, "city": "a"'), id="twice"
        ),
        pytest.param(records('"age": 1'), id="missing"),
        pytest.param(records(""), id="empty record"),
        pytest.param(records('"age": 1, "city": "a", "b": ' + "[" * 65 + "]" * 65), id="deep"),
        pytest.param(records('"age": 1, "city": "a", "b": ' + "[" * 10**6), id="very deep"),
        pytest.param(records('"age": 1, "city": "a"') + b"{}", id="more behind"),
        pytest.param(records('"age": 1, "city": "a"')[:-1] + b', "X": []}', id="two keys"),
        pytest.param(b'{"instances": []}', id="no rows"),
        pytest.param(
            b'{"instances": [{"age": 1, "city": "a"}, {"age": 1, "city": "a"},]}', id="comma"
        ),
        pytest.param(b'{"instances": [[1, "a"], [1, "a", 2]]}', id="long row"),
        pytest.param(
            b'{"inputs": [{"age": 1, "city": "a"}, {"age": 1, "city": "a"}]}',
            id="records as inputs",
        ),
        pytest.param(b'{"inputs": {"age": [1, 2], "city": ["a"]}}', id="lengths"),
        pytest.param(b'{"inputs": {"age": [1, 2]}}', id="missing column"),
        pytest.param(b'{"inputs": {"age": [], "city": []}}', id="empty columns"),
        pytest.param(
            b'{"inputs": {"age": [1, 2], "city": ["a", "b"], "age": [2, 3]}}', id="column twice"
        ),
        pytest.param(b'{"dataframe_split": {"columns": ["age", "city"], "data": []}}', id="split"),
        pytest.param(b'{"instances": [{"age": 1, "city": "%b"}]}' % (b"x" * 2**23), id="long text"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_other_bodies_are_left_to_the_decoders_in_python(body):
    assert read_json(body, PLAIN) is None


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"age,city", b"age,city\n", b"\nage,city\n1,a\n", b"age,city,age\n1,a,2\n"),
        *(b"age\n1\n", b"age,city\n1\n", b"age,city\n1,a,b\n", b"age,city\n1,a\r2,b\r"),
        *(b'age,city\n1,"a""b"\n', b'age,city\n1,"a\nb"\n', b'age,city\n1,a"b\n'),
        *(b'"age,city\n1,a', b"age,city,b\n1,a," + b"a" * 131073),
        *(b'age,city\n1,"a"b\n', b"age,city\n1,\n", b"age,city\n,a\n", b"age,city\n1,\xff\n"),
        *(b"age,city,b\n1,a,\xff\n", b"age,city\n1," + b"a" * 131073),
        *(b"age,city\n" + b"0" * 131072 + b"1,a", b"\xef\xbb\xbf\xef\xbb\xbfage,city\n1,a\n"),
    ],
    ids=lambda body: repr(body[:24]),
)  # fmt: skip
def test_other_csv_is_left_to_the_decoder_in_python(body):
    assert CompiledCsv(PLAIN).read(body) is None


def test_names_that_json_has_to_escape_are_left_to_the_decoders_in_python():
    for name in ('a"b', "a\\b", "a\nb", "\ud800"):
        signature = Signature((Column(name, "number"),), OUTPUT)
        body = json.dumps({"instances": [{name: 1}, {name: 2}]}).encode()
        assert read_json(body, signature) is None


def test_a_single_row_has_cells_unless_the_body_is_large():
    row = {"age": 1, "city": "a"}
    batch = read_json(json.dumps({"instances": [row]}).encode())
    assert (batch.arrays, batch.cells) == (None, (1.0, "a"))
    row["city"] = "a" * 2**15
    batch = read_json(json.dumps({"instances": [row]}).encode())
    assert batch.cells == ()
    assert batch.columns["city"].tolist() == [row["city"]]


def test_a_key_that_changes_is_noticed():
    rows = [{"age": at, "city": str(at)} for at in range(50)]
    rows[20] = {"city": "20", "age": 20}
    rows[30] = {"agf": 0, "age": 30, "city": "30", "more": None}
    batch = read_json(json.dumps({"instances": rows}).encode(), PLAIN)
    assert batch.columns["age"].tolist() == list(range(50))
    assert batch.columns["city"].tolist() == [str(at) for at in range(50)]
    rows[40] = {"agf": 40, "city": "40"}
    assert read_json(json.dumps({"instances": rows}).encode(), PLAIN) is None


@pytest.mark.parametrize("columns", [1, 8, 300])
def test_records_may_have_many_columns_and_many_more(columns):
    signature = Signature(tuple(Column(f"c{at}", "number") for at in range(columns)), OUTPUT)
    choose = random.Random(columns)
    rows = []
    for row in range(20):
        members = [(f"c{at}", row + at) for at in range(columns)]
        members += [(f"other{at}", "x") for at in range(row * 9 % 100)]
        choose.shuffle(members)
        rows.append(dict(members))
    body = json.dumps({"instances": rows}).encode()
    batch = read_json(body, signature)
    assert exact(batch) == exact(JsonPieces(signature).read(body))


@pytest.mark.parametrize("body", ["csv", "json"])
def test_repeated_texts_share_a_string(body):
    texts = [f"city {at % 700}" for at in range(10_000)]
    if body == "csv":
        written = "age,city\n" + "".join(f"1,{text}\n" for text in texts)
        batch = CompiledCsv(PLAIN).read(written.encode())
    else:
        written = json.dumps({"inputs": {"age": [1] * len(texts), "city": texts}})
        batch = read_json(written.encode(), PLAIN)
    found = batch.columns["city"].tolist()
    assert found == texts
    assert len(set(map(id, found))) == 700


def test_texts_of_any_length_are_read():
    texts = ["x" * (at % 300) + str(at % 7) for at in range(5_000)] + ["é" * 70_000, "", "a"]
    body = json.dumps({"inputs": {"age": [1] * len(texts), "city": texts}}, ensure_ascii=False)
    assert read_json(body.encode()).columns["city"].tolist() == texts


def test_texts_with_escapes_are_not_taken_for_those_without():
    texts = ['"\\u0061bcde6"', '"u0061bcde6"', '"abcde6"', '"\\u0061bcde6"'] * 3
    ages, cities = ",".join("1" * 12), ",".join(texts)
    body = f'{{"inputs": {{"age": [{ages}], "city": [{cities}]}}}}'
    assert read_json(body.encode(), PLAIN).columns["city"].tolist() == list(map(json.loads, texts))


def test_threads_read_large_bodies_at_the_same_time():
    reader = CompiledJson(PLAIN)

    def check(seed):
        choose = random.Random(seed)
        rows = [{"age": choose.random(), "city": choose.choice("abcdef")} for _ in range(5_000)]
        body = json.dumps({"instances": rows}).encode()
        for _ in range(10):
            batch = reader.read(body)
            assert batch.columns["age"].tolist() == [row["age"] for row in rows]
            assert batch.columns["city"].tolist() == [row["city"] for row in rows]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(check, range(4)))


def test_the_kernel_checks_what_it_is_given():
    from registry.codecs import row_kernel
    from registry.codecs.powers_of_five import powers_of_five

    powers = powers_of_five()
    columns = row_kernel.Columns(((b"a", 0),), b"t", b"\x01", powers)
    for given_ in (
        (((b"a", 1),), b"n", b"\0", powers),
        ((), b"", b"", powers),
        ((), b"n", b"", powers),
        ((), b"x", b"\0", powers),
        ((), b"n", b"\0", powers[1:]),
    ):
        with pytest.raises(ValueError, match=r"column|kind"):
            row_kernel.Columns(*given_)
    for cells in (np.empty((2, 3)), np.empty((1, 0)), np.empty(3), np.empty((1, 3), np.float32)):
        with pytest.raises(ValueError, match=r"columns|array"):
            columns.read_json(b"{}", cells)
    with pytest.raises(ValueError, match="header"):
        columns.read_csv(b"a\n", 0, memoryview(np.array([1], np.int32)), np.empty((1, 3)))
    with pytest.raises(ValueError, match="header"):
        columns.read_csv(b"a\n", 3, memoryview(np.array([0], np.int32)), np.empty((1, 3)))
    texts = np.empty(2, dtype=object)
    for kept, first in (([9, 9], 0), ([0], 0), ([0, 0], -1), ([0, 0], 3), ([9, 0], 1)):
        places = np.array([(place << 24) + 1 for place in kept], np.uint64).view(np.float64)
        with pytest.raises(ValueError, match=r"rows|beyond"):
            row_kernel.texts(b"abc", places, texts, first, None, str)
    for place in (0, 2):  # without a quote before or behind it
        escaped = np.array([(place << 24) + (1 << 23) + 1], np.uint64).view(np.float64)
        with pytest.raises(ValueError, match="beyond"):
            row_kernel.texts(b"abc", escaped, texts[:1], 0, None, str)
    for byte, first, last in ((256, 0, 3), (44, -1, 3), (44, 0, 4), (44, 2, 1)):
        with pytest.raises(ValueError, match="byte"):
            row_kernel.count(b"abc", byte, first, last)


@given(st.binary(max_size=5_000), st.sampled_from(b"\0,\n\xff\x80"), st.integers(0, 9))
def test_bytes_are_counted_as_in_python(body, byte, start):
    from registry.codecs import row_kernel

    body = body + bytes([byte, byte ^ 1, byte ^ 0x80]) * 999
    expected = body.count(bytes([byte]), start)
    assert row_kernel.count(body, byte, start, len(body)) == expected
