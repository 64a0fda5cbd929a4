"""Predictions on Arrow streams and Parquet files, and answers as Arrow."""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.integration.api.conftest import check_problem, near, places
from tests.missing_library import missing_library
from tests.unit.registry.codecs.parquet_footers import FILE_ROWS, with_footer

ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"


def as_arrow(table, **options):
    out = io.BytesIO()
    write = pa.ipc.IpcWriteOptions(**options)
    with pa.ipc.new_stream(out, table.schema, options=write) as writer:
        writer.write_table(table, max_chunksize=30)
    return out.getvalue()


def as_parquet(table, **options):
    out = io.BytesIO()
    parquet.write_table(table, out, **options)
    return out.getvalue()


WRITERS = {ARROW: as_arrow, PARQUET: as_parquet}
BOTH = pytest.mark.parametrize("content_type", WRITERS)


@pytest.fixture(scope="module")
def served(service, artifacts):
    for name in ("housing", "iris-names", "iris-arrays", "plane"):
        service.admin.upload(f"tables-{name}", artifacts[name])
        assert service.admin.promote(f"tables-{name}", 1).status_code == 200
    return service.admin


def send(caller, body, content_type, *, model="housing", query="", headers=None):
    return caller.post(
        f"/models/tables-{model}/predict{query}",
        data=body,
        content_type=content_type,
        headers=headers,
    )


def table_of(frame):
    return pa.Table.from_pandas(frame, preserve_index=False)


def changed(frame, **columns):
    """The table of ``frame`` with some columns replaced by the Arrow arrays that are given."""
    table = table_of(frame)
    for name, column in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


@BOTH
def test_a_table_gives_the_predictions_of_the_model(served, trained, content_type):
    one = trained["housing"]
    answer = send(served, WRITERS[content_type](table_of(one.rows)), content_type)
    assert answer.status_code == 200, answer.text
    assert answer.json["predictions"] == near(one.model.predict(one.rows).tolist())


@BOTH
def test_without_pyarrow_the_error_names_the_extra(served, trained, content_type):
    body = WRITERS[content_type](table_of(trained["housing"].rows))
    with missing_library("pyarrow"):
        refused = send(served, body, content_type)
    check_problem(refused, 415, "format-unsupported")
    assert f"A body of {content_type} requires pyarrow" in refused.json["detail"]
    assert "the extra 'arrow'" in refused.json["detail"]
    assert send(served, body, content_type).status_code == 200


@BOTH
def test_columns_of_a_table_may_be_in_any_order_with_extra_ones(served, trained, content_type):
    one = trained["housing"]
    frame = one.rows[one.rows.columns[::-1]].assign(when=pd.Timestamp("2026-01-01"), extra=1)
    answer = send(served, WRITERS[content_type](table_of(frame)), content_type)
    assert answer.json["predictions"] == near(one.model.predict(one.rows).tolist())


@BOTH
@pytest.mark.parametrize("type_", [pa.float32(), pa.int64(), pa.int8(), pa.uint64()])
def test_numbers_of_any_width_are_accepted(served, trained, content_type, type_):
    one = trained["plane"]
    table = pa.table({"x0": pa.array([1, 2, 3], type_), "x1": pa.array([4, 5, 6], type_)})
    answer = send(served, WRITERS[content_type](table), content_type, model="plane")
    rows = np.array([[1.0, 4], [2, 5], [3, 6]])
    assert answer.json["predictions"] == near(one.model.predict(rows).tolist())


@BOTH
@pytest.mark.parametrize(
    "type_", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
)
def test_strings_of_any_arrow_type_are_accepted(served, trained, content_type, type_):
    one = trained["housing"]
    column = pa.array(one.rows["ocean_proximity"]).cast(type_)
    table = changed(one.rows, ocean_proximity=column)
    answer = send(served, WRITERS[content_type](table), content_type)
    assert answer.status_code == 200, answer.text
    assert answer.json["predictions"] == near(one.model.predict(one.rows).tolist())


