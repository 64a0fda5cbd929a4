"""The confined process that predicts for a version without compiled forms."""

import json
import os
import warnings

import msgspec

from registry.confinement.channel import Channel
from registry.engines.allocator import release_free_memory
from registry.engines.model_messages import (
    MAX_DETAIL,
    Load,
    Loaded,
    Refused,
    read_request,
    write_reply,
)
from registry.engines.onnx_runtime import open_session
from registry.engines.predictor import Predictor, SklearnPredictor
from registry.engines.uploaded_onnx import UploadedOnnx
from registry.errors import PredictionRefused, RegistryError
from registry.formats.reading import read_model
from registry.signature import Signature

_LARGE = 2**13
"""Cells of a batch from which memory is returned to the system, in a tenth of the time it took."""


def serve(channel: Channel, files: list[int]) -> None:
    """Load the artifact in the only file of ``files``; then reply to requests until the channel is
    closed."""
    message = channel.receive()
    if message is None:
        return
    warnings.simplefilter("ignore")  # the process has no standard streams
    try:
        predictor = _load(message, files[0])
    except RegistryError as error:
        channel.send(msgspec.json.encode(Refused(error.detail[:MAX_DETAIL])))
        return
    has_scores = predictor.scored is not None
    channel.send(msgspec.json.encode(Loaded(predictor.has_probabilities, has_scores)))
    while (head := channel.receive()) is not None:
        reply, cells = _reply(predictor, head, channel)
        if cells > _LARGE:
            release_free_memory()
        channel.send(*reply)


def _load(message: bytes, file: int) -> Predictor:
    load = msgspec.convert(json.loads(message), type=Load)
    signature = Signature.from_json(load.signature)
    with os.fdopen(file, "rb") as artifact:
        if load.format == "onnx":
            session = open_session(artifact.read(), keep_memory=False)
            return UploadedOnnx(session, signature, load.input_example)
        return SklearnPredictor(read_model(artifact, load.format), signature)


def _reply(predictor: Predictor, head: bytes, channel: Channel) -> tuple[list[bytes], int]:
    """The messages of the reply, and the number of cells of the request."""
    signature = predictor.signature
    batch, required = read_request(head, lambda _: channel.receive() or b"", signature)
    cells = batch.rows * len(batch.columns)
    try:
        if required.scores and predictor.scored is not None:
            return write_reply(predictor.scored(batch), signature), cells
        predictions = predictor.predict(batch, probabilities=required.probabilities)
        return write_reply(predictions, signature), cells
    except PredictionRefused as error:
        return [msgspec.json.encode(Refused(error.detail[:MAX_DETAIL]))], cells
