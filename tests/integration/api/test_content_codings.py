"""Compressed bodies: decoded on every route, within limits on what they decode to."""

import gzip
import io
import json
import resource
import zlib

import pytest

from api import bodies
from api.codings import FREE_MEMBERS, MEMBER_BYTES, decoded
from api.receiving import Bodies
from registry.errors import BodyMalformed, Overloaded
from tests.integration.api.conftest import END, FORM, WatchedStream, check_problem, new_name, part
from tests.marks import first_fast

ROW = b'{"x0": 1.0, "x1": 2.0}'
CSV = b"x0,x1\n1,2\n3,4\n"
TABLE = b"x0,x1,y\n" + b"".join(b"%d,%d,1\n" % (n, n % 7) for n in range(100))


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


CODED = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "GZIP, identity": ("GZIP, identity", gzip.compress),
    "two members": ("gzip", lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:])),
    "deflate": ("deflate", zlib.compress),
    "deflate without its header": ("deflate", raw_deflate),
    "identity": ("identity", bytes),
}
BROKEN = {
    "gzip that breaks off": ("gzip", gzip.compress(ROW)[:-4]),
    "gzip with a wrong checksum": ("gzip", gzip.compress(ROW)[:-8] + b"\0" * 8),
    "no gzip": ("gzip", ROW),
    "gzip and more": ("gzip", gzip.compress(ROW) + b"more"),
    "deflate that breaks off": ("deflate", zlib.compress(ROW)[:-4]),
    "deflate and more": ("deflate", zlib.compress(ROW) + b"more"),
    "no deflate": ("deflate", ROW),
}


@pytest.fixture(scope="module")
def plane(module_app, artifacts):
    service = module_app(max_predict_mb=1, max_upload_mb=1)
    service.admin.upload("plane", artifacts["plane"])
    service.admin.promote("plane", 1)
    return service


def send(caller, method, path, body, coding, content_type):  # noqa: PLR0917 - all of a request
    headers = {"Content-Encoding": coding}
    return caller.ask(method, path, data=body, content_type=content_type, headers=headers)


ROUTES = {
    "prediction": ("POST", "/models/plane/predict", "application/json"),
    "table": ("POST", "/models/plane/1/predict", "text/csv"),
    "JSON": ("POST", "/models/plane/1/promote", "application/json"),
    "upload": ("POST", "/models/plane/versions", FORM),
    "holdout": ("PUT", "/models/plane/holdout?target=y", "text/csv"),
}


@pytest.mark.parametrize("coded", CODED)
def test_an_encoded_body_is_decoded(plane, artifacts, coded):
    coding, encode = CODED[coded]
    name = new_name()
    form = part('; name="artifact"; filename="m.skops"', artifacts["plane"]) + END

    record = send(plane.admin, *ROUTES["prediction"][:2], encode(ROW), coding, "application/json")
    table = send(plane.admin, *ROUTES["table"][:2], encode(CSV), coding, "text/csv")
    uploaded = send(plane.admin, "POST", f"/models/{name}/versions", encode(form), coding, FORM)
    alias = encode(b'{"alias": "tried"}')
    promoted = send(
        plane.admin, "POST", f"/models/{name}/1/promote", alias, coding, "application/json"
    )
    holdout = send(
        plane.admin, "PUT", f"/models/{name}/holdout?target=y", encode(TABLE), coding, "text/csv"
    )

    assert (
        record.json["prediction"]
        == plane.admin.post(
            "/models/plane/predict", data=ROW, content_type="application/json"
        ).json["prediction"]
    )
    assert len(table.json["predictions"]) == 2
    assert uploaded.status_code == 201, uploaded.text
    assert promoted.json["alias"] == "tried"
    assert holdout.status_code == 201, holdout.text


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("broken", BROKEN)
def test_a_body_that_does_not_match_its_coding_is_refused_and_discarded(plane, route, broken):
    method, path, content_type = ROUTES[route]
    coding, body = BROKEN[broken]
    before = plane.stored()

    check_problem(
        send(plane.admin, method, path, body, coding, content_type), 400, "body-malformed"
    )

    assert plane.stored() == before


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "x" * 100])
def test_an_unsupported_coding_is_415_and_the_response_lists_supported_ones(plane, route, coding):
    method, path, content_type = ROUTES[route]
    answer = send(plane.admin, method, path, ROW, coding, content_type)
    check_problem(answer, 415, "coding-unsupported")
    assert answer.headers["Accept-Encoding"] == "gzip, deflate"


