"""The content of a version's card."""

from typing import Any

from sqlalchemy.orm import Session

from registry.cards.blocks import (
    Bullets,
    Card,
    Data,
    Listing,
    Phrase,
    Said,
    Section,
    Table,
    data,
    figure,
)
from registry.cards.calling import curl, python
from registry.cards.evidence import gates_section, metrics_section
from registry.cards.limits import limits
from registry.cards.subject import Subject, read_subject
from registry.reading.stored_evaluation import ColumnSummary
from registry.reading.views import View
from registry.signature import Label, label_text

MAX_COLUMNS = 200
MAX_CLASSES = 50
MAX_VALUES = 5
MAX_FACTS = 50
_KINDS = {
    "linear": "a linear model",
    "logistic": "a logistic regression",
    "tree": "a decision tree",
    "forest": "a forest of decision trees",
    "boosting": "a sum of boosted decision trees",
    "other": "a model of a kind that the service does not train",
}


def card_of(session: Session, model: str, reference: str, service: str) -> Card:
    """The card of a version; ``service`` is the URL of this service, without a slash at its end.

    Raises NameMalformed, ReferenceMalformed, ModelNotFound, VersionNotFound.
    """
    subject = read_subject(session, model, reference)
    view = subject.view
    return Card(
        f"{view['model']}, version {view['version']}",
        [
            _what_it_is(subject),
            _data(subject),
            metrics_section(subject),
            gates_section(subject),
            _columns(subject),
            _limits(subject),
            _how_to_call(subject, service),
        ],
    )


def _what_it_is(subject: Subject) -> Section:
    view, output = subject.view, subject.output
    section = Section("What it predicts")
    classes = output.get("classes")
    what = f"a {output['type']}" if classes is None else f"one of {len(classes)} classes"
    if "size" in output:
        what = f"a list of {output['size']}, each {what}"
    count = len(subject.inputs)
    section.say(
        f"It is {_KINDS[view['kind']]} and predicts ",
        data(output["name"]),
        f", {what}, from {count} column{'' if count == 1 else 's'}.",
    )
    if classes is not None:
        section.say("Classes: ", *_listed(classes, MAX_CLASSES), ".")
    for said in (view["description"], subject.model_description):
        if said.strip():
            section.blocks.append(Said(said))
    facts: list[tuple[str, Phrase]] = [
        ("Status", [_status(view)]),
        ("Aliases", _listed(view["aliases"], MAX_CLASSES) or ["none"]),
        ("Registered", [view["created_at"], " by ", data(view["created_by"])]),
        ("Served by", [data(view["engine"].get("name", "unknown"))]),
        (
            "Artifact",
            [data(view["artifact"]["format"]), ", SHA-256 ", data(view["artifact"]["sha256"])],
        ),
    ]
    facts += [("Tag", [data(key), " is ", data(value)]) for key, value in view["tags"].items()]
    section.blocks.append(_facts(facts))
    return section


def _status(view: View) -> str:
    if view["status"] == "archived":
        return "archived: it can be read, but not used for predictions"
    return str(view["status"])


def _data(subject: Subject) -> Section:
    section, evaluation = Section("Data"), subject.evaluation
    facts: list[tuple[str, Phrase]] = [
        (name, [f"{count:,}"])
        for name, count in (
            ("Rows trained on", evaluation.train_rows),
            ("Rows held out for evaluation", evaluation.rows),
            ("Rows dropped, since they had no target", evaluation.dropped_rows),
        )
        if count is not None
    ]
    for name, value in _scalars(subject.view["lineage"]):
        known = _LINEAGE.get(name)
        facts.append((known, [value]) if known else ("Lineage", [data(name), ": ", value]))
    for name, value in _scalars(subject.view["environment"]):
        facts.append(("Made with", [data(name), " ", value]))
    if facts:
        section.blocks.append(_facts(facts))
    else:
        section.say("The upload has no information about the data.")
    return section


