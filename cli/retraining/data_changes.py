"""The differences between the training data of two versions, by what each has recorded."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import asdict

from cli.formatting import listed, number, one_line
from hotswap.replies import Version
from registry.reading.stored_evaluation import read_evaluation

_FIGURES = ("min", "max", "mean")
_MAX_NAMED = 8


def data_changes(
    before: Version | None,
    after: Version,
    evaluation_before: Mapping[str, Any],
    evaluation_after: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """One entry for each difference: ``{"what", "before", "after"}``, each a text or None.

    Empty without a version to compare with, or without changes.
    """
    if before is None:
        return []
    return [
        *_rows(before.get("lineage") or {}, after.get("lineage") or {}),
        *_columns(_signature(before), _signature(after)),
        *_classes(before, after),
        *_ranges(_summaries(evaluation_before), _summaries(evaluation_after)),
    ]


def _change(what: str, before: object, after: object) -> dict[str, Any]:
    return {
        "what": what,
        "before": None if before is None else str(before),
        "after": None if after is None else str(after),
    }


def _rows(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    digests = _digest(before), _digest(after)
    if digests[0] != digests[1]:
        found.append(_change("digest", *(digest and digest[:12] for digest in digests)))
    counts = before.get("data_rows"), after.get("data_rows")
    if counts[0] != counts[1]:
        found.append(_change("rows", *(_counted(count) for count in counts)))
    return found


def _digest(lineage: Mapping[str, Any]) -> str | None:
    digest = lineage.get("data_sha256")
    return digest if isinstance(digest, str) else None


def _counted(count: object) -> str | None:
    return f"{count:,}" if isinstance(count, int) else None


def _signature(version: Version) -> dict[str, str]:
    """The type of each column, in words."""
    signature = version.get("signature")
    if not signature:
        return {}
    return {
        column["name"]: f"{column['type']}, may be null"
        if column.get("nullable")
        else column["type"]
        for column in signature["inputs"]
    }


def _columns(before: dict[str, str], after: dict[str, str]) -> list[dict[str, Any]]:
    names = [*before, *(name for name in after if name not in before)]
    return [
        _change(f"column {one_line(name)}", before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _classes(before: Version, after: Version) -> list[dict[str, Any]]:
    old, new = _known(before), _known(after)
    return [] if old == new else [_change("classes", _named(old - new), _named(new - old))]


def _known(version: Version) -> set[Any]:
    signature = version.get("signature")
    return set(signature["output"].get("classes") or ()) if signature else set()


def _summaries(evaluation: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The summary of each column's values; empty where it does not have the trainers' format, since
    an upload may contain any evaluation."""
    columns = read_evaluation(evaluation).columns
    return {name: asdict(summary) for name, summary in columns.items()}


def _ranges(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name in before.keys() & after.keys():
        if before[name] == after[name]:
            continue
        old = _described(before[name], after[name])
        new = _described(after[name], before[name])
        if old != new:
            found.append(_change(f"values of {one_line(name)}", old, new))
    return sorted(found, key=lambda change: change["what"])


def _described(column: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The figures of a numeric column, or the values that ``other`` does not have; and the number
    of missing values."""
    missing = f"{column['missing']} missing" if column.get("missing") else ""
    if column["values"] is not None:
        own = set(column["values"]) - set(other.get("values") or ())
        values = f"with {_named(own)}" if own else ""
    else:
        values = ", ".join(
            f"{figure} {number(column[figure])}"
            for figure in _FIGURES
            if isinstance(column.get(figure), int | float)
        )
    return "; ".join(filter(None, (values, missing)))


def _named(values: set[Any]) -> str | None:
    return listed(sorted(map(one_line, values)), _MAX_NAMED) or None
