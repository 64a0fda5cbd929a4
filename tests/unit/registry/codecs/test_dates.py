"""A column of dates: ISO 8601 text in every kind of body, Arrow timestamps, one clear refusal."""

import json
from datetime import UTC, date, datetime
from io import BytesIO
from urllib.parse import urlencode

import numpy as np
import pytest

from registry.codecs.json_body import decode_json
from registry.codecs.json_reader import JsonReader
from registry.codecs.requests import ARROW, CSV, FORM, JSON, PARQUET, RequestReader
from registry.codecs.text_body import CsvReader, csv_batches
from registry.dates import parse_date
from registry.errors import InputRefused
from registry.signature import Column, Output, Signature

SIGNATURE = Signature(
    (Column("day", "date"), Column("seen", "date", nullable=True), Column("x", "number")),
    Output("y", "number"),
)
DAY, SEEN = "2024-02-29", "2026-01-31T12:00:00.25+02:00"
ROWS = [{"day": DAY, "seen": SEEN, "x": 1.0}, {"day": "0001-01-01", "seen": None, "x": 2.0}]
SECONDS = {"day": [DAY, "0001-01-01"], "seen": [SEEN, None]}
MOST = 2**30
BODIES = {
    "records": {"instances": ROWS},
    "lists": {"X": [list(row.values()) for row in ROWS]},
    "columns": {"inputs": {name: [row[name] for row in ROWS] for name in ROWS[0]}},
    "split": {
        "dataframe_split": {"columns": list(ROWS[0]), "data": [list(r.values()) for r in ROWS]}
    },
}


def read(content_type, body):
    return RequestReader(SIGNATURE).read(content_type, body, MOST)


def expect(batch, rows=2):
    for name, texts in SECONDS.items():
        expected = [np.nan if text is None else parse_date(text) for text in texts[:rows]]
        assert batch.columns[name].dtype == np.float64
        assert np.array_equal(batch.columns[name], expected, equal_nan=True)


@pytest.mark.parametrize("form", BODIES)
def test_json_of_any_form_has_dates_as_text(form):
    body = json.dumps(BODIES[form]).encode()

    expect(read(JSON, body))
    expect(decode_json(body, SIGNATURE))  # where the quick decoder does not accept the body


def test_a_single_record_has_dates_as_text():
    body = json.dumps(ROWS[0]).encode()

    expect(JsonReader(SIGNATURE).read(body), 1)
    expect(decode_json(body, SIGNATURE), 1)
    assert JsonReader(SIGNATURE).read(json.dumps(ROWS[1]).encode()).cells == (
        parse_date("0001-01-01"),
        None,
        2.0,
    )


def test_many_rows_are_decoded_in_pieces():
    body = json.dumps({"instances": ROWS * 5_000}).encode()
    columns = json.dumps({"inputs": {k: [r[k] for r in ROWS] * 5_000 for k in ROWS[0]}}).encode()

    for batch in (read(JSON, body), read(JSON, columns)):
        assert batch.rows == 10_000
        assert set(batch.columns["day"]) == {parse_date(DAY), parse_date("0001-01-01")}
        assert np.isnan(batch.columns["seen"]).sum() == 5_000


def test_csv_and_forms_have_dates_as_text():
    body = f"day,seen,x\n{DAY},{SEEN},1\n0001-01-01,,2\n".encode()

    expect(read(CSV, body))
    expect(CsvReader(SIGNATURE).read(body))
    expect(next(csv_batches(BytesIO(body), SIGNATURE, 2)))
    expect(read(FORM, urlencode(ROWS[0]).encode()), 1)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (JSON, b'{"day": "tomorrow", "seen": null, "x": 1}'),
        (JSON, b'{"instances": [{"day": "tomorrow", "seen": null, "x": 1}]}'),
        (CSV, b"day,seen,x\ntomorrow,,1\n"),
        (FORM, b"day=tomorrow&seen=&x=1"),
    ],
)
def test_what_is_not_a_date_is_named(content_type, body):
    with pytest.raises(InputRefused) as refused:
        read(content_type, body)

    assert [fault.message for fault in refused.value.faults] == [
        "expected a date, such as 2026-01-31 or 2026-01-31T12:00:00Z, not the text 'tomorrow'"
    ]


