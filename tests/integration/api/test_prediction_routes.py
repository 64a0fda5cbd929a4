"""The fast path and the Flask routes of predictions return the same bytes for any request."""

import gzip
import json
import zlib

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

ROW = {"x0": 1.0, "x1": 2.0}
JSON = "application/json"
GZIPPED = gzip.compress(json.dumps(ROW).encode())
DEFLATED = zlib.compress(json.dumps(ROW).encode())
BOMB = zlib.compress(bytes(2**24))

GOOD = [
    pytest.param({}, ROW, id="record"),
    pytest.param({}, {"instances": [ROW, ROW]}, id="instances"),
    pytest.param({}, {"input": [1, 2]}, id="row"),
    pytest.param({"content_type": "text/csv"}, b"x0,x1\n1,2\n", id="csv"),
    pytest.param({"content_type": "application/x-www-form-urlencoded"}, b"x0=1&x1=2", id="form"),
    pytest.param({"headers": {"X-Request-Id": "mine-1"}}, ROW, id="own request id"),
    pytest.param({"query_string": "probabilities=false"}, ROW, id="flag"),
    pytest.param({"headers": {"Content-Encoding": "gzip"}}, GZIPPED, id="gzip"),
    pytest.param({"headers": {"Content-Encoding": "deflate"}}, DEFLATED, id="deflate"),
]
BAD = [
    pytest.param({}, b"", id="empty"),
    pytest.param({"headers": {"Content-Encoding": "br"}}, ROW, id="unknown coding"),
    pytest.param({"headers": {"Content-Encoding": "gzip"}}, ROW, id="no gzip"),
    pytest.param({"headers": {"Content-Encoding": "gzip"}}, GZIPPED[:-1], id="gzip cut off"),
    pytest.param({"headers": {"Content-Encoding": "deflate"}}, BOMB, id="bomb"),
    pytest.param({}, b"{", id="truncated"),
    pytest.param({}, b'{"x0": NaN, "x1": 1}', id="NaN"),
    pytest.param({}, b"\xff", id="not UTF-8"),
    pytest.param({}, b"[" * 64 + b"]" * 64, id="64 deep"),
    pytest.param({}, b"[" * 100_000, id="deeper than any stack"),
    pytest.param({}, b'{"x0": ' + b"1" * 5000 + b', "x1": 1}', id="5,000 digits"),
    pytest.param({}, b'{"x0": "\\ud800", "x1": 1}', id="lone surrogate"),
    pytest.param({}, {"x0": "text", "x1": 2}, id="wrong type"),
    pytest.param({}, {"x0": None, "x1": 2}, id="null"),
    pytest.param({}, {"x0": 1}, id="missing column"),
    pytest.param({}, {"instances": []}, id="empty batch"),
    pytest.param({}, {"instances": [[1]]}, id="short row"),
    pytest.param({}, [1, 2], id="list"),
    pytest.param({"content_type": "text/plain"}, b"x", id="unknown type"),
    pytest.param({"content_type": f"{JSON}; charset=latin-1"}, ROW, id="charset"),
    pytest.param({"content_type": "application/vnd.apache.parquet"}, b"PAR1", id="no parquet"),
    pytest.param({"headers": {"Accept": "image/png"}}, ROW, id="not acceptable"),
    pytest.param({"query_string": "probabilities=perhaps"}, ROW, id="malformed flag"),
    pytest.param({"query_string": "probabilities=true"}, ROW, id="no probabilities"),
    pytest.param({"query_string": "scores=perhaps"}, ROW, id="malformed scores"),
    pytest.param({"query_string": "scores=true"}, ROW, id="no scores"),
    pytest.param({"headers": {"Authorization": "Bearer nobody"}}, ROW, id="unknown token"),
    pytest.param({"headers": {"Authorization": "Basic x"}}, ROW, id="no bearer"),
    pytest.param({"headers": {"Authorization": ""}}, ROW, id="no token"),
    pytest.param({"headers": {"Host": "evil.example"}}, ROW, id="host of somebody else"),
    pytest.param({"headers": {"Host": ""}}, ROW, id="no host"),
    pytest.param({"reference": "99"}, ROW, id="no such version"),
    pytest.param({"reference": "nobody"}, ROW, id="no such alias"),
    pytest.param({"reference": "01"}, ROW, id="malformed reference"),
    pytest.param({"reference": "2"}, ROW, id="archived"),
    pytest.param({"model": "nobody"}, ROW, id="no such model"),
    pytest.param({"model": "-"}, ROW, id="malformed name"),
    pytest.param({"headers": {"Content-Length": "99"}}, ROW, id="cut off"),
    pytest.param({"model": "nobody"}, b" " * 2**16, id="no such model, body drained"),
    pytest.param({"model": "nobody"}, b" " * (2**16 + 1), id="no such model, body left"),
    pytest.param({}, b" " * (2**20 + 1), id="over the limit"),
]


@pytest.fixture(scope="module")
def house(module_app, artifacts):
    """A model whose first version is live and whose second is archived."""
    service = module_app(max_predict_mb=1)
    for _ in range(2):
        service.admin.upload("house", artifacts["plane"])
    service.admin.promote("house", 1)
    service.admin.delete("/models/house/2")
    return service


@pytest.mark.parametrize(("request_", "body"), [*GOOD, *BAD])
def test_fast_path_and_flask_route_return_the_same_bytes(house, request_, body):
    fast, of_flask = both(house, request_, body)

    assert fast == of_flask


@pytest.mark.parametrize(("request_", "body"), GOOD)
def test_valid_requests_succeed_on_both_paths(house, request_, body):
    (_, status, _), _ = both(house, request_, body)

    assert status == "200 OK"


def both(service, request_, body):
    """Body, status line and headers of the responses of the fast path and of Flask."""
    fast = service.app.wsgi_app
    return [ask(application, service, dict(request_), body) for application in (fast, fast.inner)]


def ask(application, service, request_, body):
    model, reference = request_.pop("model", "house"), request_.pop("reference", "production")
    headers = {
        "Authorization": service.admin.authorization,
        "X-Request-Id": "the-same",
        **request_.pop("headers", {}),
    }
    builder = EnvironBuilder(
        f"/models/{model}/{reference}/predict",
        method="POST",
        headers=headers,
        data=body if isinstance(body, bytes) else json.dumps(body).encode(),
        content_type=request_.pop("content_type", JSON),
        **request_,
    )
    environ = builder.get_environ()
    if "Content-Length" in headers:
        environ["CONTENT_LENGTH"] = headers["Content-Length"]
    chunks, status, answered = run_wsgi_app(application, environ, buffered=True)
    return b"".join(chunks), status, list(answered)
