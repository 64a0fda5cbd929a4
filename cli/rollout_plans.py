"""Plans of rollouts, as files and as options."""

import json
import math
from pathlib import Path
from typing import IO, Any

import click

from cli.exits import WRONG_USAGE, CommandFailed
from registry.errors import PlanMalformed
from registry.rollouts.plan import parse_plan


class StepText(click.ParamType[dict[str, Any]]):
    """``WEIGHT:MINUTES[:REQUESTS]``, such as ``5:10:2000``."""

    name = "step"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        try:
            weight, minutes, *requests = value.split(":")
            step = {"weight": float(weight), "minutes": float(minutes)}
            if len(requests) > 1 or not all(map(math.isfinite, step.values())):
                raise ValueError(value)
            return {**step, "requests": int(requests[0])} if requests else step
        except ValueError:
            self.fail(
                f"{value!r} is not a step: expected WEIGHT:MINUTES or WEIGHT:MINUTES:REQUESTS, "
                "such as 5:10:2000.",
                param,
                ctx,
            )


def plan_at(path: Path) -> dict[str, Any]:
    """The plan in the file. Raises OSError, and CommandFailed unless it is a valid plan."""
    with path.open(encoding="utf-8") as file:
        found = read_plan(file)
    try:
        parse_plan(found)
    except PlanMalformed as error:
        message = f"{path}: {error.detail}"
        raise CommandFailed(message, WRONG_USAGE, faults=error.faults) from error
    return found


def read_plan(file: IO[str]) -> dict[str, Any]:
    """The plan in ``file``. Raises CommandFailed unless it is a JSON object."""
    try:
        found = json.load(file)
    except (ValueError, RecursionError) as error:
        message = f"{file.name} is not JSON: {error}."
        raise CommandFailed(message, WRONG_USAGE) from error
    if not isinstance(found, dict):
        raise CommandFailed(f"{file.name}: expected a JSON object with steps.", WRONG_USAGE)
    return found
