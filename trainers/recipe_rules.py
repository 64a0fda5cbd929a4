"""The rules for the values of a recipe beyond their types, checked without its data."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from math import isfinite
from typing import Any, get_args

from hotswap.metrics.names import METRICS
from registry.errors import GateMalformed, NameMalformed
from registry.gates import parse
from registry.gates.conditions import MAX_CONDITIONS
from registry.gates.grammar import MetricGate
from registry.names import check_model_name
from registry.signature import TASKS, Task
from registry.stored_text import MAX_DESCRIPTION, unstorable
from trainers.bundled import is_bundled
from trainers.file_settings import FileSettings
from trainers.model_kinds import TRAINED_KINDS, TrainedKind
from trainers.origin import Mistake
from trainers.preparation import Preparation
from trainers.search_space import Search
from trainers.split_rule import SplitRule

MAX_SEED = 2**32 - 1
LEAST_SAMPLE = 4
"""Two rows to train on, and two to test on."""
_TASKS: Mapping[TrainedKind, tuple[Task, ...]] = {
    "linear": ("regression",),
    "logistic": ("classification",),
    "tree": get_args(Task),
    "forest": get_args(Task),
    "boosting": get_args(Task),
    "xgboost": get_args(Task),
    "lightgbm": get_args(Task),
}


def mistakes_in(fields: Mapping[str, Any]) -> list[Mistake]:
    """All mistakes in the fields of a Recipe, which have the right types; missing fields are
    skipped."""
    found = []
    for name, rule in _RULES.items():
        if name in fields:
            found += [Mistake(*mistake) for mistake in rule(fields[name])]
    return found + _between(fields)


def possible_tasks(kind: TrainedKind, task: Task | None) -> tuple[Task, ...]:
    """The tasks that a recipe may have, before the values of its target are known."""
    possible = _TASKS[kind]
    return possible if task not in possible else (task,)


def metric_mistakes(
    search: Search | None, gates: tuple[str, ...], tasks: tuple[Task, ...]
) -> list[Mistake]:
    """A mistake for each metric that none of ``tasks`` has."""
    named = [(("search", "metric"), search.metric)] if search and search.metric else []
    for position, text in enumerate(gates):
        with suppress(GateMalformed):  # reported by _gates
            if isinstance(gate := parse(text), MetricGate):
                named.append((("gates", position), gate.metric))
    known = [name for task in tasks for name in METRICS[task]]
    return [
        Mistake(path, f"{' or '.join(tasks)} has no metric '{name}'; it has {', '.join(known)}")
        for path, name in named
        if name not in known
    ]


def _name(name: str) -> list[tuple[tuple[str], str]]:
    """The service would refuse it too, but only after the training; the description likewise."""
    try:
        if name:
            check_model_name(name)
    except NameMalformed as error:
        return [(("name",), f"name: {error.detail}")]
    return []


def _description(text: str) -> list[tuple[tuple[str], str]]:
    if len(text) > MAX_DESCRIPTION:
        said = f"description has {len(text):,} characters; at most {MAX_DESCRIPTION:,} are allowed"
        return [(("description",), said)]
    if (why := unstorable(text)) is not None:
        return [(("description",), f"description: {why}")]
    return []


def _data(data: str) -> list[tuple[tuple[str], str]]:
    if data:
        return []
    return [(("data",), "data is empty: give a file or a set such as sklearn:iris")]


def _kind(kind: str) -> list[tuple[tuple[str], str]]:
    if kind in TRAINED_KINDS:
        return []
    return [(("kind",), f"kind must be one of {', '.join(TRAINED_KINDS)}, not {kind!r}")]


def _task(task: str | None) -> list[tuple[tuple[str], str]]:
    if task is None or task in TASKS:
        return []
    return [(("task",), f"task must be one of {', '.join(TASKS)}, not {task!r}")]


def _test_size(share: float) -> list[tuple[tuple[str], str]]:
    if isfinite(share) and 0 < share < 1:
        return []
    return [(("test_size",), f"test_size must be a share between 0 and 1, not {share}")]


def _sample(rows: int | None) -> list[tuple[tuple[str], str]]:
    if rows is None or rows >= LEAST_SAMPLE:
        return []
    return [(("sample",), f"sample must be a number of rows from {LEAST_SAMPLE}, not {rows}")]


def _seed(seed: int) -> list[tuple[tuple[str], str]]:
    if 0 <= seed <= MAX_SEED:
        return []
    return [(("seed",), f"seed must be a whole number from 0 to {MAX_SEED}, not {seed}")]


def _features(features: tuple[str, ...] | None) -> list[tuple[tuple[str], str]]:
    if features is None or features:
        return []
    return [(("features",), "features is empty: name a column, or leave it out to use all")]


def _columns(columns: Mapping[str, Preparation]) -> list[Any]:
    return [
        (("columns", name), f"columns.{name}: {mistake}")
        for name, how in columns.items()
        for mistake in how.mistakes()
    ]


def _split(rule: SplitRule) -> list[Any]:
    return [(("split", key), said) for key, said in rule.mistakes()]


def _search(search: Search | None) -> list[Any]:
    return [] if search is None else [(("search", *at), said) for at, said in search.mistakes()]


def _file(settings: FileSettings) -> list[Any]:
    return list(settings.mistakes())


def _gates(gates: tuple[str, ...]) -> list[Any]:
    if len(gates) > MAX_CONDITIONS:
        return [
            (("gates",), f"gates has {len(gates)} conditions; at most {MAX_CONDITIONS} are allowed")
        ]
    found = []
    for position, text in enumerate(gates):
        try:
            parse(text)
        except GateMalformed as error:
            found.append((("gates", position), f"gates[{position}]: {error.detail}"))
    return found


_RULES: Mapping[str, Any] = {
    "name": _name,
    "description": _description,
    "data": _data,
    "kind": _kind,
    "task": _task,
    "test_size": _test_size,
    "sample": _sample,
    "seed": _seed,
    "features": _features,
    "columns": _columns,
    "split": _split,
    "search": _search,
    "gates": _gates,
    "file": _file,
}


def _between(fields: Mapping[str, Any]) -> list[Mistake]:
    """The contradictions between two or more fields."""
    found = []
    target, data = fields.get("target"), fields.get("data")
    if target == "" and data is not None and not is_bundled(data):
        found.append(Mistake(("target",), "target is empty: name the column to predict"))
    if target:
        found += _against_target(fields, target)
    found += _taken_and_left_out(fields)
    if fields.get("kind") in TRAINED_KINDS and fields.get("task") in {None, *TASKS}:
        found += _against_estimator(fields)
    return found


def _taken_and_left_out(fields: Mapping[str, Any]) -> Iterator[Mistake]:
    taken = fields.get("features") or ()
    for index, name in enumerate(fields.get("exclude") or ()):
        if name in taken:
            yield Mistake(("exclude", index), f"exclude names '{name}', which features also names")


def _against_target(fields: Mapping[str, Any], target: str) -> list[Mistake]:
    found = []
    for role in ("features", "exclude"):
        if target in (fields.get(role) or ()):
            at = (role, fields[role].index(target))
            found.append(Mistake(at, f"{role} names the target '{target}'"))
    how = fields.get("columns", {}).get(target, Preparation())
    if how != Preparation(type=how.type):
        said = f"columns names the target '{target}', of which only the type can be set"
        found.append(Mistake(("columns", target), said))
    rule = fields.get("split")
    if rule is not None and rule.column == target:
        found.append(Mistake(("split", "column"), f"split.column is the target '{target}'"))
    return found


def _against_estimator(fields: Mapping[str, Any]) -> list[Mistake]:
    kind, task = fields["kind"], fields.get("task")
    tasks = possible_tasks(kind, task)
    found = []
    if task is not None and task not in tasks:
        found.append(Mistake(("task",), f"{kind} supports only {' and '.join(tasks)}, not {task}"))
    rule = fields.get("split")
    if rule is not None and rule.by == "stratified" and tasks == ("regression",):
        said = (
            "a stratified split requires classes, and the target is a quantity: use by = 'random'"
        )
        found.append(Mistake(("split", "by"), said))
    search, params = fields.get("search"), fields.get("params", {})
    found += metric_mistakes(search, fields.get("gates", ()), tasks)
    # Imported late, so that importing a recipe does not import scikit-learn.
    from trainers.estimators.checking import parameter_mistakes

    return found + parameter_mistakes(kind, tasks, params, search)
