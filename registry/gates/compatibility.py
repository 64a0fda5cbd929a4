"""Whether callers of one version can call another."""

from collections.abc import Iterator

from registry.signature import Column, Signature

_WIDER = {("integer", "number")}
"""Compatible changes of a column's type: every integer is a number."""


def incompatibilities(candidate: Signature, champion: Signature) -> Iterator[str]:
    """Why callers of ``champion`` cannot call ``candidate``, or cannot read its predictions.

    A nullable column is required too: a request has to name it.
    """
    before = {column.name: column for column in champion.inputs}
    for column in candidate.inputs:
        if column.name not in before:
            yield f"the column {column.name!r} is new and required"
        else:
            yield from _narrowed(column, before[column.name])
    order = {name: place for place, name in enumerate(before)}
    places = [order[column.name] for column in candidate.inputs if column.name in order]
    if places != sorted(places):
        yield "its columns are in another order, which rows by position depend on"
    if candidate.task != champion.task:
        yield f"it is a {candidate.task}, the champion a {champion.task}"
    elif candidate.output.size != champion.output.size:
        yield f"a row gets {_count(candidate)}, the champion gives it {_count(champion)}"
    elif candidate.output.classes is not None and champion.output.classes is not None:
        own, others = _labels(candidate.output.classes), _labels(champion.output.classes)
        for label in sorted(own - others):
            yield f"the class {label} is new"
        for label in sorted(others - own):
            yield f"the class {label} is gone"


def _count(signature: Signature) -> str:
    size = signature.output.size
    return "one prediction" if size is None else f"a list of {size}"


def _narrowed(column: Column, before: Column) -> Iterator[str]:
    if column.type != before.type and (before.type, column.type) not in _WIDER:
        yield f"the column {column.name!r} takes {column.type}, it took {before.type}"
    if before.nullable and not column.nullable:
        yield f"the column {column.name!r} may no longer be null"


def _labels(classes: tuple[object, ...]) -> set[str]:
    """As they are written, since 1, 1.0 and True are equal to Python."""
    return {repr(label) for label in classes}
