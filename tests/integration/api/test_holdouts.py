"""Holdouts: which tables are accepted, stored, shown and refused."""

import hashlib
import io
import resource

import pyarrow as pa
import pytest
import skops.io
from pyarrow import parquet as pq
from sklearn.linear_model import LinearRegression

from tests.integration.api.conftest import WatchedStream, check_problem, places
from tests.integration.api.tables import CSV, PARQUET, csv, irises, line, parquet, set_holdout
from tests.missing_library import missing_library
from tests.unit.registry.codecs.parquet_footers import FILE_ROWS, with_footer

ADMIN = "admin (HOTSWAP_ADMIN_TOKEN)"
FORMS = {"parquet": (PARQUET, parquet), "csv": (CSV, csv)}


@pytest.fixture
def frame():
    """What the uploaded lines can be measured on."""
    return line()


@pytest.mark.parametrize("form", FORMS)
def test_a_holdout_is_stored_unchanged(service, uploaded, frame, form):
    name, _ = uploaded
    content_type, written = FORMS[form]
    body = written(frame)

    answer = set_holdout(service.admin, name, body, "y", content_type)

    assert answer.status_code == 201, answer.text
    digest = hashlib.sha256(body).hexdigest()
    shown = answer.json
    assert (shown["sha256"], shown["rows"], shown["target"]) == (digest, 200, "y")
    assert (shown["columns"], shown["size"]) == (list(frame.columns), len(body))
    assert (shown["created_by"], shown["removed_at"]) == (ADMIN, None)
    assert shown.pop("trained_on") == [{"version": 3, "rows": None}]
    assert service.admin.get(f"/models/{name}/holdout").json == shown
    assert service.services.blobs.path_of(digest).read_bytes() == body


def test_without_pyarrow_parquet_holdouts_are_refused_and_csv_ones_accepted(
    service, uploaded, frame
):
    name, _ = uploaded
    body = parquet(frame)
    with missing_library("pyarrow"):
        refused = set_holdout(service.admin, name, body, "y", PARQUET)
        taken = set_holdout(service.admin, name, csv(frame), "y", CSV)
    check_problem(refused, 415, "format-unsupported")
    assert "the extra 'arrow'" in refused.json["detail"]
    assert taken.status_code == 201, taken.text


def test_the_target_defaults_to_that_of_the_newest_version(admin, uploaded, frame):
    name, _ = uploaded
    predicted = admin.get(f"/models/{name}/1").json["signature"]["output"]["name"]
    body = parquet(frame.rename(columns={"y": predicted}))

    assert set_holdout(admin, name, body).json["target"] == predicted


def test_setting_the_same_holdout_again_changes_nothing(admin, uploaded, frame):
    name, _ = uploaded
    first = set_holdout(admin, name, parquet(frame), "y").json
    before = admin.get(f"/models/{name}/history").json["total"]

    again = set_holdout(admin, name, parquet(frame), "y")

    assert (again.status_code, again.json) == (200, first)
    assert admin.get(f"/models/{name}/history").json["total"] == before


def test_replaced_holdouts_stay_listed_and_stored(service, uploaded, frame):
    name, _ = uploaded
    admin = service.admin
    first = set_holdout(admin, name, parquet(frame), "y").json
    second = set_holdout(admin, name, csv(frame), "y", CSV).json

    listed = admin.get(f"/models/{name}/holdout", query_string={"history": "true"}).json

    assert listed["total"] == 2
    assert [item["sha256"] for item in listed["items"]] == [second["sha256"], first["sha256"]]
    assert listed["items"][0]["removed_at"] is None
    assert listed["items"][1]["removed_by"] == ADMIN
    assert service.services.blobs.holds(first["sha256"])


def test_a_holdout_can_be_removed(admin, uploaded, frame):
    name, _ = uploaded
    set_holdout(admin, name, parquet(frame), "y")

    assert admin.delete(f"/models/{name}/holdout").status_code == 204

    check_problem(admin.get(f"/models/{name}/holdout"), 404, "holdout-not-found")
    check_problem(admin.delete(f"/models/{name}/holdout"), 404, "holdout-not-found")
    events = admin.get(f"/models/{name}/history").json["items"]
    assert [event["type"] for event in events[:2]] == ["holdout_removed", "holdout_changed"]
    assert events[1]["details"]["rows"] == 200


