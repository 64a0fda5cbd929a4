"""The metrics of predictions by version, made of the counts of all workers at each scrape."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from registry.engines.served_version import Key
from registry.watching.counts import BINS, BOUNDS, COLUMNS, SHOWN_BOUNDS, Counts
from registry.watching.named_rows import MOST_SERIES, OTHER, OUTCOMES, Outcome, Row
from registry.watching.predictions import Totals

if TYPE_CHECKING:
    from prometheus_client import Metric

_OTHER = "other"
_BUCKETS = (*(str(bound) for bound in SHOWN_BOUNDS), "+Inf")
_LAST_BINS = [*(BOUNDS.index(bound) for bound in SHOWN_BOUNDS), BINS - 1]
"""The last bin of each bucket."""


class PredictionMetrics:
    """A collector, as ``prometheus_client.CollectorRegistry.register`` takes it."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals

    def collect(self) -> "Iterator[Metric]":
        """The counter of predictions, and the histogram of their times."""
        yield self._predictions()
        yield self._durations()

    def _predictions(self) -> "Metric":
        from prometheus_client.core import CounterMetricFamily

        counts, numbers, named = self._totals
        labels = ("model", "version", "alias", "outcome")
        family = CounterMetricFamily("hotswap_predictions", "Predictions.", labels=labels)
        # A counter that begins with its first failure hides it: Prometheus sees no increase.
        whole = (len(named) + 1) * len(OUTCOMES) <= MOST_SERIES
        for row, outcomes in named.items():
            model, version, alias = row
            by_outcome = _by_outcome(counts[numbers[row]])
            for outcome in OUTCOMES:
                if whole or outcome in outcomes:
                    family.add_metric((model, str(version), alias, outcome), by_outcome[outcome])
        for outcome, count in _by_outcome(counts[OTHER]).items():
            if count:
                family.add_metric((_OTHER, _OTHER, _OTHER, outcome), count)
        return family

    def _durations(self) -> "Metric":
        from prometheus_client.core import HistogramMetricFamily

        counts, numbers, named = self._totals
        family = HistogramMetricFamily(
            "hotswap_prediction_duration_seconds",
            "Time to decode the rows, predict them and encode the response.",
            labels=("model", "version"),
        )
        for key, times in _by_version(counts, numbers, named).items():
            model, version = key
            family.add_metric((model, str(version)), *_histogram(times))
        if counts[OTHER, :BINS].any():
            family.add_metric((_OTHER, _OTHER), *_histogram(counts[OTHER]))
        return family


def _by_outcome(row: Counts) -> dict[Outcome, int]:
    return {
        "ok": int(row[:BINS].sum()),
        "refused": int(row[COLUMNS["refused"]]),
        "failed": int(row[COLUMNS["failed"]]),
    }


def _by_version(
    counts: Counts, numbers: Mapping[Row, int], named: Mapping[Row, object]
) -> dict[Key, Counts]:
    """The sums of the rows of each version that has a named one; those of the others never grow."""
    sums: dict[Key, Counts] = {row.key: counts[OTHER] * 0 for row in named}
    for row, number in numbers.items():
        if row.key in sums:
            sums[row.key] += counts[number]
    return sums


def _histogram(row: Counts) -> tuple[list[tuple[str, float]], float]:
    """The cumulative buckets, and the sum of the times in seconds."""
    cumulative = row[:BINS].cumsum()[_LAST_BINS].tolist()
    return list(zip(_BUCKETS, cumulative, strict=True)), int(row[COLUMNS["nanoseconds"]]) / 1e9
