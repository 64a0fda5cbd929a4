"""OpenTelemetry spans of predictions, recorded by its SDK."""

import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api.version_endpoint import VersionEndpoint
from tests.integration.api.conftest import Caller

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CANARY = "hsw_canary-0123456789abcdef"


@pytest.fixture(scope="module")
def exporter():
    """What is exported; the process has one provider, which cannot be replaced."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture(scope="module")
def traced(module_app, artifacts, exporter):
    """A service with traces, and the version 1 of ``m`` in production."""
    service = module_app(traces=True)
    service.admin.upload("m", artifacts["line-2"])
    service.admin.promote("m", 1)
    return service


@pytest.fixture(params=["fast path", "Flask"])
def endpoint(traced, request):
    """Predictions use this path to the endpoint."""
    fast = traced.app.wsgi_app
    if request.param == "Flask":
        traced.app.wsgi_app = fast.inner
    yield
    traced.app.wsgi_app = fast


def span_of(exporter, caller, path, body, **headers):
    """The span of a prediction."""
    exporter.clear()
    caller.post(path, json=body, headers={"X-Request-Id": "the-same", **headers})
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.kind) == ("predict", trace.SpanKind.SERVER)
    assert not span.events
    return span


def test_a_prediction_is_a_span_with_its_model_and_version(traced, endpoint, exporter):
    span = span_of(exporter, traced.admin, "/models/m/predict", {"input": [4]})

    assert dict(span.attributes) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "hotswap.request_id": "the-same",
        "hotswap.model": "m",
        "hotswap.version": 1,
    }
    assert span.status.status_code is trace.StatusCode.UNSET
    assert span.parent is None


def test_a_span_belongs_to_the_caller_s_trace(traced, endpoint, exporter):
    sent = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    span = span_of(exporter, traced.admin, "/models/m/predict", {"input": [4]}, **sent)

    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT


def test_a_span_belongs_to_the_trace_of_a_library_that_traces_requests(traced, exporter):
    with trace.get_tracer("theirs").start_as_current_span("request") as theirs:
        span = span_of(exporter, traced.admin, "/models/m/predict", {"input": [4]})

    assert span.parent.span_id == theirs.get_span_context().span_id


@pytest.mark.parametrize("sent", ["", "00-0-0-01", "canary", "00-" + "z" * 32 + "-" + "z" * 16])
def test_a_malformed_trace_is_ignored(traced, endpoint, exporter, sent):
    span = span_of(exporter, traced.admin, "/models/m/predict", {"input": [4]}, traceparent=sent)

    assert span.parent is None
    assert span.attributes["http.response.status_code"] == 200


@pytest.mark.parametrize(
    ("path", "status", "version"),
    [("/models/m/predict", 422, 1), (f"/models/{CANARY}/predict", 404, None)],
)
def test_a_refusal_is_a_span_without_what_the_caller_sent(
    traced, endpoint, exporter, *, path, status, version
):
    span = span_of(exporter, traced.admin, path, {"canary": "canary"})

    assert span.attributes["http.response.status_code"] == status
    assert span.attributes.get("hotswap.version") == version
    assert "canary" not in span.to_json()


def test_a_token_is_not_in_the_span_of_its_refusal(traced, exporter):
    caller = Caller(traced.app, CANARY)

    span = span_of(exporter, caller, "/models/m/predict", {"input": [4]})

    assert span.attributes["http.response.status_code"] == 401
    assert CANARY not in span.to_json()


def test_without_the_setting_predictions_are_not_traced(service):
    endpoints = service.app.wsgi_app._endpoints.values()
    assert all(isinstance(endpoint, VersionEndpoint) for endpoint in endpoints)


@pytest.mark.slow  # a process that imports the app
def test_without_the_setting_opentelemetry_is_not_even_imported():
    script = "import api.app, sys; sys.exit('opentelemetry' in sys.modules)"

    subprocess.run([sys.executable, "-c", script], check=True)
