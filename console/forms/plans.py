"""The plan of a rollout as a form: a row of fields for each step, and lines of guards and gates."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from console.forms.submitted import Form
from registry.errors import Fault, PlanMalformed
from registry.rollouts.plan import DEFAULT_GUARDS, MOST_STEPS, Plan, parse_plan

_COLUMNS = ("weight", "minutes", "requests")
_WEIGHT = re.compile(r"weight_([1-9][0-9]?)")
_ONE_LINE = ("by", "deadline", "at_deadline", "unwatched", "bake")
_NUMBERS = ("weight", "minutes", "requests", "bake")
_PROPOSED = {
    "weight_1": "5",
    "minutes_1": "10",
    "requests_1": "2000",
    "weight_2": "25",
    "minutes_2": "30",
    "requests_2": "10000",
    "guards": "\n".join(DEFAULT_GUARDS),
    "by": "header",
    "deadline": "24h",
    "at_deadline": "hold",
    "unwatched": "hold",
    "bake": "60",
}


class StepRow(NamedTuple):
    """The fields of a step, which are named ``weight_1`` and so on; ``number`` is that of the
    row."""

    number: int
    weight: str
    minutes: str
    requests: str

    @property
    def is_empty(self) -> bool:
        return not (self.weight or self.minutes or self.requests)


def proposed_form() -> Form:
    """The form of a plan before anything was typed."""
    return Form(_PROPOSED)


def step_rows(form: Form, *, more: bool = False) -> list[StepRow]:
    """The rows of steps that the form has; ``more``: and an empty one."""
    numbers = [int(found[1]) for name in form.typed if (found := _WEIGHT.fullmatch(name))]
    count = min(max(numbers, default=0) + more, MOST_STEPS - 1)
    return [
        StepRow(number, *(form.text(f"{column}_{number}") for column in _COLUMNS))
        for number in range(1, count + 1)
    ]


def read_plan(form: Form) -> Plan:
    """The plan that was typed. Rows without any text are skipped.

    Raises PlanMalformed.
    """
    steps = [
        {name: _value(name, text) for name in _COLUMNS if (text := getattr(row, name))}
        for row in step_rows(form)
        if not row.is_empty
    ]
    given: dict[str, Any] = {name: _value(name, form.text(name)) for name in _ONE_LINE}
    return parse_plan(
        {
            "steps": [*steps, {"weight": 100}],
            "guards": _lines(form.text("guards")),
            "require": _lines(form.text("require")),
            **{name: value for name, value in given.items() if value != ""},
        }
    )


def with_plan_faults(form: Form, error: PlanMalformed) -> Form:
    """``form`` with each fault at the field that it was typed in."""
    numbers = [row.number for row in step_rows(form) if not row.is_empty]
    found: dict[str, str] = {}
    for fault in error.faults:
        name, message = _place(fault, numbers, form.typed)
        found[name] = f"{found[name]}; {message}" if name in found else message
    return Form(form.typed, form.values, found)


def _place(fault: Fault, rows: Sequence[int], typed: Mapping[str, str]) -> tuple[str, str]:
    """The field of a fault, and its message; the first row's for what is wrong with all steps."""
    part, _, rest = fault.at.partition("[")
    index, _, column = rest.partition("]")
    if part == "steps":
        number = rows[int(index)] if index and int(index) < len(rows) else 1
        return f"{column.removeprefix('.') or 'weight'}_{number}", fault.message
    if index:
        lines = [at for at, line in enumerate(typed[part].splitlines(), 1) if line.strip()]
        return part, f"line {lines[int(index)]}: {fault.message}"
    return part, fault.message


def _value(name: str, text: str) -> str | float | int:
    """``text`` as the plan has it: a number where one was typed, else the text, which is then
    refused with what is expected there."""
    if name not in _NUMBERS:
        return text
    for kind in (int, float):
        try:
            return kind(text.removesuffix("%"))
        except ValueError:
            continue
    return text


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
