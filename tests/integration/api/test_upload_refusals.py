"""Uploads that are refused leave nothing behind: no model, no number, no bytes."""

import io

import joblib
import pytest

from tests.integration.api.conftest import END, FORM, WatchedStream, check_problem, part, places

MEGABYTE = 2**20


class Refusals:
    """Sends uploads that must be refused, and looks for traces of each."""

    def __init__(self, service, name, artifacts):
        self.service = service
        self.name = name
        self.good = artifacts["line-1"]

    def check(self, send, status, slug):
        before = self.service.stored()
        answer = send()
        check_problem(answer, status, slug)
        assert self.service.stored() == before
        assert self.service.admin.get(f"/models/{self.name}").status_code == 404
        # The number that the refused upload would have had is the next one's.
        assert self.service.admin.upload(self.name, self.good).json["version"] == 1
        return answer

    def upload(self, artifact, metadata=None, *, status, slug, **options):
        return self.check(
            lambda: self.service.admin.upload(self.name, artifact, metadata, **options),
            status,
            slug,
        )

    def form(self, form, *, status, slug):
        return self.check(
            lambda: self.post(data=form, content_type="multipart/form-data"), status, slug
        )

    def raw(self, body, *, status, slug, content_type=FORM):
        return self.check(lambda: self.post(data=body, content_type=content_type), status, slug)

    def post(self, **options):
        return self.service.admin.post(f"/models/{self.name}/versions", **options)

    def file(self):
        return io.BytesIO(self.good), "model.skops"


@pytest.fixture
def refusals(service, fresh_name, artifacts):
    return Refusals(service, fresh_name, artifacts)


FILE = '; name="artifact"; filename="model.skops"'


def test_an_upload_without_an_artifact_is_refused(refusals):
    answer = refusals.form({"metadata": "{}"}, status=422, slug="artifact-refused")
    assert places(answer) == ["artifact"]


@pytest.mark.parametrize("body", [END, b""])
def test_an_upload_with_an_empty_form_is_refused(refusals, body):
    refusals.raw(body, status=422, slug="artifact-refused")


def test_an_empty_artifact_is_refused(refusals):
    refusals.upload(b"", status=422, slug="artifact-refused")


def test_an_artifact_sent_as_a_plain_field_is_refused(refusals):
    answer = refusals.form({"artifact": "PK..."}, status=422, slug="artifact-refused")
    assert places(answer) == ["artifact"]


def test_two_artifacts_are_refused(refusals):
    body = part(FILE, refusals.good) + part(FILE, refusals.good) + END
    answer = refusals.raw(body, status=422, slug="metadata-refused")
    assert places(answer) == ["artifact"]


def test_repeated_metadata_is_refused(refusals):
    once = part('; name="metadata"', b"{}")
    body = once + part(FILE, refusals.good) + once + END
    answer = refusals.raw(body, status=422, slug="metadata-refused")
    assert places(answer) == ["metadata"]


@pytest.mark.parametrize("format_", ["skops", "joblib", "onnx"])
def test_bytes_of_another_format_than_claimed_are_refused(refusals, format_):
    refusals.upload(b"hello" * 99, {"format": format_}, status=422, slug="artifact-refused")


def test_a_file_of_the_other_format_is_refused(refusals, trained):
    packed = io.BytesIO()
    joblib.dump(trained["plane"].model, packed)
    refusals.upload(packed.getvalue(), status=422, slug="artifact-refused")


@pytest.mark.parametrize("keep", [1, 100, -1])
def test_a_truncated_artifact_is_refused_by_the_api(refusals, keep):
    refusals.upload(refusals.good[:keep], status=422, slug="artifact-refused")


