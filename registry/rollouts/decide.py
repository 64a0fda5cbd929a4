"""What happens next in a rollout.

    a guard failed                                         roll back
    baked for its minutes                                  complete
    the deadline has passed                                what the plan says
    the step's minutes have passed, and
        both versions had their requests, all guards
        and requirements passed                            next step
        a requirement failed                               roll back
        something is undecided                             hold, until it is decided

A rollout that is paused or that waits for a person goes nowhere, but its guards still apply.
"""

import math
from datetime import datetime, timedelta
from typing import Any

from registry.guards.grammar import Guard
from registry.rollouts.observed import Arms, Observed
from registry.rollouts.plan import Plan
from registry.rollouts.progress import Action, Decision, Progress, Required

_MOST = math.log(1e300)


def decide(
    plan: Plan,
    progress: Progress,
    observed: Observed,
    now: datetime,
    required: Required | None = None,
) -> Decision:
    """The decision at ``now`` about a rollout that has not ended.

    ``required``: None: the requirements of this step were not evaluated yet.
    """
    for guard in plan.guards:
        if observed.verdict(guard.text) == "failed":
            return Decision("roll_back", _failed(guard, progress, observed.whole))
    if progress.state == "paused":
        return Decision("wait", "It was paused, and waits to be resumed.")
    if progress.state == "baking":
        return _baking(plan, progress, now)
    if progress.blocked:
        return Decision("wait", "It waits until somebody resumes, finishes or aborts it.")
    if now >= progress.deadline_at:
        return _at_deadline(plan)
    return _within_step(plan, progress, observed, now, required)


def figures(plan: Plan, observed: Observed) -> list[dict[str, Any]]:
    """What is known about each guard, as JSON. An e-value from 100 on is a failure."""
    return [
        {
            "guard": guard.text,
            "verdict": observed.verdict(guard.text),
            "e_value": e_value(observed, guard),
            "canary": observed.whole.canary.of(guard.events)._asdict(),
            "champion": observed.whole.champion.of(guard.events)._asdict(),
        }
        for guard in plan.guards
    ]


def e_value(observed: Observed, guard: Guard) -> float:
    """The e-value, to four digits and up to 1e300."""
    return float(f"{math.exp(min(observed.guards[guard.text].log_e_value, _MOST)):.4g}")


def _failed(guard: Guard, progress: Progress, arms: Arms) -> str:
    canary, champion = arms.canary.of(guard.events), arms.champion.of(guard.events)
    noun, verb = ("answers", "were slow") if guard.events == "slow" else ("requests", "failed")
    return (
        f"The guard '{guard.text}' failed: {canary.bad:,} of {canary.requests:,} {noun} of version "
        f"{progress.version} {verb}, and {champion.bad:,} of {champion.requests:,} of version "
        f"{progress.champion}."
    )


def _baking(plan: Plan, progress: Progress, now: datetime) -> Decision:
    baked = now - progress.step_began_at
    if baked >= timedelta(minutes=plan.bake):
        return Decision("complete", f"No guard failed within {_minutes(plan.bake)}.")
    return Decision(
        "wait",
        f"Version {progress.version} has all requests; its guards apply for "
        f"{_minutes(plan.bake)}, of which {_passed(baked)} have passed.",
    )


def _at_deadline(plan: Plan) -> Decision:
    reason = f"The deadline of {plan.deadline} has passed."
    if plan.at_deadline == "promote":
        return Decision("promote", reason)
    return Decision("abort" if plan.at_deadline == "abort" else "block", reason)


def _within_step(
    plan: Plan, progress: Progress, observed: Observed, now: datetime, required: Required | None
) -> Decision:
    step = plan.steps[progress.step]
    at = f"Step {progress.step + 1} of {len(plan.steps)}, a weight of {step.weight / 100:g} %"
    missing = _missing(plan, progress, observed)
    passed = now - progress.step_began_at
    if passed < timedelta(minutes=step.minutes):
        more = f"; {'; '.join(missing)}" if missing else ""
        return Decision(
            "wait", f"{at}: {_passed(passed)} of {_minutes(step.minutes)} have passed{more}."
        )
    if missing:
        why = f"is undecided after {_minutes(step.minutes)}: {'; '.join(missing)}"
        return Decision(_held(progress), f"{at}, {why}.")
    if plan.require:
        if required is None:
            return Decision("require", f"{at}: the requirements are evaluated.")
        if required.verdict != "passed":
            return _not_passed(progress, at, required)
    if progress.step + 1 == plan.last:
        return Decision("promote", f"{at}, passed; it was the last before the promotion.")
    return Decision("advance", f"{at}, passed.")


def _not_passed(progress: Progress, at: str, required: Required) -> Decision:
    if required.verdict == "failed":
        return Decision("roll_back", f"{at}: {required.reason or 'a requirement failed'}.")
    why = f" ({required.reason.rstrip('.')})" if required.reason else ""
    return Decision(_held(progress), f"{at}: the requirements cannot be evaluated{why}.")


def _held(progress: Progress) -> Action:
    return "wait" if progress.state == "held" else "hold"


def _missing(plan: Plan, progress: Progress, observed: Observed) -> list[str]:
    """What is undecided in this step."""
    wanted = plan.steps[progress.step].requests
    missing = [
        f"version {number} had {tally.requests:,} of {wanted:,} requests"
        for number, tally in (
            (progress.version, observed.step.canary),
            (progress.champion, observed.step.champion),
        )
        if tally.requests < wanted
    ]
    for guard in plan.guards:
        if observed.verdict(guard.text) == "undecided":
            nothing = observed.guards[guard.text].intervals <= observed.since[guard.text]
            why = "has nothing to compare" if nothing else "is undecided"
            missing.append(f"the guard '{guard.text}' {why}")
    return missing


def _minutes(number: float) -> str:
    return f"{number:g} minute{'' if number == 1 else 's'}"


def _passed(time: timedelta) -> str:
    """Whole minutes, of a time that has passed."""
    return f"{time // timedelta(minutes=1)}"
