"""The prediction endpoint, written once: bytes in, bytes out. Knows nothing of Flask.

Called by the Flask routes in ``api.predictions``, which documentation and tests use, and by
``api.fast_path``, which takes a request before Flask handles it.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl

from api.bodies import read_body
from api.negotiation import best_type
from api.receiving import Environ
from api.version_endpoint import Reply, VersionEndpoint, predictions_of
from registry.codecs.arrow_reply import encode_arrow
from registry.codecs.batch import Batch
from registry.codecs.csv_reply import sent_rows, write_csv
from registry.codecs.large_bodies import SMALL_BODY
from registry.codecs.requests import ARROW, CSV, JSON
from registry.codecs.row_memory import largest_reply
from registry.engines.predictor import Predict
from registry.errors import (
    InputsRequireCsv,
    NoProbabilities,
    NoScores,
    ParameterMalformed,
)
from registry.extras import is_installed
from registry.live.pool import LoadedVersion

_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_OFFERED = (JSON, ARROW, CSV) if is_installed("arrow") else (JSON, CSV)
_CSV_TYPE = ("Content-Type", f"{CSV}; charset=utf-8")


class Sent(NamedTuple):
    """A body whose rows the reply has too, which is of at most ``most`` bytes."""

    body: bytes
    most: float = inf


@dataclass(frozen=True, slots=True)
class PredictionEndpoint(VersionEndpoint):
    """Answers predictions in the service's own formats."""

    def _predict(self, environ: Environ, loaded: LoadedVersion, reference: str) -> Reply:
        accept = environ.get("HTTP_ACCEPT")
        reply_type = JSON if not accept or accept == "*/*" else best_type(accept, _OFFERED)
        query = environ.get("QUERY_STRING")
        predict: Predict = loaded.predictor.predict
        beside = with_inputs = False
        if query:
            predict, beside, with_inputs = _required(query, loaded, reply_type)
        body = read_body(
            environ, self.max_bytes, "HOTSWAP_MAX_PREDICT_MB", anonymous=self.anonymous
        )
        began = time.perf_counter()  # how long the body takes to arrive is up to the caller
        content_type = environ.get("CONTENT_TYPE", "")
        if content_type == JSON and len(body) <= SMALL_BODY:
            batch = loaded.reader.read_json(body)
            reply = _reply(environ, loaded, batch, reply_type, predict, with_inputs and Sent(body))
        else:
            # A score takes less memory than the probabilities of its two labels would.
            cost = loaded.reader.cost(
                content_type, body, probabilities=beside, with_inputs=with_inputs
            )
            with self.budget.hold(cost):
                batch = loaded.reader.read(content_type, body, self.max_bytes)
                sent = with_inputs and Sent(body, largest_reply(cost))
                reply = _reply(environ, loaded, batch, reply_type, predict, sent)
        self.counts.answered(loaded, reference, time.perf_counter() - began, batch.rows)
        return reply


def _reply(  # noqa: PLR0917 - passing names takes longer, and every prediction does it
    environ: Environ,
    loaded: LoadedVersion,
    batch: Batch,
    reply_type: str,
    predict: Predict,
    inputs: Sent | Literal[False],
) -> Reply:
    """``inputs``: what was sent, if the reply has its rows too."""
    predictions = predictions_of(environ, loaded, predict, batch)
    if reply_type == JSON:
        return Reply(
            200,
            loaded.json_headers,
            loaded.writer.write(predictions, single=batch.single),
            loaded.key,
        )
    signature = loaded.version.signature
    if reply_type == CSV:
        content_type = environ.get("CONTENT_TYPE", "")
        rows = sent_rows(content_type, inputs.body, batch, signature) if inputs else None
        most = inputs.most if inputs else inf
        content = b"".join(write_csv(predictions, signature, rows, most=most))
        return Reply(200, [_CSV_TYPE, loaded.number_header], content, loaded.key)
    encoded = encode_arrow(predictions, signature)
    return Reply(200, [("Content-Type", ARROW), loaded.number_header], encoded, loaded.key)


def _required(query: str, loaded: LoadedVersion, reply_type: str) -> tuple[Predict, bool, bool]:
    """How the rows of a request with this query are predicted, and whether the reply has numbers
    beside the predictions, and the rows."""
    given = dict(reversed(parse_qsl(query, keep_blank_values=True)))
    probabilities, scores = _flag(given, "probabilities"), _flag(given, "scores")
    predict: Predict = loaded.predictor.predict
    if probabilities:
        if not loaded.predictor.has_probabilities:
            raise NoProbabilities(*loaded.key)
        predict = partial(loaded.predictor.predict, probabilities=True)
    if scores:
        if loaded.predictor.scored is None:
            raise NoScores(*loaded.key)
        predict = loaded.predictor.scored
    with_inputs = _flag(given, "with_inputs")
    if with_inputs and reply_type != CSV:
        raise InputsRequireCsv
    return predict, probabilities or scores, with_inputs


def _flag(given: Mapping[str, str], name: str) -> bool:
    text = given.get(name)
    if text is None:
        return False
    if text not in _FLAGS:
        raise ParameterMalformed(name, "expected true or false.")
    return _FLAGS[text]
