"""Reads a submitted form with a schema; what was typed is kept, to show the form again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import marshmallow as ma
from flask import request

from api.arguments import flatten
from registry.errors import Fault


@dataclass(frozen=True, slots=True)
class Form:
    """``typed`` is the text of each field, ``values`` is what the schema made of it, ``faults`` are
    the messages by field; a message of no field has the key ``""``."""

    typed: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_valid(self) -> bool:
        return not self.faults

    def text(self, name: str) -> str:
        """What to show in a field."""
        return self.typed.get(name, "")

    def fault(self, name: str) -> str:
        """The message at a field; empty if there is none."""
        return self.faults.get(name, "")

    def refused(self, detail: str, faults: Iterable[Fault] = ()) -> "Form":
        """This form with the faults that an operation found in it."""
        found = {fault.at.partition("[")[0]: fault.message for fault in faults}
        return Form(self.typed, self.values, {"": detail, **found})


def submitted(schema: type[ma.Schema]) -> Form:
    """The form of the current request, read with ``schema``; unknown fields are ignored.

    Lists take all values of their field.
    """
    made = schema(unknown=ma.EXCLUDE)
    typed = {name: text.strip() for name, text in request.form.items()}
    given: dict[str, Any] = {
        name: request.form.getlist(name) if isinstance(kind, ma.fields.List) else typed[name]
        for name, kind in made.fields.items()
        if name in typed
    }
    try:
        return Form(typed, made.load(given))
    except ma.ValidationError as error:
        messages = {fault.at.partition("[")[0]: fault.message for fault in flatten(error.messages)}
        return Form(typed, {}, messages)
