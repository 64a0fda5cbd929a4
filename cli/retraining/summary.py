"""A run told as Markdown, for the page of a CI job, and as JSON, for programs."""

import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from cli.retraining.data_changes import data_changes
from cli.retraining.outcome import Outcome
from cli.wording import cell, one_line
from client.replies import Gate

_MOST_CHANGES = 30
_SIGNS = re.compile(r"[\\`*\[\]<>#~]|(?<!\w)_|_(?!\w)")
"""What would begin or end something in Markdown; an underscore within a word does not."""


class _Markdown(str):
    """Text that is Markdown already; any other is written so that it is none."""

    __slots__ = ()


_MARKS = {True: _Markdown("yes"), False: _Markdown("**no**")}


def as_json(outcome: Outcome) -> dict[str, Any]:
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


def as_markdown(outcome: Outcome) -> str:
    """The same for people, as GitHub and GitLab show it."""
    parts = [f"## {_text(outcome.headline())}", _paragraph(outcome)]
    if outcome.version is not None:
        parts += ["### Metrics", _metrics(outcome)]
        parts += ["### Gates", _gates(outcome.gates)]
        parts += ["### Data", _data(outcome)]
        parts += [_linked(outcome)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _paragraph(outcome: Outcome) -> str:
    sentences = [_sentence(outcome.remark)]
    if isinstance(outcome.problem, dict):
        sentences.append(_sentence(str(outcome.problem.get("detail") or "")))
    elif outcome.problem:
        sentences.append(_sentence(outcome.problem))
    if outcome.inputs:
        made = "Trained in this run" if outcome.made else "Made by an earlier run"
        sentences.append(f"{made if outcome.version else 'Asked for'} from {outcome.inputs}.")
    return " ".join(map(_text, filter(None, sentences)))


def _sentence(text: str) -> str:
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def _metrics(outcome: Outcome) -> str:
    candidate = dict((outcome.version or {}).get("metrics") or {})
    champion = dict((outcome.champion or {}).get("metrics") or {})
    if not candidate:
        return "The version has no metrics."
    # A version that is live already is its own champion: a second column would say nothing.
    is_other = outcome.champion_number not in {None, outcome.number}
    heads = ["", f"version {outcome.number}"]
    heads += [f"champion, version {outcome.champion_number}"] if is_other else []
    heads += ["baseline"] if outcome.baseline else []
    rows = []
    for name, value in candidate.items():
        row: list[object] = [name, value]
        row += [champion.get(name)] if is_other else []
        row += [outcome.baseline.get(name)] if outcome.baseline else []
        rows.append(row)
    note = "\n\nEach as measured by its own training, on rows held out there." if is_other else ""
    return _table(heads, rows) + note


def _gates(gates: Sequence[Gate]) -> str:
    if not gates:
        return "None were asked for: neither the recipe nor the model's policy has any."
    rows = [
        [
            _Markdown(f"`{one_line(gate.get('gate', '')).replace('`', '')}`"),
            _MARKS[bool(gate.get("passed"))],
            gate.get("candidate"),
            gate.get("champion"),
            " to ".join(map(cell, gate.get("interval") or ())),
            gate.get("measured"),
            gate.get("reason"),
        ]
        for gate in gates
    ]
    heads = ["gate", "holds", "candidate", "champion", "difference", "measured on", "why"]
    kept = [at for at in range(len(heads)) if at < 4 or any(cell(row[at]) != "-" for row in rows)]
    return _table([heads[at] for at in kept], [[row[at] for at in kept] for row in rows])


def _changes(outcome: Outcome) -> list[dict[str, Any]]:
    if outcome.version is None:
        return []
    return data_changes(
        outcome.champion, outcome.version, outcome.champion_evaluation, outcome.evaluation
    )


def _data(outcome: Outcome) -> str:
    if outcome.champion is None:
        return "There is no champion whose data this could be compared with."
    if outcome.champion_number == outcome.number:
        return "This version is the champion."
    changes = _changes(outcome)
    if not changes:
        return f"The same as that of version {outcome.champion_number}."
    shown = changes[:_MOST_CHANGES]
    rows = [[change["what"], change["before"], change["after"]] for change in shown]
    more = len(changes) - len(shown)
    table = _table(["", f"version {outcome.champion_number}", f"version {outcome.number}"], rows)
    return f"{table}\n\n{more} more changes." if more else table


def _links(outcome: Outcome) -> dict[str, str]:
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


def _linked(outcome: Outcome) -> str:
    return " · ".join(f"[{name}]({address})" for name, address in _links(outcome).items())


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *([_shown(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(map(_piped, line))} |" for line in lines)


def _shown(value: object) -> str:
    return value if isinstance(value, _Markdown) else _text(cell(value))


def _text(text: str) -> str:
    """``text`` on one line, in which nothing is Markdown or HTML."""
    return _SIGNS.sub(r"\\\g<0>", one_line(text)).replace("&", "&amp;")


def _piped(text: str) -> str:
    return text.replace("|", "\\|")
