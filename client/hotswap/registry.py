"""The service as a Python object, with a method for each operation."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, Self, cast

from hotswap import download
from hotswap.artifact_formats import format_of
from hotswap.batches import ARROW, Batch
from hotswap.errors import ClientError, UnsupportedFormat
from hotswap.following import follow
from hotswap.holdouts import PARQUET, HoldoutData, holdout_body
from hotswap.inputs import Predictable, batch_of
from hotswap.multipart import UploadBody
from hotswap.pages import all_items
from hotswap.parts import Limit, below, predict_in_parts
from hotswap.replies import (
    Alias,
    CompiledForms,
    Event,
    GateReport,
    Health,
    HistoryHead,
    Holdout,
    Model,
    NewToken,
    Policy,
    PredictedCsv,
    Prediction,
    Promotion,
    Token,
    Traffic,
    Uploaded,
    Verdict,
    Version,
)
from hotswap.requested import json_body, promotion_request, with_key
from hotswap.retries import NEVER, Retries, may_pass
from hotswap.transport import Transport, path_of

CSV, JSON = "text/csv", "application/json"
SLOW_SECONDS = 900.0
"""How long an upload or a promotion may take: the model is inspected, compiled and warmed."""
READY_SECONDS = 0.2
"""Between two checks whether the service is ready."""
LARGEST_PREDICTION = 16 * 2**20
"""The largest body that the service accepts by default (HOTSWAP_MAX_PREDICT_MB)."""


class Unset(Enum):
    """``expected_version`` without a condition; None requires that there is no alias."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET
ExpectedVersion = int | None | Literal[Unset.UNSET]
Reference = int | str
"""A version number, an alias or ``latest``."""


