"""Predicts as the prediction endpoint does: the same decoders, limits and loaded versions."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple
from urllib.parse import urlencode

from flask import request

from api.services import services
from api.version_endpoint import predictions_of
from console.trying.fields import Field, Texts
from registry.codecs.batch import Batch, array_to_cell
from registry.codecs.predictions import Predictions
from registry.codecs.requests import FORM
from registry.codecs.row_memory import largest_reply
from registry.engines.predictor import Predict
from registry.live.pool import LoadedVersion
from registry.signature import Scalar


class Predicted(NamedTuple):
    """Rows, and what the version predicted for them; ``most``: the largest file of them, in bytes,
    for which the reserved memory suffices."""

    batch: Batch
    predictions: Predictions
    most: int


@contextmanager
def predicting(
    loaded: LoadedVersion,
    content_type: str,
    body: bytes,
    *,
    beside: bool = False,
    with_inputs: bool = False,
) -> Iterator[Predicted]:
    """Predict the rows in ``body``; ``beside``: with probabilities or scores if the model has any;
    ``with_inputs``: to write the rows too.

    The memory for them is reserved until the block ends. Raises what reading a body and predicting
    raise, and WorkerFull.
    """
    limit = services().settings.max_predict_bytes
    cost = loaded.reader.cost(content_type, body, probabilities=beside, with_inputs=with_inputs)
    with services().decoding.hold(cost):
        batch = loaded.reader.read(content_type, body, limit)
        yield Predicted(batch, predict(loaded, batch, beside=beside), largest_reply(cost))


def predict_row(loaded: LoadedVersion, row: Mapping[str, str]) -> Predicted:
    """Predict one row, typed as text by column. Raises as ``predicting`` does."""
    with predicting(loaded, FORM, urlencode(row).encode(), beside=True) as predicted:
        return predicted


def predict(loaded: LoadedVersion, batch: Batch, *, beside: bool = False) -> Predictions:
    """Predict ``batch``, as in ``predicting``."""
    predictor = loaded.predictor
    call: Predict = predictor.predict
    if beside and predictor.has_probabilities:
        call = partial(predictor.predict, probabilities=True)
    elif beside and predictor.scored is not None:
        call = predictor.scored
    return predictions_of(request.environ, loaded, call, batch)


def named(fields: Sequence[Field], texts: Texts) -> dict[str, str]:
    """What is typed, by column."""
    return {field.name: texts.get(field.key, "") for field in fields}


def record_of(fields: Sequence[Field], batch: Batch) -> dict[str, Scalar]:
    """The first row of ``batch`` as JSON."""
    return {field.name: array_to_cell(field.type, batch.columns[field.name][0]) for field in fields}
