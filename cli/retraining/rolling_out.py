"""Starts a rollout of the version of ``hotswap retrain``, in place of a promotion."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cli.exits import SAID_NO, CommandFailed
from cli.retraining.inputs import Inputs
from cli.retraining.options import PromotionOptions
from cli.retraining.report import Ending, RetrainReport
from cli.stages import Stage
from hotswap import Registry
from hotswap.errors import Conflict
from hotswap.problems import (
    ExpectedVersionConflict,
    GateFailed,
    RolloutActive,
    RolloutCoolingDown,
    SplitInTheWay,
)
from hotswap.replies import Event

ROLLOUTS = frozenset({"rollout_started", "rollout_ended"})
_REFUSED: Mapping[type[Conflict], Ending] = {
    GateFailed: "not_better",
    RolloutCoolingDown: "rolled_back",
    # This job must not push away a version that is being tried.
    RolloutActive: "split_active",
    SplitInTheWay: "split_active",
}


@dataclass(frozen=True, slots=True)
class RolloutStart:
    """Starts a rollout by ``plan``; ``report`` is up to date even if an exception ends it."""

    registry: Registry
    inputs: Inputs
    options: PromotionOptions
    plan: Mapping[str, Any]
    report: RetrainReport

    def go(self, number: int, champion: int, last: Event | None, stage: Stage) -> None:
        """Start the rollout of version ``number``, unless its gates fail or one has ended.

        ``last``: the last of the events ``ROLLOUTS`` of the version.

        Raises CommandFailed where the alias has moved, and what the registry raises.
        """
        if last is not None and last["type"] == "rollout_ended":
            self._end("rolled_back", f"Its rollout ended at {last['at']}: {last.get('reason')}")
            return
        stage(f"checking the gates of version {number}")
        model, options = self.inputs.model, self.options
        evaluated = self.registry.evaluate(model, number, alias=options.alias, gates=options.gates)
        self.report.gates = evaluated["gates"]
        if not evaluated["passed"]:
            self._end("not_better", "A gate fails, so no rollout was started.")
            return
        stage(f"starting the rollout of version {number}: every worker loads and warms it")
        try:
            self._start(number, champion)
        except ExpectedVersionConflict as error:
            raise moved_meanwhile(number, error) from error
        except tuple(_REFUSED) as error:
            self._end(_REFUSED[type(error)], error.detail)

    def _start(self, number: int, champion: int) -> None:
        options = self.options
        reason = options.reason or f"retrained: {self.inputs}"
        request = (number, options.alias, champion, reason, self.plan)
        self.report.rollout = self.registry.start_rollout(
            self.inputs.model,
            number,
            self.plan,
            alias=options.alias,
            reason=reason,
            expected_version=champion,
            idempotency_key=self.inputs.key("rollout", *request),
        )
        self._end("rolling_out", self.report.rollout["reason"])

    def _end(self, ending: Ending, remark: str) -> None:
        self.report.ending = ending
        self.report.remark = remark


def moved_meanwhile(number: int, error: ExpectedVersionConflict) -> CommandFailed:
    """The failure of a run during which the alias was moved."""
    return CommandFailed(
        f"Version {number} was uploaded, but not promoted: {error}",
        SAID_NO,
        advice="The alias was moved during this run. Run it again to try once more.",
        request_id=error.request_id,
    )
