"""``hotswap rollout``."""

from collections.abc import Callable
from typing import IO, Any, ParamSpec, TypedDict, Unpack

import click

from cli.exits import HELD, ROLLED_BACK
from cli.formatting import moment, number, one_line
from cli.names import AliasName, IdempotencyKey, ModelName
from cli.promotion import expected_generation_option
from cli.retrain import patient
from cli.rollout_plans import StepText, read_plan
from cli.service import json_option, speaks_to_service
from cli.terminal import Column, print_heading, print_json, print_pairs, print_table
from hotswap import Registry
from hotswap.replies import GuardState, Rollout
from registry.names import PRODUCTION

P = ParamSpec("P")

EXITS = {
    "promoted": 0,
    "held": HELD,
    "paused": HELD,
    "rolled_back": ROLLED_BACK,
    "aborted": ROLLED_BACK,
    "ended": ROLLED_BACK,
}
"""The exit codes of ``status --wait`` by state."""
UNWATCHED = "no: the keeper does not run"
PATIENCE = 600.0
"""Seconds that ``status --wait`` waits for a service that does not respond, as during a restart."""
GUARDS = [
    Column("Guard"),
    Column("Verdict"),
    Column("E-value", right=True),
    Column("Of the new version"),
    Column("Of the champion"),
]

_alias_option = click.option(
    "--alias", type=AliasName(), default=PRODUCTION, show_default=True, help="Alias."
)


class _Start(TypedDict):
    """The options of ``start`` that are no part of the plan."""

    alias: str
    expected_version: int | None
    expected_generation: int | None
    reason: str | None
    force: bool
    idempotency_key: str | None


@click.group
def rollout() -> None:
    """Replace the version of an alias in steps, and undo it if guards fail."""


@rollout.command
@click.argument("name", type=ModelName())
@click.argument("version", type=click.IntRange(min=1))
@click.option("--plan", type=click.File(encoding="utf-8"), help="File with the plan as JSON.")
@click.option(
    "--step",
    "steps",
    type=StepText(),
    multiple=True,
    metavar="WEIGHT:MINUTES[:REQUESTS]",
    help="A step, instead of those of the plan: percent of the requests, for at least so long and "
    "so many; may be repeated. The promotion follows the last one.",
)
@click.option(
    "--guard",
    "guards",
    multiple=True,
    metavar="TEXT",
    help="A guard, instead of those of the plan; may be repeated.",
)
@_alias_option
@click.option(
    "--expected-version",
    type=click.IntRange(min=1),
    help="Start only if the alias points at this version now.",
)
@expected_generation_option
@click.option("--reason", metavar="TEXT", help="Reason, for the history.")
@click.option(
    "--force",
    is_flag=True,
    help="Start even if gates fail, or the version was rolled back recently.",
)
@click.option("--idempotency-key", type=IdempotencyKey(), help="Makes the request safe to repeat.")
@json_option
@speaks_to_service
def start(
    registry: Registry,
    *,
    name: str,
    version: int,
    plan: IO[str] | None,
    steps: tuple[dict[str, Any], ...],
    guards: tuple[str, ...],
    as_json: bool,
    **given: Unpack[_Start],
) -> None:
    """Start to roll out VERSION of the model NAME. A repeated command changes nothing.

    \b
    Example:
      hotswap rollout start housing 4 --step 5:10:2000 --step 25:30:10000
      hotswap rollout start housing 4 --plan plan.json
    """
    wanted = {} if plan is None else read_plan(plan)
    if steps:
        wanted["steps"] = [*steps, {"weight": 100}]
    if guards:
        wanted["guards"] = list(guards)
    if "steps" not in wanted:
        raise click.UsageError("A rollout needs steps: give --plan FILE or --step.")
    _show(registry.start_rollout(name, version, wanted, **given), as_json)


@rollout.command
@click.argument("name", type=ModelName())
@_alias_option
@click.option(
    "--wait",
    is_flag=True,
    help="Wait until it has ended or needs somebody. Exits with 0 if the version was promoted, "
    "with 10 if it is held or paused, with 11 if it was rolled back or ended otherwise.",
)
@json_option
@speaks_to_service
def status(registry: Registry, *, name: str, alias: str, wait: bool, as_json: bool) -> None:
    """Show the rollout of the model NAME, or the last one: its step, why it is there, and what the
    guards say.

    \b
    Example:
      hotswap rollout status housing
      hotswap rollout status housing --wait
    """
    if not wait:
        found = registry.rollout(name, alias=alias)
        _show(found, as_json)
        return
    with registry.with_retries(patient(PATIENCE)) as waiting:
        found = waiting.wait_for_rollout(name, alias=alias, changed=Announcement())
    _show(found, as_json)
    click.get_current_context().exit(EXITS.get(found["state"], ROLLED_BACK))


