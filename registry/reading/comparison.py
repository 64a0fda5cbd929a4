"""Versions of a model side by side, with what differs marked.

Every row has the same form: a name, the versions' values in the order of the request, and whether
these differ. A version without the value is named in ``missing`` and has null in its place, which
distinguishes it from a version whose value is null.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from hotswap.metrics.names import HIGHER_IS_BETTER, LOWER_IS_BETTER
from registry.errors import ParameterMalformed
from registry.reading.promotions import measured_figures
from registry.reading.queries import find_version
from registry.reading.views import View, timestamp, version_view
from registry.storage.tables import VersionRow

LEAST, MOST = 2, 10

Path = tuple[str, ...]


def compare(session: Session, model: str, references: Sequence[str]) -> View:
    """Compare the versions of ``model`` that ``references`` stand for, 2 to 10 of them.

    Raises ParameterMalformed, NameMalformed, ReferenceMalformed, ModelNotFound, VersionNotFound.
    """
    if not LEAST <= len(references) <= MOST:
        raise ParameterMalformed(
            "versions",
            f"expected {LEAST} to {MOST} versions, separated by commas, as in 3,5; "
            f"there are {len(references)}.",
        )
    rows = [find_version(session, model, reference) for reference in references]
    views = [version_view(row) for row in rows]
    measured = [measured_figures(session, row.model, row.number) for row in rows]
    return {
        "model": model,
        "versions": [
            _heading(reference, row, view)
            for reference, row, view in zip(references, rows, views, strict=True)
        ],
        "metrics": _metric_rows(rows, [view["metrics"] for view in views]),
        "measured": _measured_rows(rows, measured),
        "params": _rows(rows, [_flat(view["params"]) for view in views]),
        "signature": _rows(rows, [_columns(view["signature"]) for view in views]),
        "lineage": _rows(rows, [_flat(view["lineage"]) for view in views]),
        "environment": _rows(rows, [_flat(view["environment"]) for view in views]),
    }


def _heading(reference: str, row: VersionRow, view: View) -> View:
    """The head of a version's column."""
    kept = ("version", "status", "kind", "task", "aliases", "description", "tags", "created_by")
    return {
        "reference": reference,
        **{key: view[key] for key in kept},
        "engine": view["engine"].get("name"),
        "format": row.format,
        "size": row.size,
        "created_at": timestamp(row.created_at),
    }


def _rows(versions: Sequence[VersionRow], each: Sequence[Mapping[Path, Any]]) -> list[View]:
    """One row for each path that a version has, in the order of their first occurrence."""
    paths = dict.fromkeys(path for values in each for path in values)
    rows = []
    for path in paths:
        values = [values.get(path) for values in each]
        missing = [
            version.number
            for version, values in zip(versions, each, strict=True)
            if path not in values
        ]
        differs = bool(missing) and len(missing) < len(versions)
        differs = differs or not all(_same(values[0], value) for value in values[1:])
        rows.append(
            {"name": ".".join(path), "values": values, "missing": missing, "differs": differs}
        )
    return rows


def _metric_rows(versions: Sequence[VersionRow], each: Sequence[Mapping[str, float]]) -> list[View]:
    """As ``_rows``; ``best`` has the versions with the best value, if that is defined."""
    flat: list[dict[Path, float]] = [
        {(name,): value for name, value in metrics.items()} for metrics in each
    ]
    rows = _rows(versions, flat)
    for row in rows:
        row["better"], best = _direction(row["name"])
        present = [
            (version.number, value)
            for version, value in zip(versions, row["values"], strict=True)
            if value is not None
        ]
        row["best"] = []
        if best is not None and row["differs"] and len(present) > 1:
            winner = best(value for _, value in present)
            row["best"] = sorted({number for number, value in present if value == winner})
    return rows


def _measured_rows(
    versions: Sequence[VersionRow], each: Sequence[Mapping[str, Mapping[str, float]]]
) -> list[View]:
    """As ``_metric_rows``, with each version's holdout. A metric is shown on the latest holdout
    that all of its versions were measured on; without one each has its own latest, and none of
    them is the best."""
    holdouts: dict[str, list[str | None]] = {}
    for metric in dict.fromkeys(metric for figures in each for metric in figures):
        tables = [list(figures.get(metric, ())) for figures in each]
        measured = [known for known in tables if known]
        shared = [table for table in measured[0] if all(table in known for known in measured)]
        holdouts[metric] = [(shared or known)[0] if known else None for known in tables]
    chosen = [
        {
            metric: figures[metric][table]
            for metric, tables in holdouts.items()
            if (table := tables[at]) is not None
        }
        for at, figures in enumerate(each)
    ]
    rows = _metric_rows(versions, chosen)
    for row in rows:
        row["holdouts"] = holdouts[row["name"]]
        if len({table for table in row["holdouts"] if table is not None}) > 1:
            row["best"] = []
    return rows


def _direction(metric: str) -> tuple[str | None, Callable[[Iterable[float]], float] | None]:
    if metric in HIGHER_IS_BETTER:
        return "higher", max
    return ("lower", min) if metric in LOWER_IS_BETTER else (None, None)


def _columns(signature: Mapping[str, Any]) -> dict[Path, Any]:
    """Each column by its name, since requests name them; their order, which rows by position use;
    and the parts of the output."""
    columns: dict[Path, Any] = {
        ("inputs", column["name"]): {key: column[key] for key in ("type", "nullable")}
        for column in signature["inputs"]
    }
    order = [column["name"] for column in signature["inputs"]]
    output = {("output", part): value for part, value in signature["output"].items()}
    return {("inputs",): order} | columns | output


def _flat(value: Mapping[str, Any], above: Path = ()) -> dict[Path, Any]:
    """The leaves of nested objects by their paths; lists stay whole, as do empty objects."""
    leaves: dict[Path, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            leaves |= _flat(inner, (*above, key))
        else:
            leaves[*above, key] = inner
    return leaves


def _same(first: Any, second: Any) -> bool:
    """Equal as JSON: 1 and 1.0 are, 1 and true are not."""
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(
            _same(first[key], second[key]) for key in first
        )
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_same, first, second))
    return bool(first == second)
