"""A prediction that waits for another process lets the worker answer others meanwhile."""

import io
import threading

import pytest

from api.decoding import DecodingBudget
from api.predict import PredictionEndpoint
from api.receiving import PLACE, Places
from registry.codecs.predictions import Predictions
from registry.engines.served_version import ServedVersion
from registry.live.pool import LoadedVersion
from registry.signature import Column, Output, Signature
from registry.watching.predictions import NoPredictionCounts

SIGNATURE = Signature((Column("x", "number"),), Output("y", "number"))


class Watch:
    """Has one version, which needs no token."""

    def __init__(self, predictor):
        version = ServedVersion("m", 1, "onnx", "0" * 64, 1, SIGNATURE, None)
        self._loaded = LoadedVersion(version, predictor)

    def cached(self, _):
        return self._loaded


class Predictor:
    """Tells whether another request can have a place while it answers."""

    signature = SIGNATURE
    has_probabilities = False

    def __init__(self, places, *, waits):
        self.waits = waits
        self._places = places

    def predict(self, *_, **__):
        other = threading.Thread(target=lambda: (self._places.enter(), self._places.leave(None)))
        other.start()
        other.join(5 if self.waits else 0.1)
        return Predictions([0.0 if other.is_alive() else 1.0])


@pytest.mark.parametrize("body", [b'{"x": 1}', b'{"x": 1, "more": "%s"}' % (b"x" * 2**17)])
@pytest.mark.parametrize("waits", [True, False])
def test_only_waiting_predictions_release_their_place(waits, body):
    places = Places(1)
    endpoint = PredictionEndpoint(
        Watch(Predictor(places, waits=waits)),
        None,
        DecodingBudget(2**20),
        2**20,
        anonymous=True,
        counts=NoPredictionCounts(),
    )
    environ = {
        PLACE: places,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "REMOTE_ADDR": "127.0.0.1",
    }
    places.enter()

    reply = endpoint.answer(environ, "m", "1", "id")
    places.leave(None)

    assert (reply.status, reply.body) == (
        200,
        b'{"model":"m","version":1,"prediction":%s}' % (b"1.0" if waits else b"0.0"),
    )
