"""Compiles a fitted model and checks that it still predicts as scikit-learn does.

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
from registry.intake.boosting.library_models import is_library_booster
from registry.intake.candidates import (
    Candidate,
    Converter,
    FormLimits,
    kernel_candidate,
    onnx_candidate,
)
from registry.intake.conversion.pipeline import convert, final_estimator
from registry.intake.conversion.target import NotConvertible
from registry.intake.forms import FORM_LIMITS, Form
from registry.intake.messages import MAX_REASON
from registry.intake.parity import Parity, compare_labels, compare_values, worst
from registry.intake.samples import far_rows, sample
from registry.signature import Record, Signature

CHECKED_ROWS = 512
FAR_ROWS = 128
"""Additional rows of a classification. Its scores there are so large, or so small, that a form that
takes the label from rounded probabilities returns another one."""
ONNX_UP_TO = 64 * 2**20
"""Bytes of a forest up to which its ONNX form is kept too, for a host without the C kernel.
Making and checking that form takes most of the time and memory of an inspection."""
_SEVERAL = "Models that predict several values for a row have no compiled form."
_FORMS = {"onnx": "ONNX", "trees": "forest"}
"""The names of an engine's form in messages, where that is not the engine's name."""


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
    onnx_up_to: int = ONNX_UP_TO,
) -> Compiled:
    """Compile ``model``. One that cannot be compiled, or predicts differently, keeps scikit-learn.

    ``example`` is a row that matches the signature. The engine has a ``reason`` if one that is
    faster for this kind of model is not used. ``limits`` are the bytes that each form may take,
    and ``onnx_up_to`` those of a forest that also gets an ONNX form. Raises nothing.
    """
    if signature.output.size is not None:
        return Compiled({"name": "scikit-learn", "reason": _SEVERAL})
    comparison = _Comparison(model, signature, example)
    kernel = _checked(
        lambda: kernel_candidate(model, comparison.rows, signature, limits), comparison
    )
    if isinstance(kernel, _Equal) and kernel.candidate.exact and kernel.size > onnx_up_to:
        return kernel.compiled({})
    onnx = _checked(lambda: onnx_candidate(model, signature, converter, limits), comparison)
    onnx_forms = onnx.candidate.blobs if isinstance(onnx, _Equal) else {}
    # Only an engine that equals scikit-learn bit for bit serves without an ONNX form that agrees.
    if isinstance(kernel, _Equal) and (onnx_forms or kernel.candidate.exact):
        return kernel.compiled(onnx_forms)
    if not isinstance(onnx, _Equal):
        # Only our kernel has a form of boosted trees of other libraries.
        is_booster = is_library_booster(final_estimator(model))
        reason = kernel if is_booster and isinstance(kernel, str) else onnx
        return Compiled({"name": "scikit-learn", "reason": (reason or "")[:MAX_REASON]})
    made = onnx.compiled({})
    if isinstance(kernel, str):
        made.engine["reason"] = f"A faster engine is not used: {kernel}"[:MAX_REASON]
    return made


class _Comparison:
    """scikit-learn's predictions for a sample of rows, with which a candidate's are compared."""

    def __init__(self, model: Any, signature: Signature, example: Record | None) -> None:
        self._model, self._signature, self._example = model, signature, example

    def rows(self) -> Any:
        """The sample in the form in which the model is called."""
        return self._own.rows(self._batch)

    def parity(self, candidate: Candidate) -> Parity:
        """How far its predictions differ. Raises NotConvertible where they differ too much."""
        form = _FORMS.get(candidate.name, candidate.name)
        probabilities = self._own.has_probabilities
        if candidate.predictor.has_probabilities != probabilities:
            raise NotConvertible(f"Its {form} form does not return the probabilities that it has.")
        compare = compare_values if self._signature.task == "regression" else compare_labels
        parity = worst(
            [
                compare(expected, candidate.predictor.predict(batch, probabilities=probabilities))
                for batch, expected in self._expected
            ]
        )
        fault = parity.fault
        if fault is None and candidate.exact and parity.max_abs_diff != 0:
            fault = f"its numbers differ by {parity.max_abs_diff:.1e}"
        if fault is not None:
            raise NotConvertible(
                f"Its {form} form predicts differently from scikit-learn: {fault}."
            )
        return parity

    @cached_property
    def _own(self) -> SklearnPredictor:
        return SklearnPredictor(self._model, self._signature)

    @cached_property
    def _batch(self) -> Batch:
        """The sample, made when the first candidate needs it."""
        return sample(self._model, self._signature, self._example, CHECKED_ROWS)

    @cached_property
    def _expected(self) -> list[tuple[Batch, Predictions]]:
        """The batches to compare, each with scikit-learn's predictions."""
        batches = [self._batch]
        if self._signature.task == "classification":
            first = {name: cells[:FAR_ROWS] for name, cells in self._batch.columns.items()}
            batches.append(far_rows(Batch(first, FAR_ROWS), self._signature))
        try:
            with warnings.catch_warnings():
                # For example of unknown categories, which the sample contains on purpose.
                warnings.simplefilter("ignore", UserWarning)
                return [
                    (batch, self._own.predict(batch, probabilities=self._own.has_probabilities))
                    for batch in batches
                ]
        except RegistryError as error:
            raise NotConvertible(
                "scikit-learn itself refuses some rows that the signature allows, which a compiled "
                f"form would accept: {error.__cause__ or error.detail}"
            ) from error


@dataclass(frozen=True, slots=True)
class _Equal:
    """A candidate that predicts as scikit-learn does, and how far its predictions differ."""

    candidate: Candidate
    parity: Parity

    @property
    def size(self) -> int:
        """Bytes of its forms."""
        return sum(map(len, self.candidate.blobs.values()))

    def compiled(self, others: Mapping[Form, bytes]) -> Compiled:
        """As the engine of a version, with ``others`` in addition to its own forms."""
        engine = {
            "name": self.candidate.name,
            "max_abs_diff": self.parity.max_abs_diff,
            "max_rel_diff": self.parity.max_rel_diff,
            "checked_rows": self.parity.checked_rows,
            "memory_bytes": self.candidate.memory,
        }
        return Compiled(engine, {**others, **self.candidate.blobs})


def _checked(make: Callable[[], Candidate | None], comparison: _Comparison) -> _Equal | str | None:
    """The candidate that ``make`` returns, or why it cannot serve; None where it returns None."""
    try:
        candidate = make()
        return None if candidate is None else _Equal(candidate, comparison.parity(candidate))
    except NotConvertible as error:
        return str(error)
    except RegistryError as error:
        return error.detail
    except MemoryError:
        return "Its compilation needs too much memory."
    except Exception as error:  # noqa: BLE001 - the model can still serve uncompiled
        return f"Its compilation failed: {type(error).__name__}: {error}"
