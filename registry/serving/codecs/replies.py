"""Predictions to bytes."""

from typing import Any

import msgspec

from registry.serving.predictor import Answers
from registry.signature import Signature, label_text

_encode = msgspec.json.Encoder().encode


class JsonWriter:
    """Writes the replies of one version. Safe to use from several threads."""

    def __init__(self, model: str, number: int, signature: Signature) -> None:
        # All replies of a version begin alike.
        start = _encode({"model": model, "version": number})[:-1]
        self._one = start + b',"prediction":'
        self._many = start + b',"predictions":'
        self._labels = [label_text(label) for label in signature.output.classes or ()]

    def write(self, answers: Answers, *, single: bool) -> bytes:
        """The JSON reply: ``prediction`` for a single row, ``predictions`` for a batch."""
        values = answers.values
        reply = self._one + _encode(values[0]) if single else self._many + _encode(values)
        if answers.probabilities is None:
            return reply + b"}"
        rows = [dict(zip(self._labels, row, strict=True)) for row in answers.probabilities.tolist()]
        return reply + b',"probabilities":' + _encode(rows[0] if single else rows) + b"}"


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