_LINEAGE = {
    "data_sha256": "SHA-256 of the data",
    "data_rows": "Rows of the data, as read",
    "recipe_sha256": "SHA-256 of the recipe",
    "git_commit": "Git commit",
    "parent_version": "Parent version",
    "seed": "Seed",
}


def _scalars(values: View) -> list[tuple[str, Data]]:
    """The first of what is neither null nor nested."""
    plain = [
        (name, data(value))
        for name, value in values.items()
        if value is not None and not isinstance(value, dict | list)
    ]
    return plain[:MAX_FACTS]


def _columns(subject: Subject) -> Section:
    section = Section("Columns")
    rows = [
        [
            [data(column["name"])],
            [column["type"]],
            ["yes" if column["nullable"] else "no"],
            _range(subject.evaluation.columns.get(column["name"])),
            _missing(subject.evaluation.columns.get(column["name"])),
            _preparation(subject.evaluation.columns.get(column["name"])),
        ]
        for column in subject.inputs[:MAX_COLUMNS]
    ]
    head = ["Column", "Type", "May be null", "In training", "Missing in training", "Preparation"]
    section.blocks.append(Table(head, rows))
    if (more := len(subject.inputs) - MAX_COLUMNS) > 0:
        section.say(f"And {more:,} more columns; see the version's signature.")
    return section


def _preparation(summary: ColumnSummary | None) -> Phrase:
    if summary is None or not summary.treatment:
        return ["-"]
    return [data("; ".join((summary.treatment, *summary.oddities)))]


def _range(summary: ColumnSummary | None) -> Phrase:
    if summary is None:
        return ["-"]
    if summary.values is not None:
        often = sorted(summary.values.items(), key=lambda item: -item[1])
        parts: list[Any] = []
        for value, count in often[:MAX_VALUES]:
            parts += [", " if parts else "", data(value), f" ({count:,})"]
        others = sum(count for _, count in often[MAX_VALUES:]) + (summary.other or 0)
        return [*parts, f" and others ({others:,})"] if others else parts or ["-"]
    if summary.first is not None and summary.last is not None:
        return [data(summary.first), " to ", data(summary.last)]
    if summary.min is None or summary.max is None:
        return ["-"]
    mean = "" if summary.mean is None else f", mean {figure(summary.mean)}"
    return [f"{figure(summary.min)} to {figure(summary.max)}{mean}"]


def _missing(summary: ColumnSummary | None) -> Phrase:
    return ["-" if summary is None or summary.missing is None else f"{summary.missing:,}"]


def _limits(subject: Subject) -> Section:
    return Section("Limits", [Bullets(list(limits(subject.view, subject.evaluation)))])


def _how_to_call(subject: Subject, service: str) -> Section:
    section, view = Section("How to call it"), subject.view
    path = f"/models/{view['model']}/{view['version']}"
    example = view["input_example"]
    if view["status"] != "ready":
        section.say("It cannot be used for predictions.")
    elif example is None:
        section.say(
            "It has no input example. Send an object with the columns above to ",
            data(f"POST {path}/predict"),
            ".",
        )
    else:
        section.say(
            "Set ",
            data("HOTSWAP_TOKEN"),
            " to a token with the scope ",
            data("predict"),
            ". With an alias instead of the number, the alias's version answers.",
        )
        section.blocks.append(Listing("sh", curl(f"{service}{path}/predict", example)))
        section.blocks.append(Listing("python", python(f"{service}{path}/predict", example)))
    section.say(
        "The data of its plots is at ",
        data(f"GET {path}/evaluation"),
        "; ",
        data(f"hotswap plots {view['model']}/{view['version']} --out plots"),
        " draws them.",
    )
    return section


def _facts(facts: list[tuple[str, Phrase]]) -> Table:
    return Table(["What", "Value"], [[[name], value] for name, value in facts])


def _listed(values: list[Label], most: int) -> list[Any]:
    parts: list[Any] = []
    for value in values[:most]:
        parts += [", ", data(label_text(value))]
    more = len(values) - most
    return [*parts[1:], *([f" and {more:,} more"] if more > 0 else [])]
