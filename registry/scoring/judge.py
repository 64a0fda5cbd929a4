"""Holds versions against gates, a few at a time."""

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from registry.blobs.store import BlobStore
from registry.errors import ScoringBusy
from registry.gates.grammar import MetricGate
from registry.gates.outcomes import Outcome
from registry.metrics.names import METRICS
from registry.scoring.cases import Case
from registry.scoring.measurements import (
    Difference,
    Load,
    Measurement,
    differences,
    draw,
    measure,
)
from registry.scoring.verdicts import Evidence, outcome_of

AT_ONCE = 2
"""Cases that a worker judges at the same time; a large holdout keeps a core busy for seconds."""
PATIENCE_SECONDS = 10.0
"""Of a caller who waits for a place; each holds one of the threads that also predict."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the gates, and the figures that were found on the way."""

    outcomes: tuple[Outcome, ...]
    candidate: Measurement
    champion: Measurement | None
    differences: dict[str, Difference] = field(default_factory=dict)


class Judge:
    """Measures with what ``load`` gives, on holdouts from ``blobs``. Safe for several threads.

    Whoever finds no place within ``patience`` seconds is turned away.
    """

    def __init__(self, blobs: BlobStore, load: Load, *, patience: float = PATIENCE_SECONDS) -> None:
        self._blobs = blobs
        self._load = load
        self._patience = patience
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def outcomes(self, case: Case) -> tuple[Outcome, ...]:
        """What becomes of the gates of ``case``; only what they ask for is measured.

        Raises ScoringBusy, ModelProcessUnavailable, VersionLoading.
        """
        if not case.gates:
            return ()
        metric_gates = [gate for gate in case.gates if isinstance(gate, MetricGate)]
        uncertain = {
            gate.metric
            for gate in metric_gates
            if gate.level is not None or gate.bound.needs_champion
        }
        return self._judged(case, uncertain, measures=bool(metric_gates)).outcomes

    def verdict(self, case: Case) -> Verdict:
        """As ``outcomes``, with every metric of both versions and how they differ."""
        return self._judged(case, METRICS[case.candidate.version.signature.task], measures=True)

    def _judged(self, case: Case, uncertain: Collection[str], *, measures: bool) -> Verdict:
        """``uncertain``: the metrics whose intervals are wanted."""
        holdout = case.holdout if measures else None
        with self._place():
            candidate = measure(case.candidate, holdout, self._blobs, self._load)
            champion = (
                None
                if case.champion is None
                else measure(case.champion, holdout, self._blobs, self._load)
            )
            draws = draw(candidate, champion, uncertain)
            evidence = Evidence(
                case, candidate, champion, draws, lambda: self._load(case.candidate.version)
            )
            outcomes = tuple(outcome_of(gate, evidence) for gate in case.gates)
        return Verdict(outcomes, candidate, champion, differences(candidate, champion, draws))

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=self._patience):
            raise ScoringBusy
        try:
            yield
        finally:
            self._places.release()
