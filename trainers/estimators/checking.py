"""Checks the parameters of a recipe against its estimators, without data."""

from collections.abc import Iterator, Mapping
from typing import Any

from registry.signature import Task
from trainers.errors import KindUnavailable, ParameterRefused
from trainers.estimators import family_of
from trainers.estimators.family import Family
from trainers.model_kinds import TrainedKind
from trainers.origin import Mistake, Path
from trainers.search_space import Range, Search


def parameter_mistakes(
    kind: TrainedKind, tasks: tuple[Task, ...], params: Mapping[str, Any], search: Search | None
) -> list[Mistake]:
    """A mistake for each name and value in ``params`` and ``search`` that every estimator of
    ``tasks`` refuses, or one for a kind whose library is not installed."""
    try:
        family = family_of(kind)
    except KindUnavailable as error:
        return [Mistake(("kind",), str(error).rstrip("."))]
    found = []
    for path, name, value in _given(params, search):
        refusals = [_refusal(family, task, name, value) for task in tasks]
        if all(refusals):
            found.append(Mistake(path, refusals[0]))
    twice = [] if search is None else [name for name in search.params if name in params]
    found += [
        Mistake(("search", "params", name), f"'{name}' is in both params and search.params")
        for name in twice
    ]
    # A wrong name gives the same mistake for each of its values.
    return list({mistake.text: mistake for mistake in reversed(found)}.values())


def _given(params: Mapping[str, Any], search: Search | None) -> Iterator[tuple[Path, str, Any]]:
    for name, value in params.items():
        yield ("params", name), name, value
    for name, space in {} if search is None else search.params.items():
        at: Path = ("search", "params", name)
        if isinstance(space, Range):
            yield (*at, "low"), name, space.low
            yield (*at, "high"), name, space.high
        else:
            for position, value in enumerate(space):
                yield (*at, position), name, value


def _refusal(family: Family, task: Task, name: str, value: Any) -> str:
    """Why the estimator refuses the value; empty if it does not."""
    try:
        family.check(task, family.build(task, {name: value}, seed=0))
    except (ParameterRefused, ValueError, TypeError) as error:
        return str(error).rstrip(".")
    return ""
