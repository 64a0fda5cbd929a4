"""Predictions to bytes."""

from typing import Any

import msgspec

from registry.serving.codecs.batch import Batch
from registry.serving.predictor import Answers
from registry.signature import Signature, label_text

_encode = msgspec.json.Encoder().encode


def encode_json(
    model: str, number: int, batch: Batch, answers: Answers, signature: Signature
) -> bytes:
    """The JSON reply: ``prediction`` for a single row, ``predictions`` for a batch."""
    reply: dict[str, Any] = {"model": model, "version": number}
    if batch.single:
        reply["prediction"] = answers.values[0]
    else:
        reply["predictions"] = answers.values
    if answers.probabilities is not None:
        labels = [label_text(label) for label in signature.output.classes or ()]
        rows = [dict(zip(labels, row, strict=True)) for row in answers.probabilities.tolist()]
        reply["probabilities"] = rows[0] if batch.single else rows
    return _encode(reply)


def encode_arrow(answers: Answers, signature: Signature) -> bytes:
    """An Arrow stream with the output's column and, if asked, ``probability_<class>`` for each."""
    import pyarrow as pa

    columns: dict[str, Any] = {signature.output.name: pa.array(answers.values)}
    if answers.probabilities is not None:
        for label, share in zip(
            signature.output.classes or (), answers.probabilities.T, strict=True
        ):
            columns[f"probability_{label_text(label)}"] = pa.array(share)
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded
