"""An OpenTelemetry span for each prediction, if HOTSWAP_TRACES is set.

This module is imported only then, since it imports OpenTelemetry. Its API alone records nothing:
the operator's SDK does.
"""

from importlib import import_module
from importlib.util import find_spec

from opentelemetry import propagate, trace
from opentelemetry.context import Context

from api.receiving import Environ
from api.release import RELEASE
from api.version_endpoint import Endpoint, Reply

_CARRIED = {"traceparent": "HTTP_TRACEPARENT", "tracestate": "HTTP_TRACESTATE"}
"""The fields in which a caller names its trace (W3C Trace Context)."""


class TracedEndpoint:
    """``inner``, with a span around each of its answers."""

    def __init__(self, inner: Endpoint) -> None:
        _configure_sdk()
        self._inner = inner
        self._tracer = trace.get_tracer("hotswap", RELEASE)

    def answer(self, environ: Environ, model: str, reference: str, request_id: str) -> Reply:
        """Answer as ``inner`` does. The span belongs to the caller's trace, if it sent one."""
        with self._tracer.start_as_current_span(
            "predict", _context_of(environ), trace.SpanKind.SERVER
        ) as span:
            reply = self._inner.answer(environ, model, reference, request_id)
            span.set_attributes(
                {
                    "http.request.method": "POST",
                    "http.response.status_code": reply.status,
                    "hotswap.request_id": request_id,
                }
            )
            if reply.served is not None:
                served, version = reply.served
                span.set_attributes({"hotswap.model": served, "hotswap.version": version})
            if reply.status >= 500:
                span.set_status(trace.StatusCode.ERROR)
        return reply


def _configure_sdk() -> None:
    """Configure the SDK from the variables ``OTEL_*``, if opentelemetry-distro is installed and
    nothing else has.

    In this process, when its signals are blocked. The command opentelemetry-instrument does it
    before any code of ours, also in the processes that open uploads, and starts threads there.
    """
    configured = not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    if not configured and find_spec("opentelemetry.instrumentation") is not None:
        import_module("opentelemetry.instrumentation.auto_instrumentation").initialize()


def _context_of(environ: Environ) -> Context | None:
    """The caller's trace; None for the current one, which a library that traces WSGI has begun."""
    if trace.get_current_span().get_span_context().is_valid:
        return None
    sent = {name: environ[key] for name, key in _CARRIED.items() if key in environ}
    return propagate.extract(sent)
