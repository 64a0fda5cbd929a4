"""The prediction endpoint, written once: bytes in, bytes out. Knows nothing of Flask.

Two doors lead here: the Flask route in ``api.predictions``, which documentation and tests use, and
the narrow door in ``api.fast_path``, which hands a request over before Flask has looked at it.
"""

from dataclasses import dataclass
from urllib.parse import parse_qsl

import msgspec

from api.bodies import drain, read_body
from api.callers import Callers, has_usual_spelling
from api.decoding import DecodingBudget
from api.negotiation import best_type
from api.problems import problem_of
from api.receiving import Environ, without_place
from registry.codecs.batch import Batch
from registry.codecs.replies import encode_arrow
from registry.codecs.requests import ARROW, JSON
from registry.codecs.whole_bodies import SMALL_BODY
from registry.errors import (
    NoProbabilities,
    ParameterMalformed,
)
from registry.live.pool import LoadedVersion
from registry.live.watch import Caller, Watch

_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_OFFERED = (JSON, ARROW)


class Reply(msgspec.Struct, frozen=True, gc=False):
    """What goes over the wire, but for the request's id and the length of the body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class PredictionEndpoint:
    """Answers predictions from what ``watch`` keeps in memory, for those whom ``callers`` knows.

    ``max_bytes`` limits the body, ``budget`` the bodies that are decoded at the same time;
    ``anonymous``: no token is needed.
    """

    watch: Watch
    callers: Callers
    budget: DecodingBudget
    max_bytes: int
    anonymous: bool

    def answer(self, environ: Environ, model: str, reference: str, request_id: str) -> Reply:
        """Answer the WSGI request ``environ`` for the version that ``reference`` stands for.

        Never raises: whatever goes wrong is answered as a problem.
        """
        try:
            return self._predict(environ, model, reference)
        except Exception as error:  # noqa: BLE001 - every error has a row in the table of problems
            status, headers, body = problem_of(error, request_id)
            if not drain(environ):
                headers["Connection"] = "close"
            return Reply(status, list(headers.items()), body)

    def _predict(self, environ: Environ, model: str, reference: str) -> Reply:
        # Where anybody may, what they send is no part of it: one could be made up for each request.
        shown = None if self.anonymous else environ.get("HTTP_AUTHORIZATION")
        caller = (shown, model, reference)
        loaded = self.watch.cached(caller) or self._admit(environ, caller)
        accept = environ.get("HTTP_ACCEPT")
        reply_type = JSON if not accept or accept == "*/*" else best_type(accept, _OFFERED)
        query = environ.get("QUERY_STRING")
        probabilities = _flag(query, "probabilities") if query else False
        if probabilities and not loaded.predictor.has_probabilities:
            raise NoProbabilities(model, loaded.version.number)
        body = read_body(
            environ, self.max_bytes, "HOTSWAP_MAX_PREDICT_MB", anonymous=self.anonymous
        )
        content_type = environ.get("CONTENT_TYPE", "")
        if content_type == JSON and len(body) <= SMALL_BODY:
            batch = loaded.reader.read_json(body)
            return _reply(environ, loaded, batch, reply_type, probabilities=probabilities)
        cost = loaded.reader.cost(content_type, body, probabilities=probabilities)
        with self.budget.hold(cost):
            batch = loaded.reader.read(content_type, body, self.max_bytes)
            return _reply(environ, loaded, batch, reply_type, probabilities=probabilities)

    def _admit(self, environ: Environ, caller: Caller) -> LoadedVersion:
        """The version that ``caller`` gets. Raises whatever forbids it or is wrong with it."""
        shown, model, reference = caller
        cache = self.watch.admission_cache()
        lasting = True
        if not self.anonymous:
            known = self.callers.admit(environ)
            known.grant.require("predict", model)
            # Who has a rate is counted each time.
            lasting = known.expires_at is None and not self.callers.have_rates
            # A caller can spell a header in any number of ways, and each would take memory.
            lasting = lasting and shown is not None and has_usual_spelling(shown)
        loaded = self.watch.resolve(model, reference)
        if lasting:
            cache.versions[caller] = loaded
        return loaded


def _reply(
    environ: Environ,
    loaded: LoadedVersion,
    batch: Batch,
    reply_type: str,
    *,
    probabilities: bool,
) -> Reply:
    predictor = loaded.predictor
    if predictor.waits:
        with without_place(environ):
            answers = predictor.predict(batch, probabilities=probabilities)
    else:
        answers = predictor.predict(batch, probabilities=probabilities)
    if reply_type == JSON:
        return Reply(200, loaded.json_headers, loaded.writer.write(answers, single=batch.single))
    encoded = encode_arrow(answers, loaded.version.signature)
    return Reply(200, [("Content-Type", ARROW), loaded.number_header], encoded)


def _flag(query: str, name: str) -> bool:
    text = dict(reversed(parse_qsl(query, keep_blank_values=True))).get(name)
    if text is None:
        return False
    if text not in _FLAGS:
        raise ParameterMalformed(name, "true or false is asked.")
    return _FLAGS[text]