class Unpickled:
    """Leaves a trace if it is ever unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_a_pickle_that_would_run_code_is_refused(refusals, tmp_path):
    trace = tmp_path / "trace"
    packed = io.BytesIO()
    joblib.dump(Unpickled(str(trace)), packed)
    refusals.upload(packed.getvalue(), filename="m.joblib", status=422, slug="artifact-refused")
    assert not trace.exists()


@pytest.mark.parametrize(
    ("filename", "format_"),
    [
        ("model.h5", None),
        ("model.skops", "ONNX"),
        ("model", None),
        ("model.txt", None),
        ("model.skops.bak", None),
        ("model.skops", "pickle"),
        ("model.skops", "SKOPS"),
        ("model.skops", ""),
    ],
)
def test_an_unsupported_format_is_refused(refusals, filename, format_):
    metadata = None if format_ is None else {"format": format_}
    refusals.upload(
        refusals.good, metadata, filename=filename, status=415, slug="format-unsupported"
    )


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "format=skops",
        "{'format': 'skops'}",
        '{"metrics": {"rmse": NaN}}',
        '{"metrics": {"rmse": Infinity}}',
        '{"description": "\\ud800"}',
        "[" * 100_000,
        '{"params": {"n": ' + "9" * 5000 + "}}",
    ],
)
def test_metadata_must_be_json(refusals, text):
    form = {"artifact": refusals.file(), "metadata": text}
    refusals.form(form, status=400, slug="body-malformed")


@pytest.mark.parametrize("disposition", ['; name="metadata"', '; name="metadata"; filename="m"'])
def test_metadata_must_be_utf_8(refusals, disposition):
    latin = '{"description": "café"}'.encode("latin-1")
    body = part(FILE, refusals.good) + part(disposition, latin) + END
    refusals.raw(body, status=400, slug="body-malformed")


@pytest.mark.parametrize(
    ("metadata", "at"),
    [
        ([], ["metadata"]),
        ("x", ["metadata"]),
        (7, ["metadata"]),
        ({"formats": "skops"}, ["formats"]),
        ({"format": 5}, ["format"]),
        ({"kind": "neural"}, ["kind"]),
        ({"kind": "tree"}, ["kind"]),
        ({"metrics": [1]}, ["metrics"]),
        ({"metrics": {"rmse": "1.5"}}, ["metrics.rmse"]),
        ({"metrics": {"rmse": True}}, ["metrics.rmse"]),
        ({"metrics": {"rmse": None}}, ["metrics.rmse"]),
        ({"metrics": {"": 1}}, ["metrics"]),
        ({"metrics": {"m" * 201: 1}}, ["metrics." + "m" * 201]),
        ({"params": "x"}, ["params"]),
        ({"tags": {"a": 1, "b": "ok", "c": None}}, ["tags.a", "tags.c"]),
        ({"tags": {"a": "v" * 1001}}, ["tags.a"]),
        ({"description": None}, ["description"]),
        ({"description": "\x00"}, ["description"]),
        ({"lineage": []}, ["lineage"]),
        ({"environment": 3}, ["environment"]),
        ({"input_example": [1]}, ["input_example"]),
        ({"input_example": {}}, ["input_example.x0"]),
        ({"input_example": {"x0": "1"}}, ["input_example.x0"]),
        ({"signature": []}, ["signature"]),
        ({"signature": {}}, ["signature.inputs"]),
        (
            {"signature": {"inputs": [{"name": "a", "type": "text"}], "output": 5}},
            ["signature.inputs[0].type", "signature.output"],
        ),
    ],
)
def test_invalid_metadata_is_refused_with_the_location_of_the_fault(refusals, metadata, at):
    answer = refusals.upload(refusals.good, metadata, status=422, slug="metadata-refused")
    assert sorted(places(answer)) == at


def nested(depth):
    value = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize("key", ["params", "lineage", "environment", "evaluation"])
@pytest.mark.parametrize("depth", [65, 200, 450, 900])
def test_deeply_nested_metadata_is_refused(refusals, key, depth):
    answer = refusals.upload(
        refusals.good, {key: nested(depth)}, status=422, slug="metadata-refused"
    )
    assert places(answer) == [key]


def test_usual_nesting_of_metadata_is_accepted(admin, fresh_name, artifacts):
    params = nested(30)
    answer = admin.upload(fresh_name, artifacts["line-1"], {"params": params})
    assert (answer.status_code, answer.json["params"]) == (201, params)


@pytest.mark.parametrize("name", ["config", "Artifact", "file", ""])
def test_an_unknown_part_is_refused(refusals, name):
    body = part(FILE, refusals.good) + part(f'; name="{name}"', b"x") + END
    answer = refusals.raw(body, status=422, slug="metadata-refused")
    assert places(answer) == [name or "body"]


def test_a_part_without_a_name_is_refused(refusals):
    body = part(FILE, refusals.good) + part("", b"x") + part('; name="other"', b"x") + END
    refusals.raw(body, status=422, slug="metadata-refused")


@pytest.mark.parametrize(
    "body",
    [b"--frontier\r\n", b"nothing of the sort", b"--frontier\r\nno header\r\n\r\nx"],
)
def test_a_body_that_is_not_a_form_is_refused(refusals, body):
    refusals.raw(body, status=400, slug="body-malformed")


@pytest.mark.parametrize("missing", [1, 6, len(END) + 10])
def test_an_incomplete_form_is_refused(refusals, missing):
    body = part('; name="metadata"', b"{}") + part(FILE, refusals.good) + b"--frontier--"
    refusals.raw(body[:-missing], status=400, slug="body-malformed")


def test_a_form_without_a_boundary_is_refused(refusals):
    refusals.raw(END, content_type="multipart/form-data", status=400, slug="body-malformed")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/octet-stream", "application/x-www-form-urlencoded", ""],
)
def test_a_body_that_is_not_multipart_is_refused(refusals, content_type):
    refusals.raw(refusals.good, content_type=content_type, status=415, slug="format-unsupported")


@pytest.mark.parametrize(
    ("path", "status", "slug"),
    [
        ("a%2Fb", 404, "not-found"),
        ("..%2F..%2Ftokens", 404, "not-found"),
        ("%2E%2E%2Fa", 404, "not-found"),
        ("a//b", 404, "not-found"),
        (".", 400, "name-malformed"),
        ("..", 400, "name-malformed"),
        ("%2e%2e", 400, "name-malformed"),
        ("...", 400, "name-malformed"),
        ("-a", 400, "name-malformed"),
        ("a%00b", 400, "name-malformed"),
        ("a%0Ab", 400, "name-malformed"),
        ("a%0A", 400, "name-malformed"),
        ("a%5Cb", 400, "name-malformed"),
        ("a%20b", 400, "name-malformed"),
        ("%C3%A9", 400, "name-malformed"),
        ("%FF", 400, "name-malformed"),
        ("a" * 129, 400, "name-malformed"),
        ("a" * 10_000, 400, "name-malformed"),
        ("%252e%252e", 400, "name-malformed"),
    ],
)
def test_an_upload_to_an_invalid_name_is_refused(service, artifacts, path, status, slug):
    before = service.stored()
    total = service.admin.get("/models").json["total"]
    answer = service.admin.upload(path, artifacts["line-1"])
    check_problem(answer, status, slug)
    assert len(answer.data) < 1000
    assert service.stored() == before
    assert service.admin.get("/models").json["total"] == total


def test_an_upload_to_a_name_in_another_case_is_refused(service, fresh_name, artifacts):
    service.admin.upload(fresh_name, artifacts["line-1"])
    before = service.stored()
    answer = service.admin.upload(fresh_name.upper(), artifacts["line-2"])
    check_problem(answer, 409, "name-taken")
    assert service.stored() == before
    assert service.admin.get(f"/models/{fresh_name}").json["last_version"] == 1


@pytest.fixture
def small(make_app):
    return make_app(max_upload_mb=1)


def head_of(disposition):
    return part(disposition, b"").removesuffix(b"\r\n")


def test_a_body_announced_as_too_large_is_refused_without_reading_it(small):
    stream = WatchedStream(head_of(FILE), 100 * MEGABYTE)
    answer = small.admin.stream("/models/m/versions", stream, FORM, 100 * MEGABYTE)
    problem = check_problem(answer, 413, "too-large")
    assert stream.taken == 0
    assert "HOTSWAP_MAX_UPLOAD_MB" in problem["detail"]
    assert small.stored() == set()


def test_a_chunked_artifact_above_the_limit_is_refused_before_it_is_read_completely(small):
    stream = WatchedStream(head_of(FILE), 100 * MEGABYTE)
    answer = small.admin.stream("/models/m/versions", stream, FORM)
    problem = check_problem(answer, 413, "too-large")
    assert stream.taken < 2 * MEGABYTE
    assert "HOTSWAP_MAX_UPLOAD_MB" in problem["detail"]
    assert small.stored() == set()
    assert small.admin.get("/models/m").status_code == 404


def test_an_artifact_slightly_above_the_limit_is_refused(small):
    answer = small.admin.upload("m", bytes(MEGABYTE + 1))
    check_problem(answer, 413, "too-large")
    assert small.stored() == set()


def test_an_artifact_of_exactly_the_limit_is_inspected(small):
    check_problem(small.admin.upload("m", bytes(MEGABYTE)), 422, "artifact-refused")
    assert small.stored() == set()


@pytest.mark.parametrize("disposition", ['; name="metadata"', '; name="metadata"; filename="m"'])
def test_metadata_above_its_limit_is_refused(refusals, disposition):
    body = part(FILE, refusals.good) + part(disposition, b" " * (4 * MEGABYTE + 1)) + END
    answer = refusals.raw(body, status=413, slug="too-large")
    assert "metadata" in answer.json["detail"]


def test_a_form_with_too_many_parts_is_refused(refusals):
    body = b"".join(part(f'; name="p{i}"', b"x") for i in range(1000)) + END
    answer = refusals.raw(body, status=413, slug="too-large")
    assert "parts" in answer.json["detail"]


def test_an_interrupted_upload_is_removed_at_the_next_start(make_app, artifacts):
    service = make_app()
    with service.services.blobs.stage(100) as blob:
        blob.write(b"half")
    incoming = service.data / "blobs" / "incoming"
    (incoming / "left-off").write_bytes(b"half")
    assert service.services.blobs.sweep().count == 1
    assert service.stored() == set()