@BOTH
def test_nulls_and_nans_are_imputed_by_the_model(served, trained, content_type):
    one = trained["housing"]
    frame = one.rows.iloc[:3].copy()
    frame["bedrooms"] = [np.nan, np.nan, 5.0]
    frame["county"] = [np.nan, "Napa", np.nan]
    column = pa.array([None, float("nan"), 5.0])
    texts = pa.array([None, "Napa", None], pa.string())
    body = WRITERS[content_type](changed(frame, bedrooms=column, county=texts))
    answer = send(served, body, content_type)
    assert answer.json["predictions"] == near(one.model.predict(frame).tolist())


@BOTH
def test_an_invalid_table_is_refused_with_the_locations_of_the_faults(
    served, trained, content_type
):
    frame = trained["housing"].rows.iloc[:4]
    write = WRITERS[content_type]
    for table, at in [
        (table_of(frame.drop(columns="county")), ["county"]),
        (changed(frame, median_income=pa.array(["1", "2", "3", "4"])), ["median_income"]),
        (changed(frame, median_income=pa.array([True] * 4)), ["median_income"]),
        (changed(frame, ocean_proximity=pa.array([1, 2, 3, 4])), ["ocean_proximity"]),
        (changed(frame, ocean_proximity=pa.array([b"a"] * 4)), ["ocean_proximity"]),
        (
            changed(frame, median_income=pa.array([1.0, None, 2.0, float("nan")])),
            ["rows[1].median_income", "rows[3].median_income"],
        ),
        (
            changed(frame, median_income=pa.array([1.0, 2.0, float("inf"), 3.0])),
            ["rows[2].median_income"],
        ),
        (
            changed(frame, ocean_proximity=pa.array(["a", None, "b", "c"])),
            ["rows[1].ocean_proximity"],
        ),
        (
            changed(frame, ocean_proximity=pa.nulls(4)),
            [f"rows[{row}].ocean_proximity" for row in range(4)],
        ),
    ]:
        answer = send(served, write(table), content_type)
        check_problem(answer, 422, "input-refused")
        assert places(answer) == at
    check_problem(send(served, write(table_of(frame[:0])), content_type), 422, "input-refused")


def test_a_duplicate_column_is_refused(served, trained):
    table = table_of(trained["housing"].rows.iloc[:2])
    doubled = table.append_column("county", table.column("county"))
    answer = send(served, as_arrow(doubled), ARROW)
    check_problem(answer, 422, "input-refused")
    assert places(answer) == ["county"]


