"""The access log: one line for each request, on both paths, without data of callers."""

import logging

import pytest

from api.access_log import logger
from tests.integration.api.conftest import Caller

CANARY = "hsw_canary-0123456789abcdef"


class Lines(logging.Handler):
    """Keeps the fields of each line that is logged."""

    def __init__(self):
        super().__init__()
        self.kept = []
        self._usual = set(vars(logging.makeLogRecord({})))

    def emit(self, record):
        assert record.getMessage() == "answered"
        fields = {key: value for key, value in vars(record).items() if key not in self._usual}
        self.kept.append((record.levelname, fields))


@pytest.fixture
def lines():
    handler = Lines()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler.kept
    logger.removeHandler(handler)


@pytest.fixture(scope="module")
def logged(module_app, artifacts):
    """A service with an access log, and the version 1 of ``m`` in production."""
    service = module_app(access_log=True, trusted_proxies="1")
    service.admin.upload("m", artifacts["line-2"])
    service.admin.promote("m", 1)
    return service


def request(caller, method, path, **options):
    fields = {"X-Forwarded-For": "192.0.2.7", "X-Request-Id": "the-same"}
    return caller.ask(method, path, headers=fields, **options)


def without_time(line):
    level, fields = line
    assert fields.pop("milliseconds") >= 0
    return level, fields


@pytest.fixture(params=["fast path", "Flask"])
def endpoint(logged, request):
    """Predictions use this path to the endpoint."""
    layer = logged.app.wsgi_app
    fast = layer.inner
    if request.param == "Flask":
        layer.inner = fast.inner
    yield
    layer.inner = fast


@pytest.mark.parametrize("reference", ["1", "production"])
def test_a_prediction_is_logged_with_its_version_and_its_caller(logged, endpoint, lines, reference):
    caller = logged.caller("predict")
    lines.clear()

    request(caller, "POST", f"/models/m/{reference}/predict", json={"input": [4]})

    (line,) = lines
    assert without_time(line) == (
        "INFO",
        {
            "method": "POST",
            "route": "/models/<name>/<version:version>/predict",
            "status": 200,
            "request_id": "the-same",
            "client": "192.0.2.7",
            "actor": "predict",
            "model": "m",
            "version": 1,
        },
    )


@pytest.mark.parametrize(
    ("token", "path", "body", "status", "more"),
    [
        ("admin", "/models/m/predict", {"no": 1}, 422, {"model": "m", "version": 1}),
        ("admin", f"/models/{CANARY}/predict", {"input": [4]}, 404, {}),
        ("admin", f"/models/m/{CANARY}/predict", {"input": [4]}, 404, {}),
        (CANARY, "/models/m/predict", {"input": [4]}, 401, None),
        (None, "/models/m/predict", {"input": [4]}, 401, None),
    ],
)
def test_a_refused_prediction_names_only_what_exists(
    logged, endpoint, lines, *, token, path, body, status, more
):
    caller = logged.admin if token == "admin" else Caller(logged.app, token)

    request(caller, "POST", path, json=body)

    (line,) = lines
    _, fields = without_time(line)
    assert fields["status"] == status
    assert CANARY not in str(fields)
    named = {key: fields[key] for key in ("actor", "model", "version") if key in fields}
    assert named == ({} if more is None else {"actor": "admin (HOTSWAP_ADMIN_TOKEN)", **more})


def test_other_requests_are_logged_with_what_they_name(logged, lines, artifacts):
    request(logged.admin, "GET", "/models/m/1")
    request(logged.admin, "GET", "/models/m/production")
    request(logged.admin, "GET", f"/models/{CANARY}")
    request(logged.stranger(), "GET", f"/{CANARY}")
    request(logged.stranger(), CANARY.upper(), "/version")
    request(logged.stranger(), "GET", "/livez")

    fields = [without_time(line) for line in lines]
    shown = [
        (level, *(line.get(key) for key in ("method", "route", "status", "model", "version")))
        for level, line in fields
    ]
    assert shown == [
        ("INFO", "GET", "/models/<name>/<version:version>", 200, "m", 1),
        ("INFO", "GET", "/models/<name>/<version:version>", 200, "m", None),
        ("INFO", "GET", "/models/<name>", 404, None, None),
        ("INFO", None, None, 404, None, None),
        ("INFO", None, None, 405, None, None),
        ("DEBUG", "GET", "/livez", 200, None, None),
    ]
    assert "canary" not in str(lines).lower()


def test_nothing_is_logged_unless_the_setting_is_on(service, lines):
    service.admin.get("/models")
    service.admin.post("/models/nobody/predict", json={"input": [4]})

    assert lines == []
    assert service.app.wsgi_app._access_log is None
