"""Predictions of a host that goes on without a lease."""

from dataclasses import dataclass

from api.receiving import Environ
from api.unconfirmed import HEADER, seconds_of
from api.version_endpoint import Endpoint, Reply
from registry.live.lease import Lease


@dataclass(frozen=True, slots=True)
class UnconfirmedEndpoint:
    """Answers as ``endpoint``; while the host has no ``lease``, a header says for how long."""

    endpoint: Endpoint
    lease: Lease

    def answer(self, environ: Environ, model: str, reference: str, request_id: str) -> Reply:
        """Answer the WSGI request ``environ``."""
        reply = self.endpoint.answer(environ, model, reference, request_id)
        if not self.lease.is_over():
            return reply
        headers = [*reply.headers, (HEADER, seconds_of(self.lease))]
        return Reply(reply.status, headers, reply.body, reply.served)
