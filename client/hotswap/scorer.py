"""Predicts with a version in the process that calls, for Dask, Ray and Spark."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from hotswap.address import service_address
from hotswap.batches import DataFrame
from hotswap.engine import engine_of
from hotswap.errors import DownloadDamaged, NotCompiled, ReplyNotUnderstood
from hotswap.inputs import Predictable, batch_of
from hotswap.labels import label_text
from hotswap.operations.service import Reference
from hotswap.parts import Limit, predict_in_parts
from hotswap.registry import Registry
from hotswap.replies import CompiledForms, Prediction, Signature

_PART = 8 * 2**20
"""Bytes of rows that are encoded at a time."""
_SHA256 = re.compile("[0-9a-f]{64}")


def load_scorer(
    name: str,
    version: Reference = "production",
    *,
    url: str | None = None,
    token: str | None = None,
    cache: str | Path | None = None,
) -> "Scorer":
    """A function that predicts with a version in the process that calls it.

    The version of an alias is looked up now, and stays. ``url`` and ``token`` default to
    HOTSWAP_URL and HOTSWAP_TOKEN. Compiled forms are downloaded once to the folder ``cache``, by
    default ``hotswap`` in the user's cache folder.

    Raises NotCompiled for a version that only the service can predict with, and what ``Registry``
    raises.
    """
    address, secret = service_address(url, token)
    with Registry(address, secret) as registry:
        return scorer_of(registry.compiled(name, version), address, secret, cache)


def scorer_of(
    compiled: CompiledForms, url: str, token: str | None, cache: str | Path | None = None
) -> "Scorer":
    """As ``load_scorer``, for a version whose forms are known. Raises NotCompiled, and
    ReplyNotUnderstood where the service did not give a SHA-256 for each form."""
    if not compiled["forms"]:
        reason = compiled["engine"].get("reason") or (
            f"its engine is {compiled['engine'].get('name')}"
        )
        raise NotCompiled(compiled["model"], compiled["version"], reason)
    # They become names of files in the cache.
    if wrong := [name for name, found in compiled["forms"].items() if not _is_sha256(found)]:
        raise ReplyNotUnderstood(url, 200, f"the form {wrong[0]!r} has no SHA-256")
    return Scorer(
        compiled["model"],
        compiled["version"],
        compiled["forms"],
        compiled["signature"],
        url,
        token,
        None if cache is None else Path(cache),
    )


@dataclass(frozen=True, slots=True)
class Scorer:
    """Predicts with one version. Can be pickled, and used from several threads.

    A process that gets one downloads the version when it first predicts, unless the cache has it,
    and keeps it loaded. A pickled scorer contains the token.
    """

    model: str
    version: int
    forms: Mapping[str, str]
    signature: Signature
    url: str
    token: str | None = field(repr=False)
    cache: Path | None = None

    def __call__(self, data: Predictable) -> Any:
        """The prediction for a record; of rows a list, and of a DataFrame a Series with its index.

        Raises what ``predict`` raises.
        """
        reply = self.predict(data)
        if "prediction" in reply:
            return reply["prediction"]
        predictions = reply["predictions"]
        if not isinstance(data, DataFrame):
            return predictions
        kind = None if predictions else self._dtype()
        series = import_module("pandas").Series
        return series(predictions, index=cast(Any, data).index, name="prediction", dtype=kind)

    def probabilities(self, data: DataFrame) -> Any:
        """The probability of each class, as a DataFrame with the index of ``data``.

        Raises what ``predict`` raises.
        """
        rows = self.predict(data, probabilities=True)["probabilities"]
        labels = [label_text(label) for label in self.signature["output"].get("classes") or ()]
        pandas = import_module("pandas")
        return pandas.DataFrame(rows, index=cast(Any, data).index, columns=labels, dtype="float64")

    def predict(
        self, data: Predictable, *, probabilities: bool = False, scores: bool = False
    ) -> Prediction:
        """The reply that ``Registry.predict`` gives for this version, without a request. No rows
        have no predictions.

        Raises EngineUnavailable, DownloadDamaged, the ProblemReply that the service would answer
        with, ValueError, and what ``Registry`` raises for the download.
        """
        batch = batch_of(data)
        if not batch.count:
            empty: Prediction = {"model": self.model, "version": self.version, "predictions": []}
            return {**empty, "probabilities": []} if probabilities else empty
        engine = engine_of(self.model, self.version, self.forms, self.signature, self._read)

        def answer(body: bytes, _: int | None) -> dict[str, Any]:
            return engine.answer(
                batch.content_type, body, probabilities=probabilities, scores=scores
            )

        return cast(Prediction, batch.reply(predict_in_parts(batch, Limit(_PART), answer)))

    def _read(self, form: str) -> bytes:
        """The bytes of a compiled form, downloaded unless the cache has them intact."""
        digest = self.forms[form]
        folder = _cache_folder() if self.cache is None else self.cache
        path = folder / digest
        if path.exists() and (content := path.read_bytes()) and _sha256(content) == digest:
            return content
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with Registry(self.url, self.token) as registry:
            registry.download_form(self.model, self.version, form, path)
        content = path.read_bytes()
        if (received := _sha256(content)) != digest:
            path.unlink()
            raise DownloadDamaged(digest, received)
        return content

    def _dtype(self) -> str:
        return "float64" if self.signature["output"].get("classes") is None else "object"


def _cache_folder() -> Path:
    named = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named else Path.home() / ".cache") / "hotswap"


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
