"""Endpoints that predict: bytes in, bytes out. They know nothing of Flask.

Each protocol has one; all of them authorise callers, resolve versions, count predictions and answer
errors as this base does.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import msgspec

from api.bodies import drain
from api.callers import Callers, has_usual_spelling
from api.decoding import DecodingBudget
from api.problems import Problem, Written, problem_of, write_problem
from api.receiving import Environ, without_place
from registry.codecs.batch import Batch
from registry.codecs.predictions import Predictions
from registry.engines.predictor import Predict
from registry.engines.served_version import Key
from registry.live.loaded_split import Answering, Arm, UnloadedArm
from registry.live.pool import LoadedVersion
from registry.live.watch import Caller, Watch
from registry.watching.counts import Unanswered
from registry.watching.predictions import NoPredictionCounts, PredictionCounts
from registry.watching.version_faults import is_version_fault

_REQUEST_KEY = "HTTP_X_REQUEST_KEY"


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


def predictions_of(
    environ: Environ, loaded: LoadedVersion, predict: Predict, batch: Batch
) -> Predictions:
    """What ``predict`` of ``loaded`` answers; its place is given up while another process does."""
    if loaded.predictor.waits:
        with without_place(environ):
            return predict(batch)
    return predict(batch)


@dataclass(frozen=True, slots=True)
class VersionEndpoint(ABC):
    """Answers requests with the versions that ``watch`` keeps in memory.

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

        Never raises: every error is answered.
        """
        loaded: Arm | None = None
        try:
            # Not part of the key where no token is needed: callers could send a new one each time.
            shown = None if self.anonymous else environ.get("HTTP_AUTHORIZATION")
            caller = (shown, model, reference)
            found = self.watch.cached(caller) or self._admit(environ, caller)
            if isinstance(found, LoadedVersion):
                loaded = found
            else:
                loaded = found.choose(environ.get(_REQUEST_KEY), request_id)
                if isinstance(loaded, UnloadedArm):
                    loaded = loaded.load()
            return self._predict(environ, loaded, reference)
        except Exception as error:  # noqa: BLE001 - every error has a row in the table of problems
            status, headers, body = problem_of(error, request_id, self._write_problem)
            requested = self._requested(status, loaded, model, reference)
            if requested is not None:
                outcome: Unanswered = "failed" if status >= 500 else "refused"
                self.counts.unanswered(
                    requested,
                    reference,
                    outcome,
                    fault=is_version_fault(error, predicting=isinstance(loaded, LoadedVersion)),
                    caller=environ.get(_REQUEST_KEY),
                )
            if not drain(environ):
                headers["Connection"] = "close"
            return Reply(status, list(headers.items()), body, requested)

    @staticmethod
    def _write_problem(problem: Problem) -> Written:
        """How errors are answered."""
        return write_problem(problem)

    @abstractmethod
    def _predict(self, environ: Environ, loaded: LoadedVersion, reference: str) -> Reply:
        """Answer a request that is authorised. Raises any error."""

    def _requested(self, status: int, loaded: Arm | None, model: str, reference: str) -> Key | None:
        """The version that a prediction was for that failed or was refused, if it is known.

        A refusal before the version was found names none: the caller may not use it, or it may not
        exist, and each name that callers invent would take memory.
        """
        if loaded is not None:
            return loaded.key
        return self.watch.last_known(model, reference) if status >= 500 else None

    def _admit(self, environ: Environ, caller: Caller) -> Answering:
        """Authorise ``caller`` and return what answers it, which is cached where allowed."""
        shown, model, reference = caller
        cache = self.watch.admission_cache()
        lasting, token = True, None
        if not self.anonymous:
            known = self.callers.admit(environ)
            known.grant.require("predict", model)
            token = known.grant.token_id
            # With a rate limit each request must be counted.
            lasting = known.expires_at is None and not self.callers.have_rates
            # A header can be spelled in many ways, and each would take memory.
            lasting = lasting and shown is not None and has_usual_spelling(shown)
        found = self.watch.answering(model, reference, token)
        if lasting:
            cache.versions[caller] = found
        return found
