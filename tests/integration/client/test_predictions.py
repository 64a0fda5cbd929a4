"""How rows of each type are encoded and sent, and how the replies are joined."""

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from hotswap import Registry, ReplyNotUnderstood, errors
from hotswap.batches import ARROW, JSON
from hotswap.inputs import batch_of
from hotswap.retries import NEVER
from tests.integration.cli.fake_service import (
    HSW,
    Answer,
    FakeService,
    ReceivedRequest,
    problem,
    running,
)
from tests.missing_library import missing_library

FRAME = pd.DataFrame(
    {
        "rooms": [1.5, np.nan, 3.0],
        "floors": pd.array([1, None, 3], dtype="Int64"),
        "zip": ["a", None, "ü"],
        "new": [True, False, True],
        "kind": pd.Categorical(["x", "y", "x"]),
    }
)
PLAIN = {
    "rooms": [1.5, None, 3.0],
    "floors": [1, None, 3],
    "zip": ["a", None, "ü"],
    "new": [True, False, True],
    "kind": ["x", "y", "x"],
}


class Echo(FakeService):
    """Answers each row with what its first column holds; refuses bodies over ``most`` bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 1 << 30
        self.version = 1
        self.refusal: Callable[[list[Any]], Answer | None] = lambda _: None
        self.refusal_of_type: dict[str, Answer] = {}

    def _predict(
        self, received: ReceivedRequest, name: str, reference: str = "production"
    ) -> Answer:
        if len(received.body) > self.most:
            return problem(413, "too-large", "The body is too large.")
        if refusal := self.refusal_of_type.get(received.headers["Content-Type"]):
            return refusal
        rows = rows_of(received)
        if refusal := self.refusal(rows):
            return refusal
        version = self.version if reference == "production" else int(reference)
        self.version += 1  # somebody promotes all the time
        answer = {"model": name, "version": version, "predictions": rows}
        if received.query.get("probabilities") == ["true"]:
            answer["probabilities"] = [{"yes": row} for row in rows]
        if received.query.get("scores") == ["true"]:
            answer["scores"] = [-row for row in rows]
        return Answer(200, answer)


def rows_of(received: ReceivedRequest) -> list[Any]:
    """The first cell of each row that a body holds."""
    if received.headers["Content-Type"] == ARROW:
        with pa.ipc.open_stream(received.body) as reader:
            return reader.read_all().column(0).to_pylist()  # type: ignore[no-any-return]
    content = received.json
    if "inputs" in content:
        return next(iter(content["inputs"].values()))  # type: ignore[no-any-return]
    rows = content["instances"]
    return [row[0] if isinstance(row, list) else next(iter(row.values())) for row in rows]


@pytest.fixture
def service() -> Iterator[Echo]:
    with running(Echo) as echo:
        assert isinstance(echo, Echo)
        yield echo


@pytest.fixture
def without_pyarrow() -> Iterator[None]:
    """An interpreter in which pyarrow cannot be imported, as where it is not installed."""
    with missing_library("pyarrow"):
        yield


def test_a_dataframe_is_sent_as_arrow_with_missing_values_as_nulls() -> None:
    batch = batch_of(FRAME)
    assert (batch.count, batch.content_type) == (3, ARROW)
    with pa.ipc.open_stream(batch.encode(0, 3)) as reader:
        assert reader.read_all().to_pydict() == PLAIN


@pytest.mark.usefixtures("without_pyarrow")
def test_without_pyarrow_a_dataframe_is_sent_as_json_by_column() -> None:
    batch = batch_of(FRAME)
    assert batch.content_type == JSON
    assert json.loads(batch.encode(0, 3)) == {"inputs": PLAIN}
    assert json.loads(batch.encode(1, 2)) == {"inputs": {k: v[1:2] for k, v in PLAIN.items()}}


DATES = pd.DataFrame(
    {
        "sold": pd.to_datetime(["2024-02-29T12:30:00", None]),
        "seen": pd.to_datetime(["2026-01-31T12:00:00.5", None]).tz_localize("Europe/Brussels"),
        "born": [dt.date(1999, 12, 31), None],
    }
)
AS_TEXT = {
    "sold": ["2024-02-29T12:30:00", None],
    "seen": ["2026-01-31T12:00:00.500000+01:00", None],
    "born": ["1999-12-31", None],
}


def test_dates_of_a_dataframe_travel_as_arrow_timestamps_and_days() -> None:
    batch = batch_of(DATES)

    with pa.ipc.open_stream(batch.encode(0, 2)) as reader:
        table = reader.read_all()
    assert [pa.types.is_timestamp(kind) for kind in table.schema.types] == [True, True, False]
    assert table["born"].to_pylist() == DATES["born"].tolist()


@pytest.mark.usefixtures("without_pyarrow")
def test_without_pyarrow_dates_travel_as_iso_text() -> None:
    assert json.loads(batch_of(DATES).encode(0, 2)) == {"inputs": AS_TEXT}


@pytest.mark.parametrize(
    "day",
    [
        dt.date(2026, 1, 31),
        dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC),
        pd.Timestamp("2026-01-31"),
        pd.NaT,
        np.datetime64("2026-01-31T12", "ns"),
        np.datetime64("NaT"),
    ],
    ids=str,
)
def test_dates_in_records_travel_as_iso_text(day: Any) -> None:
    sent = json.loads(batch_of({"day": day}).encode(0, 1))["day"]
    rows = json.loads(batch_of([{"day": day}]).encode(0, 1))["instances"]

    assert rows == [{"day": sent}]
    assert sent is None if pd.isna(day) else pd.Timestamp(sent) == pd.Timestamp(day)


FORMS = {
    "frame": FRAME,
    "arrow": pa.Table.from_pandas(FRAME, preserve_index=False),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_service_without_arrow_gets_json(service: Echo, registry: Registry, form: str) -> None:
    service.refusal_of_type = {ARROW: problem(415, "format-unsupported", "No pyarrow here.")}

    for _ in range(2):
        assert registry.predict("m", FORMS[form])["predictions"] == PLAIN["rooms"]

    refused, *sent = service.requests
    assert refused.headers["Content-Type"] == ARROW
    assert [received.headers["Content-Type"] for received in sent] == [JSON, JSON]
    assert [received.json for received in sent] == [{"inputs": PLAIN}] * 2


def test_encoded_bytes_are_sent_in_the_given_format(service: Echo, registry: Registry) -> None:
    service.refusal_of_type = {ARROW: problem(415, "format-unsupported", "No pyarrow here.")}

    with pytest.raises(errors.UnsupportedFormat, match="No pyarrow here"):
        registry.predict("m", b"a stream", content_type=ARROW)

    assert len(service.requests) == 1


def test_columns_of_mixed_types_are_sent_as_json() -> None:
    batch = batch_of(pd.DataFrame({"a": [1, "x"]}))
    assert json.loads(batch.encode(0, 2)) == {"inputs": {"a": [1, "x"]}}


def test_integers_beyond_64_bits_are_sent_as_json() -> None:
    batch = batch_of(pd.DataFrame({"a": [2**70]}))
    assert json.loads(batch.encode(0, 1)) == {"inputs": {"a": [2**70]}}


def test_arrays_and_frames_without_column_names_are_sent_by_position() -> None:
    rows = [[1.0, None], [3.0, 4.0]]
    array = np.array([[1.0, np.nan], [3.0, 4.0]])
    for data in (array, pd.DataFrame(array)):
        assert json.loads(batch_of(data).encode(0, 2)) == {"instances": rows}
    mixed = np.array([[1, "a"], [None, "b"]], dtype=object)
    assert json.loads(batch_of(mixed).encode(0, 2)) == {"instances": [[1, "a"], [None, "b"]]}


@pytest.mark.parametrize("values", [[3, 1, 3], [0.5, None, 0.5], [True, False, True]])
def test_categories_other_than_strings_are_sent_as_plain_values(values: list[Any]) -> None:
    folded = pa.table({"a": pa.array(values).dictionary_encode(), "b": [1, 2, 3]})
    for table in (folded, folded.to_pandas()):
        with pa.ipc.open_stream(batch_of(table).encode(0, 3)) as reader:
            assert reader.schema.field("a").type == pa.array(values).type
            assert reader.read_all().to_pydict() == {"a": values, "b": [1, 2, 3]}


def test_an_arrow_table_is_sent_unchanged() -> None:
    batch = batch_of(pa.table({"a": [1, 2, 3]}))
    with pa.ipc.open_stream(batch.encode(1, 3)) as reader:
        assert reader.read_all().to_pydict() == {"a": [2, 3]}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (np.zeros(3), "two dimensions"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "more than one column named 'a'"),
        ("rows", "Cannot predict from"),
        ({1, 2}, "Cannot predict from"),
        (np.array([[np.inf]]), "JSON"),
    ],
)
def test_data_of_another_type_is_refused_before_a_request(data: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        batch_of(data).encode(0, 1)


@pytest.mark.parametrize("form", ["records", "lists", "frame", "array", "arrow"])
def test_a_batch_over_the_known_limit_is_sent_in_parts_and_answered_in_order(
    service: Echo, form: str
) -> None:
    count = 1000
    frame = pd.DataFrame({"x": np.arange(count, dtype=float), "y": np.zeros(count)})
    data: Any = {
        "records": frame.to_dict(orient="records"),
        "lists": frame.to_numpy().tolist(),
        "frame": frame,
        "array": frame.to_numpy(),
        "arrow": pa.table(frame),
    }[form]
    with Registry(service.url, HSW, largest_prediction=4096, retries=NEVER) as registry:
        answer = registry.predict("m", data, probabilities=True, scores=True)
    assert answer["predictions"] == list(range(count))
    assert answer["scores"] == [-float(row) for row in range(count)]
    assert answer["probabilities"] == [{"yes": float(row)} for row in range(count)]
    assert len(service.requests) > 2
    assert all(len(received.body) <= 4096 for received in service.requests)


def test_all_parts_are_predicted_by_one_version(registry: Registry, service: Echo) -> None:
    service.most = 400
    answer = registry.predict("m", [[number] for number in range(100)])
    assert answer["version"] == 1
    assert answer["predictions"] == list(range(100))
    answered = [received.path for received in service.requests if len(received.body) <= 400]
    assert answered[0] == "/models/m/predict"
    assert set(answered[1:]) == {"/models/m/1/predict"}


def test_the_limit_of_a_413_is_remembered(registry: Registry, service: Echo) -> None:
    service.most = 400
    rows = [[number] for number in range(100)]
    registry.predict("m", rows)
    refused = sum(len(received.body) > 400 for received in service.requests)
    registry.predict("m", rows)
    assert refused > 0
    assert sum(len(received.body) > 400 for received in service.requests) == refused


def test_a_413_of_a_proxy_is_understood(registry: Registry, service: Echo) -> None:
    page = Answer(413, b"<html>Request Entity Too Large</html>", {"Content-Type": "text/html"})
    service.refusal = lambda rows: page if len(rows) > 10 else None
    assert registry.predict("m", [[n] for n in range(40)])["predictions"] == list(range(40))


def test_a_single_row_that_is_too_large_is_named(registry: Registry, service: Echo) -> None:
    service.most = 40
    with pytest.raises(
        errors.TooLarge, match=r"^rows\[3\] is too large .*: The body is too large"
    ) as caught:
        registry.predict("m", [[1], [2], [3], list(range(40)), [5]])
    assert caught.value.errors[0].at == "rows[3]"
    page = Answer(413, b"<html>Too Large</html>", {"Content-Type": "text/html"})
    service.refusal = lambda _: page
    with pytest.raises(errors.TooLarge, match=r"^rows\[0\] is too large .*no JSON, but"):
        registry.predict("m", [[1]])
    service.most = 10
    with pytest.raises(errors.TooLarge):
        registry.predict("m", b"x\n1\n2\n3\n4\n5\n", content_type="text/csv")


@pytest.mark.parametrize(
    "place", ["instances[{}].x", "rows[{}].x", "inputs.x[{}]", "inputs.a[1].b[{}]"]
)
def test_faults_are_located_by_the_row_of_the_whole_batch(service: Echo, place: str) -> None:
    at = place.format(2)
    faults = [{"at": at, "message": "must be a number"}]
    service.refusal = lambda rows: (
        problem(422, "input-refused", f"First, {at}: no.", errors=faults) if 90 in rows else None
    )
    with (
        Registry(service.url, HSW, largest_prediction=500, retries=NEVER) as registry,
        pytest.raises(errors.Refused) as caught,
    ):
        registry.predict("m", [{"x": number} for number in range(100)])
    first = rows_of(service.requests[-1])[0]
    assert first > 0
    assert caught.value.errors[0].at == place.format(first + 2)
    assert str(caught.value) == caught.value.detail == f"First, {place.format(first + 2)}: no."


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        ("The score for row 2 is not a finite number.", "The score for row {2} is not a finite"),
        ("No. Rows 2, 5 and 3 more: a NaN.", "No. Rows {2}, {5} and 3 more: a NaN."),
    ],
)
def test_row_numbers_in_messages_refer_to_the_whole_batch(
    service: Echo, said: str, counted: str
) -> None:
    service.refusal = lambda rows: problem(422, "prediction-refused", said) if 90 in rows else None
    with (
        Registry(service.url, HSW, largest_prediction=500, retries=NEVER) as registry,
        pytest.raises(errors.Refused) as caught,
    ):
        registry.predict("m", [{"x": number} for number in range(100)])
    first = rows_of(service.requests[-1])[0]
    expected = re.sub(r"\{(\d)\}", lambda row: str(first + int(row[1])), counted)
    assert str(caught.value).startswith(expected)
    assert str(caught.value) == caught.value.detail


def test_an_empty_batch_is_sent_to_the_service(registry: Registry, service: Echo) -> None:
    registry.predict("m", [])
    assert service.requests[0].json == {"instances": []}


CSV = {"Content-Type": "text/csv; charset=utf-8", "X-Model-Version": "2"}


def test_predictions_as_csv_are_returned_with_their_version(
    registry: Registry, service: Echo
) -> None:
    reply = b'x,prediction\r\n"1\r\n2",a\r\n'
    service.script("POST", "/models/m/latest/predict", Answer(200, reply, CSV))
    found = registry.predict_csv(
        "m", [{"x": "1\r\n2"}], version="latest", scores=True, with_inputs=True
    )
    assert (found.version, found.text) == (2, reply.decode())
    received = service.requests[-1]
    assert received.headers["Accept"] == "text/csv"
    assert received.query == {"scores": ["true"], "with_inputs": ["true"]}


def test_parts_of_csv_have_one_header(registry: Registry, service: Echo) -> None:
    """Whatever the names of the columns are."""
    header = '"na\r\nme",prediction\r\n'
    for number, path in enumerate(("/models/m/predict", "/models/m/2/predict")):
        reply = Answer(200, f'{header}"a\nb",{number}\r\n'.encode(), CSV)
        service.script("POST", path, reply)
    rows = [{"x": float(index)} for index in range(2)]
    with Registry(service.url, HSW, largest_prediction=30) as small:
        found = small.predict_csv("m", rows)
    assert found.text == f'{header}"a\nb",0\r\n"a\nb",1\r\n'
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "text/csv"}, {**CSV, "Content-Type": "application/json"}]
)
def test_a_reply_that_is_no_csv_of_a_version_is_not_understood(
    registry: Registry, service: Echo, headers: dict[str, str]
) -> None:
    service.script("POST", "/models/m/predict", Answer(200, b"prediction\r\n1\r\n", headers))
    with pytest.raises(ReplyNotUnderstood):
        registry.predict_csv("m", [{"x": 1.0}])
