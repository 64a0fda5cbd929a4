"""Holds versions against gates, a few at a time."""

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from registry.blobs.store import BlobStore
from registry.errors import ScoringBusy
from registry.gates.evaluation import Evidence, evaluate_gate
from registry.gates.grammar import MetricGate
from registry.gates.inputs import GateInputs
from registry.gates.measurements import (
    Difference,
    Load,
    Measurement,
    differences,
    draw,
    measure,
)
from registry.gates.results import GateResult
from registry.metrics.names import METRICS

AT_ONCE = 2
"""Cases that a worker judges at the same time; a large holdout keeps a core busy for seconds."""
PATIENCE_SECONDS = 10.0
"""Of a caller who waits for a place; each holds one of the threads that also predict."""


@dataclass(frozen=True, slots=True)
class GateReport:
    """What became of the gates, and the figures that were found on the way."""

    results: tuple[GateResult, ...]
    candidate: Measurement
    champion: Measurement | None
    differences: dict[str, Difference] = field(default_factory=dict)


class GateEvaluator:
    """Measures with what ``load`` gives, on holdouts from ``blobs``. Safe for several threads.

    Whoever finds no place within ``patience`` seconds is turned away.
    """

    def __init__(self, blobs: BlobStore, load: Load, *, patience: float = PATIENCE_SECONDS) -> None:
        self._blobs = blobs
        self._load = load
        self._patience = patience
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def results(self, inputs: GateInputs) -> tuple[GateResult, ...]:
        """What becomes of the gates; only what they ask for is measured.

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
        """As ``results``, with every metric of both versions and how they differ."""
        return self._evaluate(
            inputs, METRICS[inputs.candidate.version.signature.task], measures=True
        )

    def _evaluate(
        self, inputs: GateInputs, uncertain: Collection[str], *, measures: bool
    ) -> GateReport:
        """``uncertain``: the metrics whose intervals are wanted."""
        holdout = inputs.holdout if measures else None
        with self._place():
            candidate = measure(inputs.candidate, holdout, self._blobs, self._load)
            champion = (
                None
                if inputs.champion is None
                else measure(inputs.champion, holdout, self._blobs, self._load)
            )
            draws = draw(candidate, champion, uncertain)
            evidence = Evidence(
                inputs, candidate, champion, draws, lambda: self._load(inputs.candidate.version)
            )
            results = tuple(evaluate_gate(gate, evidence) for gate in inputs.gates)
        return GateReport(results, candidate, champion, differences(candidate, champion, draws))

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=self._patience):
            raise ScoringBusy
        try:
            yield
        finally:
            self._places.release()
