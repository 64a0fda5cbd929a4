"""Evaluates gates, a few candidates at a time."""

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hotswap.metrics.names import METRICS
from registry.blobs.store import BlobStore
from registry.errors import ScoringBusy
from registry.gates.evaluation import GateContext, evaluate_gate
from registry.gates.grammar import MetricGate
from registry.gates.inputs import GateInputs
from registry.gates.measurements import (
    Difference,
    Load,
    Measurement,
    bootstrap,
    differences,
    measure,
)
from registry.gates.results import GateResult

MAX_CONCURRENT = 2
"""Evaluations that a worker runs at the same time; a large holdout takes a core for seconds."""
PATIENCE_SECONDS = 10.0
"""How long a caller waits for its turn; it occupies one of the threads that also predict."""


@dataclass(frozen=True, slots=True)
class GateReport:
    """The results of the gates, and the measurements that they are based on."""

    results: tuple[GateResult, ...]
    candidate: Measurement
    champion: Measurement | None
    differences: dict[str, Difference] = field(default_factory=dict)


class GateEvaluator:
    """Measures the predictors that ``load`` gives on holdouts from ``blobs``. Thread-safe.

    A caller that waits more than ``patience`` seconds for its turn gets ScoringBusy.
    """

    def __init__(self, blobs: BlobStore, load: Load, *, patience: float = PATIENCE_SECONDS) -> None:
        self._blobs = blobs
        self._load = load
        self._patience = patience
        self._slots = threading.BoundedSemaphore(MAX_CONCURRENT)

    def results(self, inputs: GateInputs) -> tuple[GateResult, ...]:
        """The results of the gates; only the metrics that they need are measured.

        Raises ScoringBusy, ModelProcessUnavailable, VersionLoading.
        """
        if not inputs.gates:
            return ()
        metric_gates = [gate for gate in inputs.gates if isinstance(gate, MetricGate)]
        uncertain = {
            gate.metric
            for gate in metric_gates
            if gate.level is not None or gate.bound.needs_champion
        }
        return self._evaluate(inputs, uncertain, measures=bool(metric_gates)).results

    def report(self, inputs: GateInputs) -> GateReport:
        """As ``results``, with every metric of both versions and their differences."""
        return self._evaluate(
            inputs, METRICS[inputs.candidate.version.signature.task], measures=True
        )

    def _evaluate(
        self, inputs: GateInputs, uncertain: Collection[str], *, measures: bool
    ) -> GateReport:
        """``uncertain``: the metrics that need intervals."""
        holdout = inputs.holdout if measures else None
        with self._slot():
            candidate = measure(inputs.candidate, holdout, self._blobs, self._load)
            champion = (
                None
                if inputs.champion is None
                else measure(inputs.champion, holdout, self._blobs, self._load)
            )
            figures = bootstrap(candidate, champion, uncertain)
            context = GateContext(
                inputs, candidate, champion, figures, lambda: self._load(inputs.candidate.version)
            )
            results = tuple(evaluate_gate(gate, context) for gate in inputs.gates)
        return GateReport(results, candidate, champion, differences(candidate, champion, figures))

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=self._patience):
            raise ScoringBusy
        try:
            yield
        finally:
            self._slots.release()
