"""The summary of a run as Markdown, for the page of a CI job, and as JSON, for programs."""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from cli.formatting import ABSENT, number
from cli.gates import interval
from cli.retraining.data_changes import data_changes
from cli.retraining.report import RetrainReport
from hotswap.replies import Gate
from registry.cards.blocks import (
    Block,
    Bullets,
    Data,
    Paragraph,
    Phrase,
    Said,
    Section,
    Table,
    data,
)
from registry.cards.markdown import heading, link, sections, written

_MOST_CHANGES = 30


def as_json(report: RetrainReport) -> dict[str, Any]:
    """Everything in the report."""
    return {
        "outcome": report.ending,
        "headline": report.headline(),
        "remark": report.remark,
        "model": report.model,
        "alias": report.alias,
        "inputs": report.inputs,
        "version": report.version,
        "made": report.made,
        "champion": report.champion,
        "baseline": report.baseline,
        "warnings": report.warnings,
        "gates": report.gates,
        "promotion": report.promotion,
        "rollout": report.rollout,
        "data_changes": _changes(report),
        "links": _links(report),
        "problem": report.problem,
    }


def as_markdown(report: RetrainReport) -> str:
    """The report in the Markdown dialect of GitHub and GitLab."""
    parts = [heading(2, *report.phrase())]
    parts += sections([Section("Result", list(_ending(report)))], level=3)
    if report.version is not None:
        shown = [
            Section("Metrics", list(_metrics(report))),
            *([Section("Warnings", list(_warnings(report)))] if report.warnings else []),
            Section("Gates", [_gates(report.gates)]),
            Section("Data", list(_data(report))),
        ]
        parts += sections(shown, level=3)
        parts.append(" · ".join(link(name, to) for name, to in _links(report).items()))
    return written(parts)


def _ending(report: RetrainReport) -> Iterator[Block]:
    problem = report.problem
    detail = problem.get("detail") if isinstance(problem, dict) else problem
    for text in (report.remark, detail):
        if text:
            yield Said(str(text))
    if report.inputs:
        made = "Trained in this run" if report.made else "Trained by an earlier run"
        yield Paragraph(
            (f"{made if report.version else 'Required'} from ", Data(str(report.inputs)), ".")
        )


def _metrics(report: RetrainReport) -> Iterator[Block]:
    candidate = dict((report.version or {}).get("metrics") or {})
    champion = dict((report.champion or {}).get("metrics") or {})
    if not candidate:
        yield Paragraph(["The version has no metrics."])
        return
    # A version that is already live is its own champion and needs no second column.
    is_other = report.champion_number not in {None, report.number}
    heads = ["", f"version {report.number}"]
    heads += [f"champion, version {report.champion_number}"] if is_other else []
    heads += ["baseline"] if report.baseline else []
    rows = []
    for name, value in candidate.items():
        row = [[Data(name)], _value(value)]
        row += [_value(champion.get(name))] if is_other else []
        row += [_value(report.baseline.get(name))] if report.baseline else []
        rows.append(row)
    yield Table(heads, rows)
    if is_other:
        yield Paragraph(["Each was measured on the held-out rows of its own training."])


def _warnings(report: RetrainReport) -> Iterator[Block]:
    yield Bullets([[Data(warning), "."] for warning in report.warnings])


def _gates(gates: Sequence[Gate]) -> Block:
    if not gates:
        return Paragraph(["There are no gates in the recipe or in the model's policy."])
    rows = [
        [
            _value(gate.get("gate")),
            ["yes" if gate.get("passed") else "no"],
            _value(gate.get("candidate")),
            _value(gate.get("champion")),
            [interval(gate.get("interval")) or ABSENT],
            _value(gate.get("measured")),
            _value(gate.get("reason")),
        ]
        for gate in gates
    ]
    heads = ["gate", "passed", "candidate", "champion", "difference", "measured on", "reason"]
    kept = [at for at in range(len(heads)) if at < 4 or any(row[at] != [ABSENT] for row in rows)]
    return Table([heads[at] for at in kept], [[row[at] for at in kept] for row in rows])


def _data(report: RetrainReport) -> Iterator[Block]:
    if report.champion is None:
        yield Paragraph(["There is no champion to compare the data with."])
        return
    if report.champion_number == report.number:
        yield Paragraph(["This version is the champion."])
        return
    changes = _changes(report)
    if not changes:
        yield Paragraph([f"The same as for version {report.champion_number}."])
        return
    shown = changes[:_MOST_CHANGES]
    rows = [[_value(change[key]) for key in ("what", "before", "after")] for change in shown]
    yield Table(["", f"version {report.champion_number}", f"version {report.number}"], rows)
    if len(changes) > len(shown):
        yield Paragraph([f"{len(changes) - len(shown)} more changes."])


def _value(value: object) -> Phrase:
    """A number as plain text, any other value as Data."""
    if value is None or value == "":
        return [ABSENT]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [number(float(value))]
    return [data(value)]


def _changes(report: RetrainReport) -> list[dict[str, Any]]:
    if report.version is None:
        return []
    return data_changes(
        report.champion, report.version, report.champion_evaluation, report.evaluation
    )


def _links(report: RetrainReport) -> dict[str, str]:
    if report.number is None:
        return {}
    model = f"{report.url}/models/{quote(report.model, safe='')}"
    links = {
        "version": f"{model}/{report.number}",
        "card": f"{model}/{report.number}/card",
        "evaluation": f"{model}/{report.number}/evaluation",
        "history": f"{model}/history",
    }
    if report.champion_number not in {None, report.number}:
        links["comparison"] = f"{model}/compare?versions={report.champion_number},{report.number}"
    return links
