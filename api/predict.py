"""The prediction endpoint, written once: bytes in, bytes out. Knows nothing of Flask."""

from collections.abc import Mapping
from dataclasses import dataclass

from api.negotiation import best_type
from registry.database import Database
from registry.errors import NoProbabilities, ParameterMalformed
from registry.queries import find_usable_version, served_version
from registry.serving.codecs.replies import encode_arrow, encode_json
from registry.serving.codecs.requests import ARROW, JSON, decode
from registry.serving.pool import Pool

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Question:
    """A request for predictions as it came over the wire."""

    model: str
    reference: str
    content_type: str
    accept: str | None
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    body: bytes
    content_type: str
    version: int


def predict(database: Database, pool: Pool, question: Question, max_bytes: int) -> Reply:
    """Answer ``question`` by the version that its reference stands for at this moment.

    Raises what resolving, decoding and predicting raise: NotFound, VersionNotReady, NotAcceptable,
    FormatUnsupported, BodyMalformed, InputRefused, TooLarge, NoProbabilities, PredictionRefused,
    BlobUnavailable.
    """
    with database.read() as session:
        served = served_version(find_usable_version(session, question.model, question.reference))
    reply_type = best_type(question.accept, [JSON, ARROW])
    probabilities = _flag(question.query, "probabilities")
    predictor = pool.predictor(served)
    if probabilities and not predictor.has_probabilities:
        raise NoProbabilities(served.model, served.number)
    batch = decode(question.content_type, question.body, served.signature, max_bytes)
    answers = predictor.predict(batch, probabilities=probabilities)
    if reply_type == ARROW:
        body = encode_arrow(answers, served.signature)
    else:
        body = encode_json(served.model, served.number, batch, answers, served.signature)
    return Reply(body, reply_type, served.number)


def _flag(query: Mapping[str, str], name: str) -> bool:
    text = query.get(name)
    if text is None:
        return False
    if text not in _FLAGS:
        raise ParameterMalformed(name, "true or false is asked.")
    return _FLAGS[text]
