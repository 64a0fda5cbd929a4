"""CSV and HTML forms: cells of text, read by the signature."""

import csv
import io
import time
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.codecs.text_body import CsvReader, decode_form
from registry.errors import BodyMalformed, InputRefused, RegistryError
from registry.signature import Column, Output, Signature
from tests.factories import MIXED, NUMBERS
from tests.unit.registry.codecs.test_json_body import rows_of

HEADER = "age,visits,member,city\n"


def read_csv(body, signature):
    return CsvReader(signature).read(body)


def refusal(body, read=read_csv, signature=MIXED):
    with pytest.raises(InputRefused) as refused:
        read(body.encode(), signature)
    return refused.value


@pytest.mark.parametrize(
    "body",
    [
        HEADER + "31.5,4,true,Ghent\n",
        HEADER + "31.5,4,true,Ghent",
        HEADER + "\n\n31.5,4,true,Ghent\n\n",
        "\ufeff" + HEADER + "31.5,4,true,Ghent\n",
        HEADER.replace("\n", "\r\n") + "31.5,4,true,Ghent\r\n",
        "city,id,member,visits,age\nGhent,7,TRUE,4.0, 3.15e1 \n",
        HEADER + '+31.50,"4",1,"Ghent"\n',
    ],
)
def test_csv_is_read_by_its_header(body):
    batch = CsvReader(MIXED).read(body.encode())

    assert rows_of(batch) == [[31.5, 4.0, 1.0, "Ghent"]]
    assert batch.single is False


def test_an_empty_cell_is_a_null():
    assert rows_of(CsvReader(MIXED).read(f"{HEADER},4,false,\n".encode())) == [
        [None, 4.0, 0.0, None]
    ]
    assert refusal(f"{HEADER}1,,true,x\n").faults[0].at == "rows[0].visits"


@pytest.mark.parametrize(
    ("row", "at"),
    [
        ("x,4,true,Ghent", "rows[1].age"),
        ("NaN,4,true,Ghent", "rows[1].age"),
        ("inf,4,true,Ghent", "rows[1].age"),
        ("1e999,4,true,Ghent", "rows[1].age"),
        ("1_000,4,true,Ghent", "rows[1].age"),
        ("٣,4,true,Ghent", "rows[1].age"),
        ("0x10,4,true,Ghent", "rows[1].age"),
        ("1,4.5,true,Ghent", "rows[1].visits"),
        ("1,1e999,true,Ghent", "rows[1].visits"),
        ("1,4,yes,Ghent", "rows[1].member"),
        ("1,4,true", "rows[1]"),
        ("1,4,true,Ghent,more", "rows[1]"),
    ],
)
def test_an_invalid_csv_row_is_located(row, at):
    assert [f.at for f in refusal(f"{HEADER}1,4,true,Ghent\n{row}\n").faults] == [at]


@pytest.mark.parametrize(
    ("header", "at"),
    [("age,visits,member", "header.city"), ("age,visits,member,city,age", "header")],
)
def test_an_invalid_csv_header_is_refused(header, at):
    assert refusal(f"{header}\n1,1,1,1\n").faults[0].at == at


def test_a_csv_header_without_rows_is_an_empty_batch():
    assert "empty" in refusal(HEADER).detail


@pytest.mark.parametrize("body", [b"", b"\n\n", b"age\xff\n", b'age\n"1', b'age\n"1"x\n'])
def test_invalid_csv_is_malformed_as_a_body(body):
    with pytest.raises(BodyMalformed):
        CsvReader(MIXED).read(body)


def test_a_wide_header_takes_no_more_memory_than_its_bytes():
    names = [f"c{index}" for index in range(3_000)]
    signature = Signature(tuple(Column(name, "number") for name in names), Output("y", "number"))
    extra = ",".join(f"e{index}" for index in range(100_000))
    body = f"{','.join(names)}\n" + f"{','.join('1' * len(names))}\n" * 300

    begun = time.process_time()
    assert CsvReader(signature).read(body.encode()).rows == 300
    assert refusal(f"{extra}\n{extra}\n").faults[0].at == "header.age"
    assert time.process_time() - begun < 5


@given(st.text(max_size=80))
def test_any_text_is_a_batch_or_refused(text):
    for body in (text, HEADER + text):
        try:
            batch = CsvReader(MIXED).read(body.encode())
        except RegistryError:
            continue
        assert batch.rows >= 1


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_and_texts_are_decoded_exactly(numbers):
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["width", "length"])
    writer.writerows([0, number] for number in numbers)

    batch = CsvReader(NUMBERS).read(out.getvalue().encode())

    assert batch.columns["length"].tolist() == numbers


def form(**fields):
    return urlencode(fields)


def test_an_html_form_is_one_record():
    batch = decode_form(form(age="", visits=4, member="true", city="Sint & Ké").encode(), MIXED)

    assert rows_of(batch) == [[None, 4.0, 1.0, "Sint & Ké"]]
    assert batch.single is True


def test_faults_of_a_form_name_the_field():
    bad = form(age="old", visits=4, member="true", city="x")

    assert refusal(bad, decode_form).faults[0].at == "age"
    assert refusal("age=1", decode_form).faults[0].at == "visits"
    assert refusal("", decode_form).faults[0].at == "age"
    assert refusal(f"{form(age=1, visits=4, member=1, city=1)}&age=2", decode_form).faults


@pytest.mark.parametrize("body", [b'{"age": 1}', b"\xff", b"age=%ff", b"a=1&" * 30_000])
def test_an_invalid_form_is_malformed(body):
    with pytest.raises(BodyMalformed):
        decode_form(body, MIXED)