@BOTH
@pytest.mark.parametrize("spoil", ["empty", "garbage", "cut", "other"])
def test_bytes_that_are_not_a_table_are_malformed(served, trained, content_type, spoil):
    good = WRITERS[content_type](table_of(trained["housing"].rows))
    other = WRITERS[PARQUET if content_type == ARROW else ARROW]
    body = {
        "empty": b"",
        "garbage": b"garbage" * 99,
        "cut": good[: len(good) // 2],
        "other": other(table_of(trained["housing"].rows)),
    }[spoil]
    check_problem(send(served, body, content_type), 400, "body-malformed")


@BOTH
def test_a_flipped_byte_never_causes_a_server_error(served, trained, content_type):
    draws = np.random.default_rng(9)
    good = WRITERS[content_type](table_of(trained["housing"].rows.iloc[:5]))
    for position in draws.integers(0, len(good), 60):
        body = bytearray(good)
        body[position] ^= 0xFF
        answer = send(served, bytes(body), content_type)
        assert answer.status_code in (200, 400, 413, 422), (position, answer.text)


@pytest.mark.parametrize("model", ["housing", "plane", "iris-names", "iris-arrays"])
def test_arrow_responses_are_sent_if_accepted(served, trained, model):
    one = trained[model]
    rows = [
        [None if pd.isna(value) else value for value in row]
        for row in np.asarray(one.rows).tolist()
    ]
    answer = served.post(
        f"/models/tables-{model}/predict", json={"instances": rows}, headers={"Accept": ARROW}
    )
    assert answer.headers["Content-Type"] == ARROW
    assert answer.headers["X-Model-Version"] == "1"
    table = pa.ipc.open_stream(answer.data).read_all()
    assert table.column_names == ["prediction"]
    assert table["prediction"].to_pylist() == near(one.model.predict(one.rows).tolist())


def test_probabilities_are_arrow_columns(served, trained):
    one = trained["iris-names"]
    body = as_arrow(table_of(one.rows))
    headers = {"Accept": f"{ARROW}, application/json;q=0.5"}
    answer = send(
        served, body, ARROW, model="iris-names", query="?probabilities=true", headers=headers
    )
    table = pa.ipc.open_stream(answer.data).read_all()
    labels = ["setosa", "versicolor", "virginica"]
    assert table.column_names == ["prediction", *(f"probability_{label}" for label in labels)]
    shares = np.column_stack([table[f"probability_{label}"].to_numpy() for label in labels])
    assert shares.tolist() == one.model.predict_proba(one.rows).tolist()


def test_problems_are_json_even_if_arrow_is_accepted(served):
    answer = served.post(
        "/models/tables-plane/predict", json={"input": []}, headers={"Accept": ARROW}
    )
    check_problem(answer, 422, "input-refused")


@pytest.fixture
def small(make_app, artifacts):
    """A service whose predictions take a megabyte, so half a million cells at the most."""
    service = make_app(max_predict_mb=1)
    service.admin.upload("tables-housing", artifacts["housing"])
    service.admin.promote("tables-housing", 1)
    return service.admin


def repeated(rows, text):
    """A table of few bytes in which one row stands very often."""
    indices = pa.array(np.zeros(rows, dtype=np.int8))
    texts = pa.DictionaryArray.from_arrays(indices, pa.array([text]))
    numbers = pa.array(np.zeros(rows))
    return pa.table(
        {"median_income": numbers, "bedrooms": numbers, "ocean_proximity": texts, "county": texts}
    )


@BOTH
def test_a_table_with_more_cells_than_the_largest_text_body_is_too_large(small, content_type):
    options = {"compression": "zstd"}
    body = WRITERS[content_type](repeated(200_000, "A"), **options)
    if content_type == ARROW:
        body = in_one_batch(repeated(200_000, "A"))
    assert len(body) < 2**20
    check_problem(send(small, body, content_type), 413, "too-large")


def test_the_size_of_a_compressed_table_is_checked_before_it_is_unpacked(make_app, artifacts):
    service = make_app(max_predict_mb=1)
    service.admin.upload("m", artifacts["line-1"])
    body = in_one_batch(pa.table({"x0": np.zeros(2**23)}))
    assert len(body) < 2**13
    usual = pa.default_memory_pool()
    watched = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(watched)
    try:
        answer = service.admin.post("/models/m/1/predict", data=body, content_type=ARROW)
    finally:
        pa.set_memory_pool(usual)
    check_problem(answer, 413, "too-large")
    assert watched.max_memory() < 2**24


@pytest.mark.parametrize("rows", [1, 29, 31, -1])
def test_a_parquet_file_that_declares_another_number_of_rows_is_malformed(served, rows):
    body = as_parquet(pa.table({"x0": np.zeros(30), "x1": np.zeros(30)}))

    def declare(footer):
        footer[FILE_ROWS][1] = rows

    answer = send(served, with_footer(body, declare), PARQUET, model="plane")
    check_problem(answer, 400, "body-malformed")
    assert answer.json["detail"] == (
        f"The Parquet file declares {rows} rows, but its row groups declare 30."
    )


def in_one_batch(table):
    out = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(out, table.schema, options=options) as writer:
        writer.write_table(table)
    return out.getvalue()


@BOTH
def test_a_long_repeated_text_is_stored_once_in_memory(small, trained, content_type):
    rows, text = 20_000, "A" * 200_000
    table = repeated(rows, text)
    body = in_one_batch(table) if content_type == ARROW else as_parquet(table, compression="zstd")
    assert len(body) < 2**20
    answer = send(small, body, content_type)
    assert answer.status_code == 200, answer.text
    row = {"median_income": 0.0, "bedrooms": 0.0, "ocean_proximity": text, "county": text}
    expected = trained["housing"].model.predict(pd.DataFrame([row]))[0]
    assert answer.json["predictions"] == [expected] * rows
