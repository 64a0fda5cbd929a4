"""The service's engines, for predictions in this process. The only module that imports them.

They are part of the service's distribution. A compiled form is plain arrays, or an ONNX file that
the service wrote: nothing is unpickled.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hotswap.errors import EngineUnavailable, ProblemReply
from hotswap.problems import reply_of_type
from hotswap.replies import Signature

if TYPE_CHECKING:
    from registry.codecs.requests import RequestReader
    from registry.engines.predictor import Predictor

_MOST_BYTES = 2**40
"""The limit of a body here, where there are no other callers."""
_KEPT = 8

_lock = threading.Lock()
_engines: "OrderedDict[tuple[str, ...], Engine]" = OrderedDict()


class Engine:
    """A loaded version. Safe to use from several threads."""

    def __init__(
        self, model: str, version: int, predictor: "Predictor", reader: "RequestReader"
    ) -> None:
        self._model = model
        self._version = version
        self._predictor = predictor
        self._reader = reader

    def answer(
        self, content_type: str, body: bytes, *, probabilities: bool, scores: bool
    ) -> dict[str, Any]:
        """The reply of the service to ``body``.

        Raises the ProblemReply that the service would answer with.
        """
        from registry.errors import NoProbabilities, NoScores, RegistryError
        from registry.signature import label_text

        try:
            if probabilities and not self._predictor.has_probabilities:
                raise NoProbabilities(self._model, self._version)
            if scores:  # only models without a compiled form have them
                raise NoScores(self._model, self._version)
            batch = self._reader.read(content_type, body, _MOST_BYTES)
            found = self._predictor.predict(batch, probabilities=probabilities)
        except RegistryError as error:
            raise _problem(error) from error
        reply: dict[str, Any] = {"model": self._model, "version": self._version}
        if batch.single:
            reply["prediction"] = found.values[0]
        else:
            reply["predictions"] = found.values
        if found.probabilities is not None:
            classes = self._predictor.signature.output.classes or ()
            labels = list(map(label_text, classes))
            rows = [dict(zip(labels, row, strict=True)) for row in found.probabilities.tolist()]
            reply["probabilities"] = rows[0] if batch.single else rows
        return reply


def engine_of(
    model: str,
    version: int,
    forms: Mapping[str, str],
    signature: Signature,
    read: Callable[[str], bytes],
) -> Engine:
    """The engine for compiled ``forms`` (their SHA-256 by name), loaded once per process.

    ``read`` gives the bytes of a form. Raises EngineUnavailable, and what ``read`` raises.
    """
    digests = (f"{name}:{digest}" for name, digest in sorted(forms.items()))
    key = (model, str(version), str(signature), *digests)
    with _lock:
        engine = _engines.pop(key, None) or Engine(model, version, *_load(forms, signature, read))
        _engines[key] = engine
        if len(_engines) > _KEPT:
            _engines.popitem(last=False)
    return engine


def _load(
    forms: Mapping[str, str], signature: Signature, read: Callable[[str], bytes]
) -> "tuple[Predictor, RequestReader]":
    try:
        from registry.codecs.requests import RequestReader
        from registry.engines.loading import compiled_predictor
        from registry.errors import RegistryError
        from registry.signature import Signature as OwnSignature
    except ImportError as error:
        raise EngineUnavailable(
            f"A scorer predicts with the service's engines, which are not installed here: {error}. "
            "Install the distribution hotswap in the version that the service has."
        ) from error
    try:
        parsed = OwnSignature.from_json(signature)
        predictor = compiled_predictor(forms, read, parsed)
    except RegistryError as error:
        raise EngineUnavailable(
            f"The compiled forms cannot be read here: {error} Install the version of hotswap that "
            "the service has."
        ) from error
    if predictor is None:
        raise EngineUnavailable(
            f"None of the compiled forms ({', '.join(sorted(forms))}) can be used here: the C "
            "kernels are missing. Install hotswap where there is a C compiler."
        )
    return predictor, RequestReader(parsed)


def _problem(error: Any) -> ProblemReply:
    return reply_of_type(
        type(error).__name__,
        error.title,
        error.detail,
        [{"at": fault.at, "message": fault.message} for fault in error.faults],
    )