@pytest.mark.parametrize("route", first_fast(ROUTES))
def test_a_body_that_decodes_beyond_the_limit_is_413_without_using_its_memory(plane, route):
    method, path, content_type = ROUTES[route]
    packer = zlib.compressobj(9)
    # Blocks that refer to nothing before them, so that one can be repeated.
    first, again = (
        packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2)
    )
    bomb = first + again * 499
    if content_type == FORM:
        bomb = zlib.compress(part('; name="artifact"; filename="m.skops"', b"")[:-2] + bytes(2**26))
    assert len(bomb) < 2**20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    answer = send(plane.admin, method, path, bomb, "deflate", content_type)

    check_problem(answer, 413, "too-large")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 2**10


def test_a_decompression_bomb_is_read_only_up_to_its_limit(plane):
    stream = WatchedStream(b"", 2**30)
    environ = {"wsgi.input": stream, "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    environ["HTTP_CONTENT_ENCODING"] = "gzip"
    answer = plane.admin.post(
        "/models/plane/predict", environ_overrides=environ, content_type="application/json"
    )
    check_problem(answer, 400, "body-malformed")
    assert stream.taken < 2**21


@pytest.mark.parametrize("content", [b"", b"x"])
def test_many_nearly_empty_gzip_members_are_refused_early(plane, content):
    body = gzip.compress(content) * (FREE_MEMBERS + 100)
    answer = send(plane.admin, *ROUTES["prediction"][:2], body, "gzip", "application/json")
    check_problem(answer, 400, "body-malformed")
    assert "gzip members" in answer.json["detail"]


def test_more_gzip_members_are_accepted_in_larger_bodies():
    content = b"x" * MEMBER_BYTES
    members = [gzip.compress(content)] * (FREE_MEMBERS + 1)
    assert sum(map(len, decoded("gzip", members))) == len(members) * MEMBER_BYTES


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_decoded_bytes_count_towards_the_limit_of_memory(monkeypatch, coding):
    table = b"1,2\n" * 2**18
    sent = gzip.compress(table) if coding == "gzip" else table
    environ = {
        "wsgi.input": io.BytesIO(sent),
        "CONTENT_LENGTH": str(len(sent)),
        "HTTP_CONTENT_ENCODING": coding,
    }
    arriving = Bodies(most_bytes=2**19)
    monkeypatch.setattr(bodies, "bodies", arriving)

    with pytest.raises(Overloaded):
        bodies.read_body(dict(environ), 2**24)
    environ["wsgi.input"].seek(0)
    bodies.receive_body(dict(environ), len, 2**24, "HOTSWAP_MAX_UPLOAD_MB")  # keeps nothing
    with arriving.arriving("") as next_one:
        next_one.hold(2**19)


@pytest.mark.parametrize("size", [1, 7, 2**16])
def test_decoding_does_not_depend_on_the_size_of_pieces(size):
    data = json.dumps(list(range(50_000))).encode() + bytes(300_000)
    for coding, encode in CODED.values():
        if coding not in {"gzip", "deflate"}:
            continue
        body = io.BytesIO(encode(data))
        assert b"".join(decoded(coding, iter(lambda body=body: body.read(size), b""))) == data
    with pytest.raises(BodyMalformed):
        list(decoded("gzip", [gzip.compress(data)[:-1]]))


def test_the_openapi_document_describes_codings_and_limits(plane):
    paths = plane.stranger().get("/openapi.json").json["paths"]
    taking = [
        operation
        for path in paths.values()
        for operation in path.values()
        if isinstance(operation, dict) and "requestBody" in operation
    ]
    assert len(taking) > 10
    for operation in taking:
        assert "gzip, deflate" in operation["requestBody"]["description"]
        assert {"408", "413", "415"} <= operation["responses"].keys()
        assert "Accept-Encoding" in operation["responses"]["415"]["headers"]
