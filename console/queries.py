"""Reads the query of a URL, and chooses what it leaves open."""

from collections.abc import Mapping
from typing import cast
from urllib.parse import urlencode

from flask import request

from hotswap.metrics.names import METRICS, Task
from registry.errors import ParameterMalformed

_MOST = 1_000_000


def number_in_query(name: str, default: int = 1, *, least: int = 1, most: int = _MOST) -> int:
    """The whole number from ``least`` to ``most`` in the parameter ``name``.

    Raises ParameterMalformed.
    """
    text = request.args.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and least <= int(text[:20]) <= most):
        raise ParameterMalformed(name, f"expected a whole number from {least} to {most:,}.")
    return int(text)


def choice_in_query(name: str, choices: tuple[str, ...]) -> str:
    """One of ``choices`` in the parameter ``name``; the first by default.

    Raises ParameterMalformed.
    """
    text = request.args.get(name, "")
    if text and text not in choices:
        raise ParameterMalformed(name, f"expected one of {', '.join(choices)}.")
    return text or choices[0]


def url_with(**changes: object) -> str:
    """The address of this page with other parameters in its query; the rest of it stays."""
    query = request.args.to_dict(flat=False) | {name: [str(one)] for name, one in changes.items()}
    return f"{request.script_root}{request.path}?{urlencode(query, doseq=True)}"


def metrics_in_order(task: str, metrics: Mapping[str, float]) -> list[str]:
    """The names of ``metrics``: the task's own in their usual order, then others by name."""
    usual = METRICS.get(cast("Task", task), ())
    return [name for name in usual if name in metrics] + sorted(metrics.keys() - set(usual))


def main_metric(task: str, metrics: Mapping[str, float]) -> str | None:
    """The metric by which versions of this task are compared first; None without metrics."""
    return next(iter(metrics_in_order(task, metrics)), None)
