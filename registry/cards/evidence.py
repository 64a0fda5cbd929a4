"""The metrics of a version, and its promotions."""

from collections.abc import Iterator
from typing import Any

from registry.cards.blocks import Phrase, Section, Table, data, figure
from registry.cards.subject import Subject
from registry.reading.promotions import Promotion
from registry.reading.views import timestamp


def metrics_section(subject: Subject) -> Section:
    """The metrics, each with its interval, its baseline and the registry's own measurement."""
    section, evaluation = Section("Metrics"), subject.evaluation
    names = dict.fromkeys([*subject.view["metrics"], *subject.measured])
    if not names:
        section.say("No metrics are known.")
        return section
    section.say(
        "Claimed by the uploader, for rows that the model was not trained on. The interval is the "
        "95% bootstrap interval over these rows; the baseline predicts without the inputs. The "
        "last column was measured by this registry on its holdout."
    )
    rows = [
        [
            [data(name)],
            _figure(subject.view["metrics"].get(name)),
            _interval(evaluation.metric_intervals.get(name)),
            _figure(evaluation.baseline.get(name)),
            _figure(subject.measured.get(name)),
        ]
        for name in names
    ]
    head = ["Metric", "Claimed", "95% interval", "Baseline", "Measured by the registry"]
    section.blocks.append(Table(head, rows))
    return section


def gates_section(subject: Subject) -> Section:
    """The gates of the version's promotions, the latest first."""
    section = Section("Gates passed")
    if not subject.promotions:
        section.say("No alias has pointed at it.")
    for promotion in subject.promotions:
        section.say(*_promoted(promotion))
        if promotion.gates:
            rows: list[list[Phrase]] = [
                [
                    [data(result.gate)],
                    ["passed" if result.passed else "failed"],
                    _figure(result.candidate),
                    _figure(result.champion),
                    _interval(result.interval),
                    [result.measured if result.measured in {"holdout", "claimed"} else "-"],
                ]
                for result in promotion.gates
            ]
            head = ["Gate", "Result", "This version", "Champion", "Interval", "Values"]
            section.blocks.append(Table(head, rows))
    return section


def _promoted(promotion: Promotion) -> Iterator[Any]:
    yield f"{timestamp(promotion.at)}: "
    if promotion.alias is not None:
        yield data(promotion.alias)
    yield " was pointed at it by "
    yield data(promotion.actor)
    if promotion.forced:
        yield ", by force"
    if promotion.reason:
        yield ", for the reason "
        yield data(promotion.reason)
    yield "." if promotion.gates else ". No gates were required."


def _figure(value: float | None) -> Phrase:
    return ["-" if value is None else figure(value)]


def _interval(interval: tuple[float, float] | None) -> Phrase:
    return ["-" if interval is None else f"{figure(interval[0])} to {figure(interval[1])}"]
