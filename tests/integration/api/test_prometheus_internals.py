"""The parts of prometheus_client without a public interface, which any release may change."""

import os
import re

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

from api.prometheus_internals import ROOM, keep_values_in, observe_all

BOUNDS = (0.005, 0.01, 0.5)


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """Where the metrics that a test creates keep their values."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "restored after the test")
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    keep_values_in(tmp_path)
    return tmp_path


def scraped(directory, name):
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))
    text = generate_latest(registry).decode()
    return re.findall(rf"^{name}(\S* \S+)$", text, re.MULTILINE)


def test_observing_several_amounts_at_once_equals_observing_each_of_them(directory):
    registry = CollectorRegistry()
    at_once = Histogram("at_once", "", ["route"], buckets=BOUNDS, registry=registry)
    one_by_one = Histogram("one_by_one", "", ["route"], buckets=BOUNDS, registry=registry)
    amounts = [0.0, 0.005, 0.0051, 0.01, 0.01, 0.5, 0.50001, 99.0]

    observe_all(at_once.labels("/"), BOUNDS, amounts)
    for amount in amounts:
        one_by_one.labels("/").observe(amount)

    assert len(scraped(directory, "at_once")) == len(BOUNDS) + 3
    assert scraped(directory, "at_once") == scraped(directory, "one_by_one")


def test_metric_files_are_preallocated(directory):
    made = {f"{kind}_{os.getpid()}.db": size for kind, size in ROOM.items()}

    registry = CollectorRegistry()
    Counter("a_counter", "", registry=registry).inc()
    Histogram("a_histogram", "", registry=registry).observe(1)
    for mode in ("livesum", "livemax"):
        Gauge(f"a_{mode}", "", multiprocess_mode=mode, registry=registry).set(1)

    assert {path.name: path.stat().st_size for path in directory.iterdir()} == made
    assert scraped(directory, "a_counter_total") == [" 1.0"]


def test_a_directory_contains_only_the_metrics_created_after_it_was_chosen(directory, tmp_path):
    later = tmp_path / "later"
    later.mkdir()
    Counter("early", "", registry=CollectorRegistry()).inc()

    keep_values_in(later)
    Counter("late", "", registry=CollectorRegistry()).inc(2)

    assert (scraped(directory, "early_total"), scraped(directory, "late_total")) == ([" 1.0"], [])
    assert (scraped(later, "early_total"), scraped(later, "late_total")) == ([], [" 2.0"])
