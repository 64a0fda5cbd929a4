"""Scoring: the prediction endpoint for the bodies of MLflow's and SageMaker's clients."""

import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from werkzeug.http import parse_options_header

from api.bodies import read_body
from api.problems import Problem, Written
from api.protocols.scoring.problems import write_scoring_error
from api.receiving import Environ
from api.version_endpoint import Reply, VersionEndpoint, predictions_of
from registry.codecs.batch import Batch
from registry.codecs.csv_reply import write_csv
from registry.codecs.json_reply import json_list
from registry.codecs.large_bodies import SMALL_BODY
from registry.codecs.requests import CSV, JSON, PARQUET, media_type_of
from registry.codecs.row_keys import copies
from registry.codecs.scoring_body import with_header
from registry.errors import FormatUnsupported, InputRefused, NotServed, Unavailable, shown
from registry.live.loaded_split import Answering
from registry.live.pool import LoadedVersion
from registry.live.watch import Caller
from registry.names import PRODUCTION

MEDIA_TYPES = (JSON, CSV, PARQUET)
CSV_TYPE = ("Content-Type", f"{CSV}; charset=utf-8")


@dataclass(frozen=True, slots=True)
class ScoringEndpoint(VersionEndpoint):
    """Answers ``invocations``."""

    @staticmethod
    def _write_problem(problem: Problem) -> Written:
        return write_scoring_error(problem)

    def _predict(self, environ: Environ, loaded: LoadedVersion, reference: str) -> Reply:
        content_type = environ.get("CONTENT_TYPE") or JSON
        media_type = _media_type(content_type)
        body = read_body(
            environ, self.max_bytes, "HOTSWAP_MAX_PREDICT_MB", anonymous=self.anonymous
        )
        began = time.perf_counter()
        if media_type == JSON and len(body) <= SMALL_BODY:
            batch = loaded.reader.read_scoring(body)
            reply = _reply(environ, loaded, batch)
        else:
            with self.budget.hold(loaded.reader.cost(content_type, body) + copies(body)):
                batch = _read(loaded, content_type, media_type, body, self.max_bytes)
                reply = _reply(environ, loaded, batch)
        self.counts.answered(loaded, reference, time.perf_counter() - began, batch.rows)
        return reply


@dataclass(frozen=True, slots=True)
class InvocationsEndpoint(ScoringEndpoint):
    """Answers ``/invocations`` at the root, which names no version.

    ``served`` is a model, or model/version; empty: the only model with a version in production.
    """

    served: str

    def answer(self, environ: Environ, model: str, reference: str, request_id: str) -> Reply:
        """Answer the WSGI request ``environ`` with the version that the service was set up for;
        ``model`` and ``reference`` are empty."""
        model, _, reference = (self.served or self._only_model()).partition("/")
        return ScoringEndpoint.answer(self, environ, model, reference or PRODUCTION, request_id)

    def _only_model(self) -> str:
        """Empty if there is none."""
        with suppress(Unavailable):  # raised where it matters, with the last state that was read
            self.watch.snapshot()
        references = self.watch.last_snapshot.references
        found = list(islice((model for model, of in references.items() if PRODUCTION in of), 2))
        return found[0] if len(found) == 1 else ""

    def _admit(self, environ: Environ, caller: Caller) -> Answering:
        if caller[1]:
            return ScoringEndpoint._admit(self, environ, caller)
        if not self.anonymous:
            self.callers.admit(environ).grant.require("predict", None)
        raise NotServed(
            "Not exactly one model has a version in production. Send the request to "
            "/models/<name>/invocations, or have an operator set HOTSWAP_INVOCATIONS_MODEL."
        )


def _media_type(content_type: str) -> str:
    """Raises FormatUnsupported for a media type that the protocol does not have."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise FormatUnsupported(
            f"Content-Type must be one of {', '.join(MEDIA_TYPES)}, not {shown(content_type)}."
        )
    return media_type_of(content_type)


def _read(
    loaded: LoadedVersion, content_type: str, media_type: str, body: bytes, max_bytes: int
) -> Batch:
    if media_type == JSON:
        return loaded.reader.read_scoring(body)
    if media_type != CSV:
        return loaded.reader.read(content_type, body, max_bytes)
    if parse_options_header(content_type)[1].get("header", "").lower() == "absent":
        body = with_header(body, loaded.version.signature)
    try:
        return loaded.reader.read(CSV, body, max_bytes)
    except InputRefused as error:
        if error.faults and error.faults[0].at.startswith("header"):
            error.detail += (
                " The first line names the columns; for rows alone, in the order of the model's "
                "columns, send 'Content-Type: text/csv; header=absent'."
            )
        raise


def _reply(environ: Environ, loaded: LoadedVersion, batch: Batch) -> Reply:
    predictions = predictions_of(environ, loaded, loaded.predictor.predict, batch)
    accept: str = environ.get("HTTP_ACCEPT", "")
    if accept.partition(";")[0].strip().lower() == CSV:
        lines = b"".join(write_csv(predictions, loaded.version.signature))
        headers = [CSV_TYPE, loaded.number_header]
        return Reply(200, headers, lines.partition(b"\n")[2], loaded.key)
    body = b"".join([b'{"predictions":', *json_list(predictions.values), b"}"])
    return Reply(200, loaded.json_headers, body, loaded.key)
