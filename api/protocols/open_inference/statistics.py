"""Predictions by version as Triton's statistics extension describes them:
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md
"""

from collections.abc import Iterable
from typing import Any

from registry.engines.served_version import Key
from registry.watching.counts import BINS, COLUMNS
from registry.watching.predictions import Totals

_UNMEASURED = {"count": 0, "ns": 0}


def used_versions(totals: Totals) -> set[Key]:
    """The versions that were requested since the server started."""
    return {row.key for row in totals.numbers}


def statistics_of(totals: Totals, keys: Iterable[Key]) -> list[dict[str, Any]]:
    """The entry of each version in ``keys``, with zeros where it was never requested.

    Refused requests count as failed, as in Triton. Their time is not measured.
    """
    numbers: dict[Key, list[int]] = {}
    for row, number in totals.numbers.items():
        numbers.setdefault(row.key, []).append(number)
    return [_entry(totals, key, numbers.get(key, [])) for key in keys]


def _entry(totals: Totals, key: Key, numbers: list[int]) -> dict[str, Any]:
    """``numbers``: the rows of the version, one for each alias by which it was requested."""
    counts = totals.counts[numbers]
    answered = int(counts[:, :BINS].sum())
    refused, failed, nanoseconds, rows = (
        int(counts[:, COLUMNS[name]].sum()) for name in ("refused", "failed", "nanoseconds", "rows")
    )
    return {
        "name": key[0],
        "version": str(key[1]),
        "last_inference": int(counts[:, COLUMNS["last"]].max(initial=0)),
        "inference_count": rows,
        "execution_count": answered,
        "inference_stats": {
            "success": {"count": answered, "ns": nanoseconds},
            "fail": {"count": refused + failed, "ns": 0},
            "queue": _UNMEASURED,
            "compute_input": _UNMEASURED,
            "compute_infer": _UNMEASURED,
            "compute_output": _UNMEASURED,
        },
        "batch_stats": [],
    }