def test_labels_may_be_strings(admin, fresh_name, artifacts):
    admin.upload(fresh_name, artifacts["iris-names"])

    for body, content_type in ((parquet(irises()), PARQUET), (csv(irises()), CSV)):
        answer = set_holdout(admin, fresh_name, body, "species", content_type)
        assert (answer.status_code, answer.json["rows"]) == (201, 150)


def without_target(frame):
    return frame.drop(columns="y")


def one_row(frame):
    return frame.head(1)


def no_rows(frame):
    return frame.head(0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (without_target, "is not a column of the table"),
        (one_row, "one row"),
        (no_rows, "no rows"),
    ],
)
def test_an_unusable_table_is_refused(service, unchanged, form, spoil, says):
    name, _ = unchanged
    content_type, written = FORMS[form]
    frame = line()
    before = service.stored()

    answer = set_holdout(service.admin, name, written(spoil(frame)), "y", content_type)

    assert says in check_problem(answer, 422, "holdout-refused")["detail"]
    assert places(answer) == (["target"] if spoil is without_target else [])
    assert service.stored() == before
    check_problem(service.admin.get(f"/models/{name}/holdout"), 404, "holdout-not-found")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("spoil", ["other", "text", "null", "text target", "null target"])
def test_a_table_that_matches_no_version_is_refused(service, unchanged, form, spoil):
    name, _ = unchanged
    column, frame = "x0", line()
    content_type, written = FORMS[form]
    before = service.stored()
    spoiled = {
        "other": frame.rename(columns={column: "another"}),
        "text": frame.assign(**{column: ["x"] * len(frame)}),
        "null": frame.assign(**{column: frame[column].where(frame.index != 7)}),
        "text target": frame.assign(y=["low", "high"] * 100),
        "null target": frame.assign(y=frame["y"].where(frame.index != 7)),
    }[spoil]

    answer = set_holdout(service.admin, name, written(spoiled), "y", content_type)

    check_problem(answer, 422, "holdout-refused")
    (*_, last) = places(answer)
    assert last.removeprefix("header.").partition("].")[2] in ("", column, "y"), last
    assert service.stored() == before


def test_a_table_with_new_columns_is_accepted_once_a_version_uses_them(admin, uploaded, frame):
    """The champion may still take the old ones: the table is for what is to come."""
    name, _ = uploaded
    admin.promote(name, 1)
    changed = frame.assign(x1=1.0).rename(columns={"x0": "x2"})
    check_problem(set_holdout(admin, name, parquet(changed), "y"), 422, "holdout-refused")
    renamed = LinearRegression().fit(changed[["x1", "x2"]], changed["y"])
    assert admin.upload(name, skops.io.dumps(renamed)).status_code == 201

    assert set_holdout(admin, name, parquet(changed), "y").status_code == 201
    assert set_holdout(admin, name, parquet(frame), "y").status_code == 201  # the champion's


def test_a_holdout_may_be_set_before_the_first_version(admin, fresh_name):
    admin.post("/models", json={"name": fresh_name})

    check_problem(set_holdout(admin, fresh_name, parquet(line())), 422, "holdout-refused")
    assert set_holdout(admin, fresh_name, parquet(line()), "y").status_code == 201


def test_an_unknown_model_has_no_holdout(admin, fresh_name):
    check_problem(admin.get(f"/models/{fresh_name}/holdout"), 404, "model-not-found")
    answer = set_holdout(admin, fresh_name, parquet(line()), "y")
    check_problem(answer, 404, "model-not-found")


