"""Predictions."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from hotswap.batches import ARROW, Batch
from hotswap.errors import UnsupportedFormat
from hotswap.inputs import Predictable, batch_of
from hotswap.operations.service import Reference, Service
from hotswap.parts import below, predict_in_parts
from hotswap.replies import PredictedCsv, Prediction
from hotswap.transport import path_of

CSV = "text/csv"


class Predictions(Service):
    """Predictions of rows, in parts where there are many."""

    def predict(
        self,
        name: str,
        data: Predictable,
        *,
        version: Reference | None = None,
        content_type: str | None = None,
        probabilities: bool = False,
        scores: bool = False,
    ) -> Prediction:
        """Predict from one record; from rows, as records or lists, a DataFrame, an Arrow table or
        an array of two dimensions; or from bytes as they are.

        The reply to one record has ``prediction``, to rows ``predictions``. With ``probabilities``
        it also has those of the classes, with ``scores`` the ``score`` or ``scores`` of a detector
        of outliers. ``version`` is
        ``production`` by default. Tables are sent as Arrow if the client and the service have
        pyarrow, else as JSON. Too many rows for one request are sent in parts, all predicted by
        the same version. Bytes require their ``content_type``. Raises ValueError for values
        that cannot be sent.
        """
        query = _flags(probabilities=probabilities, scores=scores)

        def send(batch: Batch, body: bytes, number: int | None) -> dict[str, Any]:
            reply = self._transport.request(
                "POST",
                _predictions_of(name, version if number is None else number),
                query=query or None,
                body=body,
                headers={"Content-Type": batch.content_type},
                repeatable=True,
            )
            wanted = "predictions" if batch.count > 1 or batch.unwrap else "version"
            return reply.object("model", "version", wanted)

        batch, reply = self._predict(data, content_type, send)
        return cast(Prediction, batch.reply(reply))

    def predict_csv(
        self,
        name: str,
        data: Predictable,
        *,
        version: Reference | None = None,
        content_type: str | None = None,
        probabilities: bool = False,
        scores: bool = False,
        with_inputs: bool = False,
    ) -> PredictedCsv:
        """As ``predict``, with the reply as a CSV file: ``prediction``, and ``probability_<class>``
        for each class or ``score``.

        With ``with_inputs`` the rows are before the predictions: all columns of CSV as they were
        sent, the model's columns of other data. Texts are not changed, also where a spreadsheet
        would calculate them.
        """
        query = _flags(probabilities=probabilities, scores=scores, with_inputs=with_inputs)

        def send(batch: Batch, body: bytes, number: int | None) -> dict[str, Any]:
            path = _predictions_of(name, version if number is None else number)
            served, text = self._transport.predicted(path, CSV, query, body, batch.content_type)
            return {"version": served, "predictions": [text if number is None else below(text)]}

        _, reply = self._predict(data, content_type, send)
        return PredictedCsv(reply["version"], "".join(reply["predictions"]))

    def _predict(
        self,
        data: Predictable,
        content_type: str | None,
        send: Callable[[Batch, bytes, int | None], dict[str, Any]],
    ) -> tuple[Batch, dict[str, Any]]:
        """The rows of ``data``, and the reply to all of them, which ``send`` gives for a part."""
        batch = batch_of(data, content_type, arrow=self._reads_arrow)
        try:
            return batch, predict_in_parts(batch, self._limit, partial(send, batch))
        except UnsupportedFormat:
            if isinstance(data, bytes) or batch.content_type != ARROW:
                raise
            self._reads_arrow = False
            return self._predict(data, content_type, send)


def _predictions_of(name: str, version: Reference | None) -> str:
    """The path of the predictions of a version; None: of ``production``."""
    return path_of("models", name, *([] if version is None else [version]), "predict")


def _flags(**required: bool) -> dict[str, str]:
    return {name: "true" for name, value in required.items() if value}