@pytest.mark.parametrize(
    ("cell", "end"),
    [
        ("1706659200", "not 1706659200"),
        ("true", "not true"),
        ("null", "null is not allowed here"),
        ('"2026-02-30"', "not the text '2026-02-30'"),
    ],
)
def test_other_values_are_no_dates(cell, end):
    with pytest.raises(InputRefused) as refused:
        read(JSON, f'{{"day": {cell}, "seen": null, "x": 1}}'.encode())

    assert refused.value.faults[0].message.endswith(end)


def table(day, seen):
    pa = pytest.importorskip("pyarrow", reason="tables need the extra 'arrow'")
    return pa.table({"day": day(pa), "seen": seen(pa), "x": [1.0, 2.0]})


def bodies_of(rows):
    import pyarrow as pa
    from pyarrow import parquet

    stream, file = pa.BufferOutputStream(), pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, rows.schema) as writer:
        writer.write_table(rows)
    parquet.write_table(rows, file)
    return [(ARROW, stream.getvalue().to_pybytes()), (PARQUET, file.getvalue().to_pybytes())]


MOMENT = datetime(2026, 1, 31, 10, 0, 0, 250_000, UTC)
TABLES = {
    "texts": lambda: table(
        lambda pa: pa.array([DAY, "0001-01-01"]), lambda pa: pa.array([SEEN, None])
    ),
    "encoded texts": lambda: table(
        lambda pa: pa.array([DAY, "0001-01-01"]).dictionary_encode(),
        lambda pa: pa.array([SEEN, None], pa.large_string()),
    ),
    "days": lambda: table(
        lambda pa: pa.array([date(2024, 2, 29), date(1, 1, 1)], pa.date32()),
        lambda pa: pa.array([MOMENT, None], pa.timestamp("us", "Europe/Brussels")),
    ),
    "timestamps": lambda: table(
        lambda pa: pa.array([datetime(2024, 2, 29), datetime(1, 1, 1)], pa.timestamp("s")),  # noqa: DTZ001
        lambda pa: pa.array([MOMENT, None], pa.timestamp("ns", "UTC")),
    ),
    "milliseconds": lambda: table(
        lambda pa: pa.array([date(2024, 2, 29), date(1, 1, 1)], pa.date64()),
        lambda pa: pa.array([MOMENT, None], pa.timestamp("ms")),
    ),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_have_dates_as_text_timestamps_or_days(kind):
    for content_type, body in bodies_of(TABLES[kind]()):
        expect(read(content_type, body))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: table(lambda pa: pa.array(["x", DAY]), lambda pa: pa.array([SEEN, None])),
            "expected a date, such as 2026-01-31 or 2026-01-31T12:00:00Z, not the text 'x'",
        ),
        (
            lambda: table(
                lambda pa: pa.array([2**40, 0], pa.timestamp("s")),
                lambda pa: pa.array([SEEN, None]),
            ),
            "expected a date, such as 2026-01-31 or 2026-01-31T12:00:00Z, of the years 1 to 9999",
        ),
        (
            lambda: table(lambda pa: pa.array([None, DAY]), lambda pa: pa.array([SEEN, None])),
            "null is not allowed here",
        ),
        (
            lambda: table(lambda pa: pa.array([1, 2]), lambda pa: pa.array([SEEN, None])),
            "expected date, not int64",
        ),
    ],
)
def test_tables_without_dates_are_refused(make, message):
    for content_type, body in bodies_of(make()):
        with pytest.raises(InputRefused) as refused:
            read(content_type, body)
        assert [fault.message for fault in refused.value.faults] == [message]


def test_parts_of_a_larger_table_are_read():
    pa = pytest.importorskip("pyarrow", reason="tables need the extra 'arrow'")
    rows = pa.concat_tables(
        [
            TABLES["days"]().cast(
                pa.schema([("day", pa.date32()), ("seen", pa.timestamp("us")), ("x", pa.float64())])
            )
        ]
        * 3
    ).slice(2, 2)

    for content_type, body in bodies_of(rows):
        expect(read(content_type, body))