@pytest.mark.parametrize(
    ("body", "content_type", "refusal"),
    [
        (b"PAR1 is how it begins", PARQUET, (400, "body-malformed")),
        (b"", PARQUET, (400, "body-malformed")),
        (b"", CSV, (400, "body-malformed")),
        (b"a,y\n\xff,1\n2,3\n", CSV, (400, "body-malformed")),
        (b'a,y\n"1,1\n2,3\n', CSV, (400, "body-malformed")),
        (b"a,y\n1\n2,3\n", CSV, (422, "holdout-refused")),
        (b"a,y\n1,2\n", "application/json", (415, "format-unsupported")),
    ],
)
def test_bytes_that_are_not_a_table_are_refused(service, unchanged, body, content_type, refusal):
    name, _ = unchanged
    before = service.stored()
    answer = set_holdout(service.admin, name, body, "y", content_type)
    check_problem(answer, *refusal)
    assert service.stored() == before


def test_a_body_above_the_limit_is_not_read_completely(make_app, artifacts):
    service = make_app(max_upload_mb=1)
    service.admin.upload("line", artifacts["line-1"])

    for length in (None, 2**30):
        stream = WatchedStream(b"x0,y\n", size=2**30)
        environ = {"wsgi.input": stream, "wsgi.input_terminated": True, "CONTENT_TYPE": CSV}
        environ["CONTENT_LENGTH"] = "" if length is None else str(length)
        if length is None:
            environ["HTTP_TRANSFER_ENCODING"] = "chunked"
        answer = service.admin.put("/models/line/holdout?target=y", environ_overrides=environ)
        check_problem(answer, 413, "too-large")
        assert stream.taken < 3 * 2**20


def test_an_incomplete_body_leaves_nothing_stored(service, unchanged):
    name, _ = unchanged
    before = service.stored()
    body = csv(line())
    environ = {"wsgi.input": io.BytesIO(body[:50]), "CONTENT_TYPE": CSV}
    environ["CONTENT_LENGTH"] = str(len(body))

    answer = service.admin.put(f"/models/{name}/holdout?target=y", environ_overrides=environ)

    check_problem(answer, 400, "body-malformed")
    assert service.stored() == before


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_a_text_repeated_very_often_takes_little_memory(service, unchanged, kind):
    name, _ = unchanged
    text = pa.array(["x" * 500_000], kind)
    body = io.BytesIO()
    pq.write_table(pa.table({"x0": pa.chunked_array([text] * 4000), "y": [1.0] * 4000}), body)
    assert len(body.getvalue()) < 2**18
    before = max_memory()

    answer = set_holdout(service.admin, name, body.getvalue(), "y")

    check_problem(answer, 422, "holdout-refused")
    assert max_memory() - before < 2**20  # 2 GB, if each were written out


def max_memory():
    """The most that this process held at once, in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_a_row_group_that_unpacks_to_gigabytes_is_refused(service, unchanged):
    name, _ = unchanged
    body = io.BytesIO()
    zeros = pa.array([0.0] * 2**20)
    wide = {f"c{index}": zeros for index in range(40)}
    pq.write_table(
        pa.table({"x0": zeros, "y": zeros, **wide}).slice(0, 999_000),
        body,
        use_dictionary=False,
        compression="zstd",
        row_group_size=2**20,
    )
    assert len(body.getvalue()) < 2**20

    answer = set_holdout(service.admin, name, body.getvalue(), "y")

    check_problem(answer, 413, "too-large")


def test_a_table_above_the_row_limit_is_refused(service, unchanged):
    name, _ = unchanged
    body = io.BytesIO()
    zeros = pa.array([0.0] * 1_000_001)
    pq.write_table(pa.table({"x0": zeros, "y": zeros}), body)

    check_problem(set_holdout(service.admin, name, body.getvalue(), "y"), 413, "too-large")


@pytest.mark.parametrize("rows", [-1, 100, 300])
def test_a_parquet_file_that_declares_another_number_of_rows_is_malformed(
    service, unchanged, frame, rows
):
    name, _ = unchanged

    def declare(footer):
        footer[FILE_ROWS][1] = rows

    refused = set_holdout(service.admin, name, with_footer(parquet(frame), declare), "y")
    check_problem(refused, 400, "body-malformed")
