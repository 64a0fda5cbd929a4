"""A run told as Markdown, for the page of a CI job, and as JSON, for programs."""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from cli.formatting import ABSENT, cell, number
from cli.retraining.data_changes import data_changes
from cli.retraining.report import RetrainReport
from client.replies import Gate
from registry.cards.blocks import Block, Data, Paragraph, Phrase, Said, Section, Table, data
from registry.cards.markdown import heading, link, sections, written

_MOST_CHANGES = 30


def as_json(outcome: RetrainReport) -> dict[str, Any]:
    """All that is known of the run."""
    return {
        "outcome": outcome.ending,
        "headline": outcome.headline(),
        "remark": outcome.remark,
        "model": outcome.model,
        "alias": outcome.alias,
        "inputs": outcome.inputs,
        "version": outcome.version,
        "made": outcome.made,
        "champion": outcome.champion,
        "baseline": outcome.baseline,
        "gates": outcome.gates,
        "promotion": outcome.promotion,
        "data_changes": _changes(outcome),
        "links": _links(outcome),
        "problem": outcome.problem,
    }


def as_markdown(outcome: RetrainReport) -> str:
    """The same for people, as GitHub and GitLab show it."""
    parts = [heading(2, *outcome.phrase())]
    parts += sections([Section("How it ended", list(_ending(outcome)))], level=3)
    if outcome.version is not None:
        told = [
            Section("Metrics", list(_metrics(outcome))),
            Section("Gates", [_gates(outcome.gates)]),
            Section("Data", list(_data(outcome))),
        ]
        parts += sections(told, level=3)
        parts.append(" · ".join(link(name, to) for name, to in _links(outcome).items()))
    return written(parts)


def _ending(outcome: RetrainReport) -> Iterator[Block]:
    problem = outcome.problem
    said = problem.get("detail") if isinstance(problem, dict) else problem
    for text in (outcome.remark, said):
        if text:
            yield Said(str(text))
    if outcome.inputs:
        made = "Trained in this run" if outcome.made else "Made by an earlier run"
        yield Paragraph(
            (f"{made if outcome.version else 'Required'} from ", Data(str(outcome.inputs)), ".")
        )


def _metrics(outcome: RetrainReport) -> Iterator[Block]:
    candidate = dict((outcome.version or {}).get("metrics") or {})
    champion = dict((outcome.champion or {}).get("metrics") or {})
    if not candidate:
        yield Paragraph(["The version has no metrics."])
        return
    # A version that is live already is its own champion: a second column would say nothing.
    is_other = outcome.champion_number not in {None, outcome.number}
    heads = ["", f"version {outcome.number}"]
    heads += [f"champion, version {outcome.champion_number}"] if is_other else []
    heads += ["baseline"] if outcome.baseline else []
    rows = []
    for name, value in candidate.items():
        row = [[Data(name)], _value(value)]
        row += [_value(champion.get(name))] if is_other else []
        row += [_value(outcome.baseline.get(name))] if outcome.baseline else []
        rows.append(row)
    yield Table(heads, rows)
    if is_other:
        yield Paragraph(["Each as measured by its own training, on rows held out there."])


def _gates(gates: Sequence[Gate]) -> Block:
    if not gates:
        return Paragraph(["None were required: neither the recipe nor the model's policy has any."])
    rows = [
        [
            _value(gate.get("gate")),
            ["yes" if gate.get("passed") else "no"],
            _value(gate.get("candidate")),
            _value(gate.get("champion")),
            [" to ".join(map(cell, gate["interval"]))] if gate.get("interval") else [ABSENT],
            _value(gate.get("measured")),
            _value(gate.get("reason")),
        ]
        for gate in gates
    ]
    heads = ["gate", "holds", "candidate", "champion", "difference", "measured on", "why"]
    kept = [at for at in range(len(heads)) if at < 4 or any(row[at] != [ABSENT] for row in rows)]
    return Table([heads[at] for at in kept], [[row[at] for at in kept] for row in rows])


def _data(outcome: RetrainReport) -> Iterator[Block]:
    if outcome.champion is None:
        yield Paragraph(["There is no champion whose data this could be compared with."])
        return
    if outcome.champion_number == outcome.number:
        yield Paragraph(["This version is the champion."])
        return
    changes = _changes(outcome)
    if not changes:
        yield Paragraph([f"The same as that of version {outcome.champion_number}."])
        return
    shown = changes[:_MOST_CHANGES]
    rows = [[_value(change[key]) for key in ("what", "before", "after")] for change in shown]
    yield Table(["", f"version {outcome.champion_number}", f"version {outcome.number}"], rows)
    if len(changes) > len(shown):
        yield Paragraph([f"{len(changes) - len(shown)} more changes."])


def _value(value: object) -> Phrase:
    """A number as ours, anything else as what somebody wrote."""
    if value is None or value == "":
        return [ABSENT]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [number(float(value))]
    return [data(value)]


def _changes(outcome: RetrainReport) -> list[dict[str, Any]]:
    if outcome.version is None:
        return []
    return data_changes(
        outcome.champion, outcome.version, outcome.champion_evaluation, outcome.evaluation
    )


def _links(outcome: RetrainReport) -> dict[str, str]:
    if outcome.number is None:
        return {}
    model = f"{outcome.url}/models/{quote(outcome.model, safe='')}"
    links = {
        "version": f"{model}/{outcome.number}",
        "card": f"{model}/{outcome.number}/card",
        "evaluation": f"{model}/{outcome.number}/evaluation",
        "history": f"{model}/history",
    }
    if outcome.champion_number not in {None, outcome.number}:
        links["comparison"] = f"{model}/compare?versions={outcome.champion_number},{outcome.number}"
    return links
