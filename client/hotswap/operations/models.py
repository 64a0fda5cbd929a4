"""Models and versions."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from hotswap import download
from hotswap.artifact_formats import format_of
from hotswap.multipart import UploadBody
from hotswap.operations.service import JSON, SLOW_SECONDS, Reference, Service
from hotswap.pages import all_items
from hotswap.replies import CompiledForms, Model, Uploaded, Version
from hotswap.requested import json_body, with_key
from hotswap.transport import path_of


class Models(Service):
    """Models and their versions: lists, uploads, downloads and what is known of a version."""

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
        model: dict[str, Any] = {"name": name, "description": description}
        if tags:  # services of earlier releases refuse the key
            model["tags"] = dict(tags)
        reply = self._transport.request(
            "POST",
            "/models",
            body=json_body(model),
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
