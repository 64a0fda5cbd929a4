"""The prediction endpoint, written once: bytes in, bytes out. Knows nothing of Flask.

Called by the Flask routes in ``api.predictions``, which documentation and tests use, and by
``api.fast_path``, which takes a request before Flask handles it.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol
from urllib.parse import parse_qsl

import msgspec

from api.bodies import drain, read_body
from api.callers import Callers, has_usual_spelling
from api.decoding import DecodingBudget
from api.negotiation import best_type
from api.problems import problem_of
from api.receiving import Environ, without_place
from registry.codecs.batch import Batch
from registry.codecs.csv_reply import sent_rows, write_csv
from registry.codecs.large_bodies import SMALL_BODY
from registry.codecs.replies import encode_arrow
from registry.codecs.requests import ARROW, CSV, JSON
from registry.engines.predictor import Predict
from registry.engines.served_version import Key
from registry.errors import (
    InputsRequireCsv,
    NoProbabilities,
    NoScores,
    ParameterMalformed,
)
from registry.extras import is_installed
from registry.live.pool import LoadedVersion
from registry.live.watch import Caller, Watch
from registry.watching.counts import Fault
from registry.watching.predictions import NoPredictionCounts, PredictionCounts

_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_OFFERED = (JSON, ARROW, CSV) if is_installed("arrow") else (JSON, CSV)
_CSV_TYPE = ("Content-Type", f"{CSV}; charset=utf-8")


class Reply(msgspec.Struct, frozen=True, gc=False):
    """A response without the request id and the Content-Length; ``served`` is the version that
    answered, or would have."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    served: Key | None


class Endpoint(Protocol):
    """What answers predictions."""

    def answer(self, environ: Environ, model: str, reference: str, request_id: str) -> Reply:
        """Answer the WSGI request ``environ`` with the version that ``reference`` resolves to."""


@dataclass(frozen=True, slots=True)
class PredictionEndpoint:
    """Answers predictions with the versions that ``watch`` keeps in memory.

    ``max_bytes`` limits the body, ``budget`` the memory of bodies that are being decoded;
    ``anonymous``: no token is needed. Each prediction is counted in ``counts``.
    """

    watch: Watch
    callers: Callers
    budget: DecodingBudget
    max_bytes: int
    anonymous: bool
    counts: PredictionCounts | NoPredictionCounts

    def answer(self, environ: Environ, model: str, reference: str, request_id: str) -> Reply:
        """Answer the WSGI request ``environ`` with the version that ``reference`` resolves to.

        Never raises: every error is answered as a problem.
        """
        loaded = None
        try:
            # Not part of the key where no token is needed: callers could send a new one each time.
            shown = None if self.anonymous else environ.get("HTTP_AUTHORIZATION")
            caller = (shown, model, reference)
            loaded = self.watch.cached(caller) or self._admit(environ, caller)
            return self._predict(environ, loaded, reference)
        except Exception as error:  # noqa: BLE001 - every error has a row in the table of problems
            status, headers, body = problem_of(error, request_id)
            requested = self._requested(status, loaded, model, reference)
            if requested is not None:
                outcome: Fault = "failed" if status >= 500 else "refused"
                self.counts.faulted(requested, reference, outcome)
            if not drain(environ):
                headers["Connection"] = "close"
            return Reply(status, list(headers.items()), body, requested)

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
            reply = _reply(environ, loaded, batch, reply_type, predict, with_inputs and body)
        else:
            # A score takes less memory than the probabilities of its two labels would.
            cost = loaded.reader.cost(
                content_type, body, probabilities=beside, with_inputs=with_inputs
            )
            with self.budget.hold(cost):
                batch = loaded.reader.read(content_type, body, self.max_bytes)
                reply = _reply(environ, loaded, batch, reply_type, predict, with_inputs and body)
        self.counts.answered(loaded, reference, time.perf_counter() - began)
        return reply

    def _requested(
        self, status: int, loaded: LoadedVersion | None, model: str, reference: str
    ) -> Key | None:
        """The version that a prediction was for that failed or was refused, if it is known.

        A refusal before the version was found names none: the caller may not use it, or it may not
        exist, and each name that callers invent would take memory.
        """
        if loaded is not None:
            return loaded.key
        return self.watch.last_known(model, reference) if status >= 500 else None

    def _admit(self, environ: Environ, caller: Caller) -> LoadedVersion:
        """Authorise ``caller`` and return its version, which is cached for it where allowed."""
        shown, model, reference = caller
        cache = self.watch.admission_cache()
        lasting = True
        if not self.anonymous:
            known = self.callers.admit(environ)
            known.grant.require("predict", model)
            # With a rate limit each request must be counted.
            lasting = known.expires_at is None and not self.callers.have_rates
            # A header can be spelled in many ways, and each would take memory.
            lasting = lasting and shown is not None and has_usual_spelling(shown)
        loaded = self.watch.resolve(model, reference)
        if lasting:
            cache.versions[caller] = loaded
        return loaded


def _reply(  # noqa: PLR0917 - passing names takes longer, and every prediction does it
    environ: Environ,
    loaded: LoadedVersion,
    batch: Batch,
    reply_type: str,
    predict: Predict,
    inputs: bytes | Literal[False],
) -> Reply:
    """``inputs``: the body, if the reply has its rows too."""
    if loaded.predictor.waits:
        with without_place(environ):
            predictions = predict(batch)
    else:
        predictions = predict(batch)
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
        rows = sent_rows(content_type, inputs, batch, signature) if inputs else None
        content = b"".join(write_csv(predictions, signature, rows))
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