class Announcement:
    """Prints each new revision on stderr in one line, and whether nobody watches the rollout."""

    def __init__(self) -> None:
        self._revision: int | None = None
        self._watched = True

    def __call__(self, found: Rollout) -> None:
        if found["revision"] != self._revision:
            self._revision = found["revision"]
            click.echo(f"{found['state']}: {one_line(found['reason'])}", err=True)
        if self._watched and not found["watched"]:
            click.echo(f"watched: {UNWATCHED}", err=True)
        self._watched = found["watched"]


def print_rollout(found: Rollout) -> None:
    """Print it for people."""
    steps = found["plan"]["steps"]
    step = steps[found["step"] - 1]
    requests = found["requests"]
    print_pairs(
        {
            "rollout": f"{found['model']}/{found['alias']}: version {found['champion']} -> "
            f"{found['version']}",
            "state": found["state"],
            "reason": found["reason"],
            "step": f"{found['step']} of {len(steps)}, {number(step['weight'])} % since "
            f"{moment(found['step_began_at'])}",
            "requests": f"{requests['canary']:,} by version {found['version']}, "
            f"{requests['champion']:,} by version {found['champion']}",
            "watched": "yes" if found["watched"] else UNWATCHED,
            "revision": found["revision"],
            "started": f"{moment(found['created_at'])} by {found['created_by']}",
            "ended": moment(found["ended_at"]),
        }
    )
    if found["guards"]:
        print_heading("Guards")
        print_table(GUARDS, [_guard_row(one) for one in found["guards"]], "")


def _guard_row(guard: GuardState) -> list[object]:
    arms = (guard["canary"], guard["champion"])
    shares = [f"{arm['bad']:,} of {arm['requests']:,}" for arm in arms]
    return [guard["guard"], guard["verdict"], guard["e_value"], *shares]


def _move_options(command: Callable[P, None]) -> Callable[P, None]:
    """Add the argument and the options of a command that moves a rollout."""
    for add in (
        click.option(
            "--idempotency-key", type=IdempotencyKey(), help="Makes the request safe to repeat."
        ),
        click.option(
            "--expected-revision",
            type=click.IntRange(min=1),
            help="Only if the rollout is at this revision now.",
        ),
        click.option("--reason", metavar="TEXT", help="Reason, for the history."),
        _alias_option,
        click.argument("name", type=ModelName()),
    ):
        command = add(command)
    return command


class _Given(TypedDict):
    """The options of ``_move_options``."""

    alias: str
    reason: str | None
    expected_revision: int | None
    idempotency_key: str | None


@rollout.command
@_move_options
@json_option
@speaks_to_service
def pause(registry: Registry, name: str, as_json: bool, **given: Unpack[_Given]) -> None:
    """Keep the present weights of the rollout of the model NAME. Its guards still apply.

    \b
    Example:
      hotswap rollout pause housing --reason "a holiday"
    """
    _show(registry.pause_rollout(name, **given), as_json)


@rollout.command
@_move_options
@json_option
@speaks_to_service
def resume(registry: Registry, name: str, as_json: bool, **given: Unpack[_Given]) -> None:
    """Continue the rollout of the model NAME that was paused or is held.

    \b
    Example:
      hotswap rollout resume housing
    """
    _show(registry.resume_rollout(name, **given), as_json)


@rollout.command
@_move_options
@json_option
@speaks_to_service
def abort(registry: Registry, name: str, as_json: bool, **given: Unpack[_Given]) -> None:
    """End the rollout of the model NAME: the version before answers all requests again.

    \b
    Example:
      hotswap rollout abort housing --reason "wrong prices in Ghent"
    """
    _show(registry.abort_rollout(name, **given), as_json)


@rollout.command
@_move_options
@json_option
@speaks_to_service
def finish(registry: Registry, name: str, as_json: bool, **given: Unpack[_Given]) -> None:
    """Promote the version of the rollout of the model NAME now, without its remaining steps.

    \b
    Example:
      hotswap rollout finish housing --reason "as good on all figures"
    """
    _show(registry.finish_rollout(name, **given), as_json)


def _show(found: Rollout, as_json: bool) -> None:
    print_json(found) if as_json else print_rollout(found)
