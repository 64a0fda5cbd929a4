"""The server logs no token, uploaded byte or record of a prediction."""

import io
import json
import pickle
from pathlib import Path

import joblib
import numpy as np
import pyarrow as pa
import pytest
import requests
import skops.io
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tests.system.raw_requests import exchange
from tests.system.real_server import BIN, Server, free_port, running

ADMIN = "hsw_canary-of-the-admin-0123456789abcdef"
NUMBER = 31337.271828


class Gadget:
    """Pickled, it asks for a call of a function that no model needs."""

    def __reduce__(self):
        return print, ("canary-gadget",)


@pytest.fixture(params=["json", "text"])
def talkative(tmp_path: Path, request: pytest.FixtureRequest):
    """A server that logs all it can."""
    command = [BIN / "hotswap", "serve", "--workers", "1"]
    environment = {
        "HOTSWAP_LOG_LEVEL": "debug",
        "HOTSWAP_LOG_FORMAT": request.param,
        "HOTSWAP_LOG_FILE": str(tmp_path / "hotswap.log"),
        "HOTSWAP_ACCESS_LOG": "1",
        "HOTSWAP_TRUSTED_PROXIES": "127.0.0.1",
        "HOTSWAP_ADMIN_TOKEN": ADMIN,
    }
    with running(command, tmp_path / "data", free_port(), **environment) as server:
        yield Server(server.process, server.url, server.data, server.log, ADMIN)


@pytest.mark.slow  # integration/api/test_access_log.py has the lines of a few requests
def test_data_of_callers_is_never_logged(talkative: Server, tmp_path: Path) -> None:
    value = authenticate(talkative)
    upload(talkative)
    predict(talkative)
    forward(talkative)
    send_what_is_no_request(talkative)

    logged = (tmp_path / "hotswap.log").read_text()
    printed = talkative.log.read_text() + logged

    # Debugging is on, and each request has its line.
    assert "debug" in logged
    assert logged.count("answered") > 60
    assert "198.51.100.7" in logged
    for canary in ("canary", str(NUMBER), value, "Y2FuYXJ5"):
        assert canary not in printed
    assert "Traceback" not in printed


def authenticate(server: Server) -> str:
    """Tokens: made, used, revoked, guessed, in the wrong place. Returns the one that was made."""
    body = {"name": "ci", "scopes": ["predict"]}
    made = server.call("POST", "/tokens", json=body).json()
    for authorization in (
        f"Bearer {made['token']}",
        "Bearer hsw_canary-guess",
        "Basic Y2FuYXJ5LWJhc2lj",
        "canary-bare",
    ):
        requests.get(f"{server.url}/models", headers={"Authorization": authorization}, timeout=30)
    server.call("DELETE", f"/tokens/{made['id']}")
    requests.get(f"{server.url}/models?access_token=hsw_canary-query", timeout=30)
    requests.get(f"{server.url}/canary-path/hsw_canary-path", timeout=30)
    requests.get(f"{server.url}/models", cookies={"token": "canary-cookie"}, timeout=30)
    return str(made["token"])


def upload(server: Server) -> None:
    """Artifacts and metadata, good and bad."""
    row = np.array([["canary-category"], ["other"]], dtype=object)
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LinearRegression())
    good = skops.io.dumps(model.fit(row, [NUMBER, 2.0]))
    pickled = io.BytesIO()
    joblib.dump(model, pickled)
    metadata = {
        "description": "canary-description",
        "tags": {"canary-tag": "canary-value"},
        "params": {"canary-param": "canary-param"},
        "input_example": {"x0": "canary-example"},
    }
    for filename, artifact, said in (
        ("model.skops", good, {"description": "canary-description", "tags": metadata["tags"]}),
        ("model.joblib", pickled.getvalue(), {"params": metadata["params"]}),
        ("model.skops", good, metadata),
        ("model.skops", b"canary-bytes", {}),
        ("model.skops", good.replace(b"sklearn", b"canaryx"), {}),
        ("model.joblib", pickle.dumps(Gadget()), {}),
        ("model.joblib", b"canary-joblib" * 9, {}),
        ("model.onnx", b"canary-onnx" * 9, {}),
        ("canary-filename.exe", b"canary-bytes", {}),
        ("model.skops", good, {"canary-key": 1}),
    ):
        server.call(
            "POST",
            "/models/shop/versions",
            files={"artifact": (filename, artifact)},
            data={"metadata": json.dumps(said)},
        )
    assert server.call("GET", "/models/shop/1").status_code == 200
    for data in (b"canary-no-form", b"--b\r\ncanary-header: canary\r\n\r\ncanary-part"):
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        server.call("POST", "/models/shop/versions", data=data, headers=kind)
    server.call("POST", "/models/shop/1/promote", json={"reason": "canary-reason"})
    server.call("POST", "/models/shop/1/promote", headers={"Idempotency-Key": "canary-key"})


def predict(server: Server) -> None:
    """Records, good and bad, in every type."""
    path = "/models/shop/1/predict"
    table = pa.table({"x0": ["canary-arrow"]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    for kind, body in (
        ("application/json", b'{"x0": "canary-json"}'),
        ("application/json", b'{"instances": [{"x0": 31337.271828}]}'),
        ("application/json", b'{"x0": "canary-cut'),
        ("application/json", b'{"canary-column": 31337.271828}'),
        ("application/json", b"canary-no-json"),
        ("application/json", b'{"x0": "canary-\xff"}'),
        ("text/csv", b"x0\ncanary-csv\n"),
        ("text/csv", b'x0\n"canary-csv'),
        ("application/x-www-form-urlencoded", b"x0=canary-form"),
        ("application/vnd.apache.arrow.stream", sink.getvalue().to_pybytes()),
        ("application/vnd.apache.arrow.stream", b"canary-arrow"),
        ("application/vnd.apache.parquet", b"PAR1canary-parquetPAR1"),
        ("text/canary-type", b"canary-text"),
    ):
        server.call("POST", path, data=body, headers={"Content-Type": kind})
        server.call("POST", f"{path}?probabilities=canary-flag", data=body)


def forward(server: Server) -> None:
    """Fields that a trusted proxy may send."""
    for fields in (
        {"X-Forwarded-For": "198.51.100.7", "X-Request-Id": "canary\tid"},
        {"X-Forwarded-For": "canary-address", "X-Forwarded-Host": "canary-host"},
        {"X-Forwarded-Prefix": "/canary-prefix", "X-Forwarded-Proto": "canary-scheme"},
        {"X-Forwarded-For": "198.51.100.7, canary-address"},
    ):
        server.call("GET", "/models/canary-model/1", headers=fields)
        server.call("POST", "/models/canary-model/predict", headers=fields)


def send_what_is_no_request(server: Server) -> None:
    """What the server refuses before our code sees it."""
    for sent in (
        b"canary-garbage\r\n\r\n",
        b"GET /canary HTTP/1.1\r\nHost: canary-host\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: canary-length\r\n\r\n",
        b"POST /models HTTP/1.1\r\nHost: localhost\r\n"
        b"Transfer-Encoding: chunked\r\n\r\ncanary-chunk",
        b"GET /models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer canary-\xff\r\n\r\n",
    ):
        exchange(server.url, sent, 0.2)
