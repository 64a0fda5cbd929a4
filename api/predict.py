"""The prediction endpoint, written once: bytes in, bytes out. Knows nothing of Flask.

Two doors lead here: the Flask route in ``api.predictions``, which documentation and tests use, and
the narrow door in ``api.door``, which hands a request over before Flask has looked at it.
"""

from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl

from api.access import bearer_token
from api.bodies import Environ, drain, read_body
from api.negotiation import best_type
from api.problems import problem_of
from registry.errors import (
    NoProbabilities,
    ParameterMalformed,
)
from registry.serving.codecs.replies import encode_arrow
from registry.serving.codecs.requests import ARROW, JSON
from registry.serving.watch import Watch

_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_OFFERED = (JSON, ARROW)


class Reply(NamedTuple):
    """What goes over the wire, but for the request's id and the length of the body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class PredictionEndpoint:
    """Answers predictions from what ``watch`` keeps in memory.

    ``max_bytes`` limits the body; ``anonymous``: no token is needed.
    """

    watch: Watch
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
        if not self.anonymous:
            grant = self.watch.grant(bearer_token(environ.get("HTTP_AUTHORIZATION")))
            grant.require("predict", model)
        loaded = self.watch.resolve(model, reference)
        version, predictor = loaded.version, loaded.predictor
        reply_type = best_type(environ.get("HTTP_ACCEPT"), _OFFERED)
        probabilities = _flag(environ.get("QUERY_STRING"), "probabilities")
        if probabilities and not predictor.has_probabilities:
            raise NoProbabilities(version.model, version.number)
        body = read_body(environ, self.max_bytes, "HOTSWAP_MAX_PREDICT_MB")
        batch = loaded.reader.read(environ.get("CONTENT_TYPE", ""), body, self.max_bytes)
        answers = predictor.predict(batch, probabilities=probabilities)
        if reply_type == ARROW:
            encoded = encode_arrow(answers, version.signature)
        else:
            encoded = loaded.writer.write(answers, single=batch.single)
        headers = [("Content-Type", reply_type), ("X-Model-Version", str(version.number))]
        return Reply(200, headers, encoded)


def _flag(query: str | None, name: str) -> bool:
    if not query:
        return False
    text = dict(reversed(parse_qsl(query, keep_blank_values=True))).get(name)
    if text is None:
        return False
    if text not in _FLAGS:
        raise ParameterMalformed(name, "true or false is asked.")
    return _FLAGS[text]
