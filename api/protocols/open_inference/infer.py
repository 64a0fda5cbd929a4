"""Inference: the prediction endpoint for requests of tensors."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from api.bodies import read_body
from api.codings import decoded_if_encoded
from api.problems import Problem, Written
from api.protocols.problems import write_error_text
from api.receiving import Environ
from api.version_endpoint import Reply, VersionEndpoint, predictions_of
from registry.codecs.large_bodies import SMALL_BODY
from registry.codecs.tensor_replies import (
    PREDICT,
    PROBABILITIES,
    SCORES,
    Output,
    predictions_alone,
)
from registry.engines.predictor import Predict, Predictor
from registry.errors import BodyMalformed, shown
from registry.live.pool import LoadedVersion

BINARY = "application/octet-stream"
JSON_SIZE = "Inference-Header-Content-Length"
"""The bytes of JSON at the start of a body, before tensors in binary form. Counts decoded bytes."""
_MOST_DIGITS = 15


@dataclass(frozen=True, slots=True)
class InferEndpoint(VersionEndpoint):
    """Answers ``infer``. The Content-Type is ignored: clients send none, or a wrong one."""

    @staticmethod
    def _write_problem(problem: Problem) -> Written:
        return write_error_text(problem)

    def _predict(self, environ: Environ, loaded: LoadedVersion, reference: str) -> Reply:
        body = read_body(
            environ,
            self.max_bytes,
            "HOTSWAP_MAX_PREDICT_MB",
            anonymous=self.anonymous,
            decode=decoded_if_encoded,
        )
        began = time.perf_counter()
        json_size = _json_size(environ)
        if len(body) <= SMALL_BODY:
            reply, rows = _infer(environ, loaded, body, json_size)
        else:
            with self.budget.hold(loaded.tensors.cost(body, json_size)):
                reply, rows = _infer(environ, loaded, body, json_size)
        self.counts.answered(loaded, reference, time.perf_counter() - began, rows)
        return reply


def offered_outputs(predictor: Predictor) -> tuple[str, ...]:
    """The names of the outputs that a version has."""
    offered = [PREDICT]
    if predictor.has_probabilities:
        offered.append(PROBABILITIES)
    if predictor.scored is not None:
        offered.append(SCORES)
    return tuple(offered)


def _infer(
    environ: Environ, loaded: LoadedVersion, body: bytes, json_size: int | None
) -> tuple[Reply, int]:
    """The reply, and the number of rows that it predicts."""
    codec, predictor = loaded.tensors, loaded.predictor
    request = codec.parse(body, json_size)
    predict: Predict = predictor.predict
    outputs = predictions_alone(binary=request.binary)
    if request.outputs:
        outputs = codec.writer.outputs(request.outputs, offered_outputs(predictor))
        predict = _predict_for(outputs, predictor)
    batch = codec.read(request)
    predictions = predictions_of(environ, loaded, predict, batch)
    reply = codec.writer.write(request.id, outputs, predictions)
    if not reply.binary:
        return Reply(200, loaded.json_headers, reply.json, loaded.key), batch.rows
    headers = [
        ("Content-Type", BINARY),
        loaded.number_header,
        (JSON_SIZE, str(len(reply.json))),
    ]
    body = b"".join([reply.json, *reply.binary])
    return Reply(200, headers, body, loaded.key), batch.rows


def _predict_for(outputs: Sequence[Output], predictor: Predictor) -> Predict:
    """What predicts ``outputs``, all of which the version has. A detector of outliers, which alone
    has scores, has no probabilities."""
    sources = {output.source for output in outputs}
    if PROBABILITIES in sources:
        return partial(predictor.predict, probabilities=True)
    scored = predictor.scored
    return predictor.predict if SCORES not in sources or scored is None else scored


def _json_size(environ: Environ) -> int | None:
    text: str | None = environ.get("HTTP_INFERENCE_HEADER_CONTENT_LENGTH")
    if text is None:
        return None
    if not text.isdecimal() or not text.isascii() or len(text) > _MOST_DIGITS:
        raise BodyMalformed(f"{JSON_SIZE}: expected a number of bytes, not {shown(text)}.")
    return int(text)