class Registry(AbstractContextManager["Registry"]):
    """A client of the service at ``url``.

    Every method raises ServiceUnreachable if no response was received, a subclass of ProblemReply
    (see ``hotswap.errors``) if the service refused the request, and ReplyNotUnderstood if the
    response is not one of the service. Names that a URL cannot hold, and idempotency keys that a
    header cannot hold, raise ValueError. Lists are lazy: a page is requested when its first item is
    needed. Not to be shared between threads.

    Broken connections, 429, 502, 503 and 504 are retried as ``Retries`` says, if the request may be
    repeated: reads, predictions, and requests with an idempotency key, which every upload,
    promotion and rollback has (a new one if none is given).
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        timeout: float = 60.0,
        retries: Retries | None = None,
        largest_prediction: int = LARGEST_PREDICTION,
    ) -> None:
        """``timeout`` is in seconds; batches larger than ``largest_prediction`` bytes are sent in
        parts. Raises AddressMalformed."""
        self._address = (url, token, timeout)
        self._transport = Transport(url, token, timeout, retries or Retries())
        self._limit = Limit(largest_prediction)
        self._reads_arrow = True  # until it answers otherwise: pyarrow is an extra of the service

    def with_retries(self, retries: Retries) -> "Registry":
        """A client of the same service with the same token and other retries."""
        return Registry(*self._address, retries, self._limit.bytes)

    @property
    def token(self) -> str | None:
        """The token that the client sends."""
        return self._address[1]

    @property
    def url(self) -> str:
        """The address of the service, without a slash at its end."""
        return self._transport.url

    def public_url(self) -> str:
        """The address of the service for links: its HOTSWAP_PUBLIC_URL, or else ``url``."""
        return str(self._get("/version", "version").get("public_url") or self.url)

    def models(
        self,
        query: str | None = None,
        tag: tuple[str, str] | None = None,
        *,
        sort: str | None = None,
        live: bool = False,
    ) -> Iterator[Model]:
        """The registered models whose name contains ``query`` and that have the pair ``tag``.

        ``sort`` is ``name``, ``updated``, ``requests`` or ``failures``, with ``-`` before it for
        the largest first. With ``live`` each has ``live``, what its aliases point at, and
        ``newest_ready``.
        """
        parameters = {} if query is None else {"q": query}
        if tag is not None:
            parameters["tag"] = ":".join(tag)
        if sort is not None:
            parameters["sort"] = sort
        if live:
            parameters["include"] = "live"
        return all_items(self._transport, "/models", parameters)

    def model(self, name: str) -> Model:
        """One registered model."""
        return cast(Model, self._get(path_of("models", name), "name"))

    def create_model(
        self, name: str, *, description: str = "", tags: Mapping[str, str] | None = None
    ) -> Model:
        """Create a model without versions; an upload also does, if there is none."""
        reply = self._transport.request(
            "POST",
            "/models",
            body=json_body({"name": name, "description": description, "tags": dict(tags or {})}),
            headers={"Content-Type": JSON},
        )
        return cast(Model, reply.object("name"))

    def versions(
        self,
        name: str,
        *,
        sort: str | None = None,
        status: str | None = None,
        kind: str | None = None,
        tag: tuple[str, str] | None = None,
        intervals: bool = False,
    ) -> Iterator[Version]:
        """The versions of a model, newest first or by ``sort``, such as ``-metrics.rmse``; only
        those with this ``status``, ``kind`` and ``tag``.

        With ``intervals`` each has ``metric_intervals`` and ``baseline``.
        """
        include = "intervals" if intervals else None
        query = {
            "sort": sort,
            "status": status,
            "kind": kind,
            "tag": tag and ":".join(tag),
            "include": include,
        }
        given = {key: value for key, value in query.items() if value}
        return all_items(self._transport, path_of("models", name, "versions"), given)

    def version(self, name: str, version: Reference) -> Version:
        """One version of a model."""
        return cast(Version, self._get(path_of("models", name, version), "model", "version"))

    def upload(
        self,
        name: str,
        artifact: Path | bytes,
        metadata: Mapping[str, Any] | None = None,
        *,
        filename: str | None = None,
        idempotency_key: str | None = None,
        reuse: bool = False,
        training_rows: bytes | None = None,
    ) -> Uploaded:
        """Register a new version; a file is read from disk while it is sent.

        With ``reuse``, if the model has a version with the same bytes, metrics, signature and
        lineage, that one is returned and no new one is created.

        ``training_rows`` are the hashes of the rows that the model was fitted on
        (``hotswap.evaluation.row_hashes``), by which the service finds them in a holdout.

        ``filename`` replaces the name of the file, whose ending gives the format if ``metadata``
        does not; files of XGBoost and LightGBM are also recognised by their first bytes. Raises
        OSError if the file cannot be read, ValueError if the metadata is not JSON.
        """
        path = path_of("models", name, "versions")
        metadata = metadata or {}
        if isinstance(artifact, Path) and filename is None and "format" not in metadata:
            found = format_of(artifact)
            metadata = metadata if found is None else {**metadata, "format": found}
        reply = self._transport.upload(
            f"{path}?reuse=true" if reuse else path,
            lambda: UploadBody(artifact, metadata, filename, training_rows),
            with_key(idempotency_key),
            SLOW_SECONDS,
        )
        replayed = reply.headers.get("Idempotent-Replayed", "").lower() == "true"
        return Uploaded(cast(Version, reply.object("model", "version")), replayed)

    def download(self, name: str, version: Reference, to: Path) -> str:
        """Write the uploaded bytes of a version to the file ``to``; returns their SHA-256.

        The file appears only when all bytes have arrived and have the announced hash. Raises
        OSError, DownloadDamaged.
        """
        return download.artifact(self._transport, path_of("models", name, version, "artifact"), to)

    def compiled(self, name: str, version: Reference) -> CompiledForms:
        """The compiled forms of a version, from which ``load_scorer`` predicts."""
        path = path_of("models", name, version, "compiled")
        return cast(CompiledForms, self._get(path, "model", "version", "signature", "forms"))

    def download_form(self, name: str, version: Reference, form: str, to: Path) -> str:
        """As ``download``, for a compiled form."""
        path = path_of("models", name, version, "compiled", form)
        return download.artifact(self._transport, path, to)

    def promote(
        self,
        name: str,
        version: Reference,
        *,
        alias: str | None = None,
        expected_version: ExpectedVersion = UNSET,
        reason: str | None = None,
        gates: Sequence[str] = (),
        force: bool = False,
        idempotency_key: str | None = None,
    ) -> Promotion:
        """Point ``alias`` (default: ``production``) at a version; returns when it is live.

        ``expected_version`` makes it a compare-and-set: the version that the alias must point at
        now, or None if the alias must not exist yet. ``gates`` are checked in addition to those of
        the model's policy. Raises ``problems.GateFailed`` if one fails; ``force`` moves the alias
        nevertheless, and requires a reason.
        """
        request = promotion_request(alias=alias, reason=reason, gates=list(gates) or None)
        if expected_version is not UNSET:
            request["expected_version"] = expected_version
        if force:
            request["force"] = True
        path = path_of("models", name, version, "promote")
        return self._move(path, request, idempotency_key)

    def rollback(
        self,
        name: str,
        *,
        to_version: int | None = None,
        alias: str | None = None,
        reason: str | None = None,
        expected_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> Promotion:
        """Point ``alias`` at its previous version, or at ``to_version``; with
        ``expected_version`` only if it points at that one now."""
        request = promotion_request(
            alias=alias, reason=reason, to_version=to_version, expected_version=expected_version
        )
        path = path_of("models", name, "rollback")
        return self._move(path, request, idempotency_key)

    def evaluate(
        self,
        name: str,
        version: Reference,
        *,
        alias: str | None = None,
        gates: Sequence[str] = (),
    ) -> GateReport:
        """The results of the gates that a promotion would have now. Moves no alias."""
        request = promotion_request(alias=alias, gates=list(gates) or None)
        reply = self._transport.request(
            "POST",
            path_of("models", name, version, "evaluate"),
            body=json_body(request),
            headers={"Content-Type": JSON},
            patience=SLOW_SECONDS,
            repeatable=True,
        )
        return cast(GateReport, reply.object("passed", "gates"))

    def verdict(self, name: str, version: Reference, *, alias: str | None = None) -> Verdict:
        """The last result of ``evaluate`` without additional gates.

        Raises ProblemReply with status 404 if there is none, or if the alias, the policy or the
        holdout has changed since.
        """
        reply = self._transport.request(
            "GET",
            path_of("models", name, version, "verdict"),
            query=None if alias is None else {"alias": alias},
        )
        return cast(Verdict, reply.object("passed", "gates"))

    def policy(self, name: str) -> Policy:
        """The gates of every promotion of a model."""
        return cast(Policy, self._get(path_of("models", name, "policy"), "gates"))

    def set_policy(self, name: str, gates: Sequence[str]) -> Policy:
        """Replace the gates of a model's promotions."""
        reply = self._transport.request(
            "PUT",
            path_of("models", name, "policy"),
            body=json_body({"gates": list(gates)}),
            headers={"Content-Type": JSON},
        )
        return cast(Policy, reply.object("gates"))

    def holdout(self, name: str) -> Holdout:
        """The holdout data on which promotions of a model are measured."""
        return cast(Holdout, self._get(path_of("models", name, "holdout"), "sha256"))

    def holdouts(self, name: str) -> Iterator[Holdout]:
        """Every holdout that the model has had, newest first."""
        return all_items(self._transport, path_of("models", name, "holdout"), {"history": "true"})

    def set_holdout(self, name: str, data: HoldoutData, *, target: str | None = None) -> Holdout:
        """Measure promotions of a model on ``data`` from now on: a CSV or Parquet file, or a
        DataFrame. ``target`` is the column to predict, by default that of the model's signature.

        Raises OSError if the file cannot be read, ValueError for an unknown ending.
        """
        content, content_type = holdout_body(data, parquet=self._reads_arrow)
        try:
            reply = self._transport.request(
                "PUT",
                path_of("models", name, "holdout"),
                query=None if target is None else {"target": target},
                body=content,
                headers={"Content-Type": content_type},
                patience=SLOW_SECONDS,
            )
        except UnsupportedFormat:
            if isinstance(data, Path) or content_type != PARQUET:
                raise
            self._reads_arrow = False
            return self.set_holdout(name, data, target=target)
        return cast(Holdout, reply.object("sha256"))

    def delete_holdout(self, name: str) -> None:
        """Remove the holdout of a model."""
        self._transport.request("DELETE", path_of("models", name, "holdout"))

    def compare(self, name: str, versions: Sequence[Reference]) -> dict[str, Any]:
        """Versions side by side: metrics, parameters, signature, lineage and environment."""
        query = {"versions": ",".join(map(str, versions))}
        path = path_of("models", name, "compare")
        return self._transport.request("GET", path, query=query).object("versions")

    def evaluation(self, name: str, version: Reference) -> dict[str, Any]:
        """The stored evaluation of a version: baseline, counts of rows, figures of plots."""
        return self._get(path_of("models", name, version, "evaluation"))

    def card(self, name: str, version: Reference, media_type: str = "text/markdown") -> str:
        """The model card of a version, as Markdown or as ``text/html``."""
        return self._transport.text(path_of("models", name, version, "card"), media_type)

    def plot(self, name: str, version: Reference, plot: str) -> str:
        """A plot of a version's evaluation as SVG: ``predicted_vs_true``, ``residuals``,
        ``confusion_matrix``, ``roc``, ``precision_recall``, ``calibration``, ``importances`` or
        ``coefficients``. Raises ``problems.PlotNotFound`` if there are no data for it."""
        path = path_of("models", name, version, "plots", f"{plot}.svg")
        return self._transport.text(path, "image/svg+xml")

    def aliases(self, name: str) -> Iterator[Alias]:
        """The aliases of a model and the version that each points at."""
        return all_items(self._transport, path_of("models", name, "aliases"))

    def alias(self, name: str, alias: str, at: datetime | None = None) -> Alias:
        """One alias; with ``at``, which must have a time zone, what it pointed at at that time.

        Raises ``problems.AliasNotFound`` if there is, or was, none.
        """
        reply = self._transport.request(
            "GET",
            path_of("models", name, "aliases", alias),
            query=None if at is None else {"at": at.isoformat()},
        )
        return cast(Alias, reply.object("alias", "version"))

    def delete_alias(self, name: str, alias: str) -> None:
        """Delete an alias; its version is kept."""
        self._transport.request("DELETE", path_of("models", name, "aliases", alias))

    def history(self, name: str) -> Iterator[Event]:
        """The events of a model, newest first."""
        return all_items(self._transport, path_of("models", name, "history"))

    def follow(
        self, name: str, *, after: int | None = None, seconds: float = 2.0
    ) -> Iterator[Event]:
        """The events of a model as they happen, oldest first, without end: those after the event
        with the number ``after``, or from now on. Sends a request every ``seconds``."""
        return follow(self._transport, path_of("models", name, "history"), after, seconds)

    def events(
        self,
        *,
        model: str | None = None,
        type: str | None = None,
        actor: str | None = None,
        alias: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Event]:
        """The events of all models that the token covers, newest first; for an admin also those of
        tokens. Each argument selects; ``since`` is included, ``until`` is not, and both must have a
        time zone.
        """
        query = {
            "model": model,
            "type": type,
            "actor": actor,
            "alias": alias,
            "from": since and since.isoformat(),
            "to": until and until.isoformat(),
        }
        given = {key: value for key, value in query.items() if value is not None}
        return all_items(self._transport, "/history", given, cursor="before")

    def history_head(self) -> HistoryHead:
        """Where the hash chain of the history ends, and the outcome of its last check."""
        return cast(HistoryHead, self._get("/history/head", "seq", "hash"))

    def verify_history(self) -> HistoryHead:
        """Let the service verify the hash chain of the history. Requires the scope admin.

        Raises HistoryBroken.
        """
        reply = self._transport.request("POST", "/history/verify")
        return cast(HistoryHead, reply.object("seq", "hash"))

    def traffic(
        self,
        name: str,
        window: str = "1h",
        *,
        until: datetime | None = None,
        version: int | None = None,
    ) -> Traffic:
        """The predictions of each version in a ``window`` of ``10m``, ``1h``, ``24h`` or ``30d``
        that ends at ``until``, which must have a time zone; now by default."""
        query = {"window": window}
        if until is not None:
            query["until"] = until.isoformat()
        if version is not None:
            query["version"] = str(version)
        reply = self._transport.request("GET", path_of("models", name, "traffic"), query=query)
        return cast(Traffic, reply.object("window", "versions"))

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

    def tokens(self, *, state: str | None = None, q: str | None = None) -> Iterator[Token]:
        """The tokens, without their secrets: those that are ``valid``, ``expired`` or ``revoked``,
        and whose name contains ``q``."""
        given = {key: value for key, value in (("state", state), ("q", q)) if value is not None}
        return all_items(self._transport, "/tokens", given)

    def own_token(self) -> Token:
        """The token of this client: its name, scopes and models."""
        return cast(Token, self._get("/tokens/self", "name", "scopes"))

    def create_token(
        self,
        name: str,
        scopes: Sequence[str],
        *,
        models: Sequence[str] = (),
        expires_at: datetime | None = None,
        kind: str | None = None,
    ) -> NewToken:
        """Create a token; only this reply has its secret.

        ``models`` are glob patterns, none means all. ``expires_at`` must have a time zone.
        ``kind`` says who uses it: ``program`` (the default) or ``person``.
        """
        request: dict[str, Any] = {"name": name, "scopes": list(scopes)}
        if kind is not None:
            request["kind"] = kind
        if models:
            request["models"] = list(models)
        if expires_at is not None:
            request["expires_at"] = expires_at.isoformat()
        reply = self._transport.request(
            "POST", "/tokens", body=json_body(request), headers={"Content-Type": JSON}
        )
        return cast(NewToken, reply.object("id", "token"))

    def rotate_token(self, token_id: int) -> NewToken:
        """Replace a token by a new one with the same rights, and revoke it immediately; only this
        reply has the new secret."""
        reply = self._transport.request("POST", path_of("tokens", token_id, "rotate"))
        return cast(NewToken, reply.object("id", "token"))

    def revoke_token(self, token_id: int) -> None:
        """Revoke a token immediately."""
        self._transport.request("DELETE", path_of("tokens", token_id))

    def health(self) -> Health:
        """Whether the service is well; in full for a token with the scope ``admin``."""
        return cast(Health, self._get("/health", "status", "summary"))

    def check(self) -> None:
        """Check by a small request that the service responds and accepts the token."""
        self._transport.request("GET", "/models", query={"page_size": 1})

    def wait_ready(self, seconds: float = 60.0) -> None:
        """Return as soon as the service is ready.

        Raises its last error, or ServiceUnreachable, after ``seconds``.
        """
        url, token, timeout = self._address
        deadline = time.monotonic() + seconds
        transport = Transport(url, token, min(timeout, max(seconds, 1.0)), NEVER)
        try:
            while True:
                try:
                    transport.request("GET", "/readyz")
                except ClientError as error:
                    if not may_pass(error) or time.monotonic() >= deadline:
                        raise
                    time.sleep(READY_SECONDS)
                else:
                    return
        finally:
            transport.close()

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _get(self, path: str, *keys: str) -> dict[str, Any]:
        return self._transport.request("GET", path).object(*keys)

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

    def _move(
        self, path: str, request: Mapping[str, Any], idempotency_key: str | None
    ) -> Promotion:
        headers = {"Content-Type": JSON, **with_key(idempotency_key)}
        reply = self._transport.request(
            "POST", path, body=json_body(request), headers=headers, patience=SLOW_SECONDS
        )
        return cast(Promotion, reply.object("model", "alias", "version"))


def _predictions_of(name: str, version: Reference | None) -> str:
    """The path of the predictions of a version; None: of ``production``."""
    return path_of("models", name, *([] if version is None else [version]), "predict")


def _flags(**required: bool) -> dict[str, str]:
    return {name: "true" for name, value in required.items() if value}
