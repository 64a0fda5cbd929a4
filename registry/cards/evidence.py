"""How good a version is, and who found it good enough."""

from collections.abc import Iterator
from typing import Any

from registry.cards.blocks import Phrase, Section, Table, data, figure
from registry.cards.subject import Subject
from registry.reading.promotions import Promotion
from registry.reading.queries import moment


def metrics_section(subject: Subject) -> Section:
    """The metrics, each with what tells how far it is to be believed."""
    section, kept = Section("Metrics"), subject.kept
    names = dict.fromkeys([*subject.view["metrics"], *subject.measured])
    if not names:
        section.say("None are known.")
        return section
    section.say(
        "As whoever uploaded it says, of rows that it was not trained on. The interval holds 95% "
        "of what other draws of these rows would have given; the baseline guesses without looking. "
        "What this registry measured itself, on a table that it holds, stands by itself."
    )
    rows = [
        [
            [data(name)],
            _figure(subject.view["metrics"].get(name)),
            _interval(kept.metric_intervals.get(name)),
            _figure(kept.baseline.get(name)),
            _figure(subject.measured.get(name)),
        ]
        for name in names
    ]
    head = ["Metric", "Claimed", "95% interval", "Baseline", "Measured by the registry"]
    section.blocks.append(Table(head, rows))
    return section


def gates_section(subject: Subject) -> Section:
    """What the version was held against when aliases were pointed at it, the latest first."""
    section = Section("Gates passed")
    if not subject.promotions:
        section.say("No alias was ever pointed at it.")
    for promotion in subject.promotions:
        section.say(*_promoted(promotion))
        if promotion.gates:
            rows: list[list[Phrase]] = [
                [
                    [data(outcome.gate)],
                    ["passed" if outcome.passed else "failed"],
                    _figure(outcome.candidate),
                    _figure(outcome.champion),
                    _interval(outcome.interval),
                    [outcome.measured if outcome.measured in {"holdout", "claimed"} else "-"],
                ]
                for outcome in promotion.gates
            ]
            head = ["Gate", "Outcome", "This version", "Champion", "Interval", "Figures"]
            section.blocks.append(Table(head, rows))
    return section


def _promoted(promotion: Promotion) -> Iterator[Any]:
    yield f"{moment(promotion.at)}: "
    if promotion.alias is not None:
        yield data(promotion.alias)
    yield " was pointed at it by "
    yield data(promotion.actor)
    if promotion.forced:
        yield ", by force"
    if promotion.reason:
        yield ", for the reason "
        yield data(promotion.reason)
    yield "." if promotion.gates else ". No gates were asked."


def _figure(value: float | None) -> Phrase:
    return ["-" if value is None else figure(value)]


def _interval(interval: tuple[float, float] | None) -> Phrase:
    return ["-" if interval is None else f"{figure(interval[0])} to {figure(interval[1])}"]
