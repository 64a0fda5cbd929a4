"""Compiles a fitted model and makes sure that it still answers as scikit-learn does.

Runs in a confined process, after the model has been inspected.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from registry.codecs.batch import Batch
from registry.codecs.predictions import Predictions
from registry.engines.predictor import SklearnPredictor
from registry.errors import RegistryError
from registry.intake.candidates import (
    Candidate,
    Converter,
    FormLimits,
    onnx_candidate,
    own_candidate,
)
from registry.intake.conversion.pipeline import convert
from registry.intake.conversion.target import NotConvertible
from registry.intake.forms import FORM_LIMITS, Form
from registry.intake.messages import MAX_REASON
from registry.intake.parity import Parity, compare_labels, compare_values, worst
from registry.intake.samples import far_rows, sample
from registry.signature import Record, Signature

CHECKED_ROWS = 512
FAR_ROWS = 128
"""So many more of a classification: its scores are so large there, or so small, that a form which
takes the label from rounded probabilities gives another one."""
ONNX_BESIDE = 64 * 2**20
"""Bytes of a forest up to which its ONNX form is kept, too, for a host without the compiled walk.
Making and checking that form takes most of the time and memory of an inspection."""
_FORMS = {"onnx": "ONNX", "trees": "forest"}
"""What the form of an engine is called, where that is not its name."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """``engine`` as a version shows it; ``blobs``: the bytes of each compiled form by its name."""

    engine: dict[str, Any]
    blobs: dict[Form, bytes] = field(default_factory=dict)


def compile_model(
    model: Any,
    signature: Signature,
    example: Record | None,
    converter: Converter = convert,
    *,
    limits: FormLimits = FORM_LIMITS,
    onnx_beside: int = ONNX_BESIDE,
) -> Compiled:
    """Compile ``model``; what is not compiled, or answers otherwise, stays with scikit-learn.

    ``example`` is a row that fits the signature. The engine has a ``reason`` where one that is
    faster for this kind of model is not used. ``limits`` are the bytes that each form may take,
    and ``onnx_beside`` those of a forest that still has an ONNX form. Raises nothing.
    """
    comparison = _Comparison(model, signature, example)
    own = _serving(lambda: own_candidate(model, comparison.rows, signature, limits), comparison)
    if isinstance(own, _Serving) and own.candidate.to_the_bit and own.size > onnx_beside:
        return own.compiled({})
    onnx = _serving(lambda: onnx_candidate(model, signature, converter, limits), comparison)
    beside = onnx.candidate.blobs if isinstance(onnx, _Serving) else {}
    # Only what equals scikit-learn to the bit serves without an ONNX form that agrees.
    if isinstance(own, _Serving) and (beside or own.candidate.to_the_bit):
        return own.compiled(beside)
    if not isinstance(onnx, _Serving):
        return Compiled({"name": "scikit-learn", "reason": (onnx or "")[:MAX_REASON]})
    made = onnx.compiled({})
    if isinstance(own, str):
        made.engine["reason"] = f"A faster engine is not used: {own}"[:MAX_REASON]
    return made


class _Comparison:
    """scikit-learn's answers to a sample of rows, to which a candidate's are compared."""

    def __init__(self, model: Any, signature: Signature, example: Record | None) -> None:
        self._model, self._signature, self._example = model, signature, example

    def rows(self) -> Any:
        """The sample as the model is called with it."""
        return self._own.rows(self._batch)

    def parity(self, candidate: Candidate) -> Parity:
        """How far its answers are apart. Raises NotConvertible where that is too far."""
        form = _FORMS.get(candidate.name, candidate.name)
        probabilities = self._own.has_probabilities
        if candidate.predictor.has_probabilities != probabilities:
            raise NotConvertible(f"Its {form} form does not give the probabilities that it has.")
        compare = compare_values if self._signature.task == "regression" else compare_labels
        parity = worst(
            [
                compare(expected, candidate.predictor.predict(batch, probabilities=probabilities))
                for batch, expected in self._expected
            ]
        )
        fault = parity.fault
        if fault is None and candidate.to_the_bit and parity.max_abs_diff != 0:
            fault = f"its numbers are off by {parity.max_abs_diff:.1e}"
        if fault is not None:
            raise NotConvertible(f"Its {form} form answers otherwise than scikit-learn: {fault}.")
        return parity

    @cached_property
    def _own(self) -> SklearnPredictor:
        return SklearnPredictor(self._model, self._signature)

    @cached_property
    def _batch(self) -> Batch:
        """The sample, which is made once a candidate needs it."""
        return sample(self._model, self._signature, self._example, CHECKED_ROWS)

    @cached_property
    def _expected(self) -> list[tuple[Batch, Predictions]]:
        """The batches that are compared, each with scikit-learn's answers to it."""
        batches = [self._batch]
        if self._signature.task == "classification":
            first = {name: cells[:FAR_ROWS] for name, cells in self._batch.columns.items()}
            batches.append(far_rows(Batch(first, FAR_ROWS), self._signature))
        try:
            with warnings.catch_warnings():
                # That a category is unknown, say: the sample is made to hold such rows.
                warnings.simplefilter("ignore", UserWarning)
                return [
                    (batch, self._own.predict(batch, probabilities=self._own.has_probabilities))
                    for batch in batches
                ]
        except RegistryError as error:
            raise NotConvertible(
                "scikit-learn itself refuses some rows that the signature allows, and a compiled "
                f"form would not: {error.__cause__ or error.detail}"
            ) from error


@dataclass(frozen=True, slots=True)
class _Serving:
    """A candidate that answers as scikit-learn does, and how far its answers are apart."""

    candidate: Candidate
    parity: Parity

    @property
    def size(self) -> int:
        """Bytes of its forms."""
        return sum(map(len, self.candidate.blobs.values()))

    def compiled(self, beside: Mapping[Form, bytes]) -> Compiled:
        """As the engine of a version, with the forms ``beside`` its own."""
        engine = {
            "name": self.candidate.name,
            "max_abs_diff": self.parity.max_abs_diff,
            "max_rel_diff": self.parity.max_rel_diff,
            "checked_rows": self.parity.checked_rows,
        }
        return Compiled(engine, {**beside, **self.candidate.blobs})


def _serving(
    make: Callable[[], Candidate | None], comparison: _Comparison
) -> _Serving | str | None:
    """The candidate that ``make`` makes, or why it does not serve; None where it makes none."""
    try:
        candidate = make()
        return None if candidate is None else _Serving(candidate, comparison.parity(candidate))
    except NotConvertible as error:
        return str(error)
    except RegistryError as error:
        return error.detail
    except MemoryError:
        return "Its compilation needs too much memory."
    except Exception as error:  # noqa: BLE001 - a model that serves uncompiled is not refused
        return f"Its compilation failed: {type(error).__name__}: {error}"
