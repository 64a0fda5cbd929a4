"""``hotswap health``."""

from typing import Any

import click

from cli.exits import SAID_NO
from cli.formatting import ABSENT, moment, size
from cli.service import json_option, speaks_to_service
from cli.terminal import Column, print_heading, print_json, print_pairs, print_table
from hotswap import Registry
from hotswap.replies import Health

WORKERS = [
    Column("Worker", right=True),
    Column("Since"),
    Column("Memory", right=True),
    Column("Busy", right=True),
    Column("Cache", right=True),
    Column("Loaded"),
    Column("Not loaded"),
]
FINDINGS = [Column("Check"), Column("Result"), Column("Found")]


@click.command
@json_option
@speaks_to_service
@click.pass_context
def health(context: click.Context, registry: Registry, *, as_json: bool) -> None:
    """Show whether the running service is well: its workers, versions, database and disk.

    A token with the scope 'admin' sees everything, any other token the summary. 'hotswap doctor'
    checks more, on the host of the service. Exits with 1 if something has failed.

    \b
    Example:
      hotswap health
      hotswap health --json
    """
    found = registry.health()
    if as_json:
        print_json(found)
    else:
        _print(found)
    if found["status"] == "fault":
        context.exit(SAID_NO)


def _print(found: Health) -> None:
    print_pairs(_facts(found))
    if problems := found.get("problems"):
        print_heading("Problems")
        rows = [[one["level"], one["message"], one["advice"]] for one in problems]
        print_table([Column("Level"), Column("Found"), Column("What to do")], rows, "")
    if workers := found.get("worker_reports"):
        print_heading("Workers")
        print_table(WORKERS, [_worker_row(one) for one in workers], "")
    if findings := [one for one in found.get("findings", []) if one["result"] != "ok"]:
        print_heading("Findings")
        rows = [
            [one["check"], one["result"], f"{one['message']}. {one['advice']}"] for one in findings
        ]
        print_table(FINDINGS, rows, "")


def _facts(found: Health) -> dict[str, object]:
    facts: dict[str, object] = {
        "status": f"{found['status']}: {found['summary']}",
        "release": f"{found.get('version')}, schema {found.get('schema')}",
    }
    if database := found.get("database"):
        bytes_ = database["bytes"]
        facts["database"] = f"{database['kind']}, {ABSENT if bytes_ is None else size(bytes_)}"
    if disk := found.get("disk"):
        facts["disk"] = f"{size(disk['free_bytes'])} free of {size(disk['total_bytes'])}"
        if used := disk.get("used_bytes"):
            at = moment(used.pop("measured_at"))
            facts["files"] = ", ".join(f"{kind} {size(bytes_)}" for kind, bytes_ in used.items())
            facts["files"] += f" (measured {at})"
    if "last_backup" in found:
        facts["last backup"] = moment(found["last_backup"])
    if "replaced_workers" in found:
        facts["replaced workers"] = found["replaced_workers"]
    return facts


def _worker_row(worker: dict[str, Any]) -> list[object]:
    return [
        worker["pid"],
        moment(worker["since"]),
        size(worker["memory_bytes"]),
        f"{worker['busy']} of {worker['places']}" if worker["places"] else None,
        f"{size(worker['cache_bytes'])} of {size(worker['cache_limit_bytes'])}",
        [f"{one['model']}/{one['version']}" for one in worker["loaded"]],
        [f"{one['model']}/{one['version']}: {one['reason']}" for one in worker["unloaded"]],
    ]
