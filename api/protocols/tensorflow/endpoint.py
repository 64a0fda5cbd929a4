"""The prediction endpoint for the bodies of TensorFlow Serving's and KServe V1's clients."""

import time
from dataclasses import dataclass

from api.bodies import read_body
from api.problems import Problem, Written
from api.protocols.problems import write_error_text
from api.receiving import Environ
from api.version_endpoint import Reply, VersionEndpoint, predictions_of
from registry.codecs.json_reply import json_list
from registry.codecs.large_bodies import SMALL_BODY
from registry.codecs.requests import JSON
from registry.codecs.row_keys import copies
from registry.live.pool import LoadedVersion

_REPLY_KEYS = {"instances": b"predictions", "inputs": b"outputs"}
"""The key of the predictions, by the key of the rows."""


@dataclass(frozen=True, slots=True)
class TensorflowEndpoint(VersionEndpoint):
    """Answers ``:predict``. The Content-Type is ignored: clients send none, or that of a form."""

    @staticmethod
    def _write_problem(problem: Problem) -> Written:
        return write_error_text(problem)

    def _predict(self, environ: Environ, loaded: LoadedVersion, reference: str) -> Reply:
        body = read_body(
            environ, self.max_bytes, "HOTSWAP_MAX_PREDICT_MB", anonymous=self.anonymous
        )
        began = time.perf_counter()
        if len(body) <= SMALL_BODY:
            rows, reply = _reply(environ, loaded, body)
        else:
            with self.budget.hold(loaded.reader.cost(JSON, body) + copies(body)):
                rows, reply = _reply(environ, loaded, body)
        self.counts.answered(loaded, reference, time.perf_counter() - began, rows)
        return reply


def _reply(environ: Environ, loaded: LoadedVersion, body: bytes) -> tuple[int, Reply]:
    """The number of rows in ``body``, and the answer."""
    key, batch = loaded.reader.read_tensorflow(body)
    predictions = predictions_of(environ, loaded, loaded.predictor.predict, batch)
    parts = [b'{"', _REPLY_KEYS[key], b'":', *json_list(predictions.values), b"}"]
    return batch.rows, Reply(200, loaded.json_headers, b"".join(parts), loaded.key)
