"""From a recipe to a version that is live, or is not; safe to be cut and to be run again.

Nothing is kept on this side. What an earlier run with the same inputs has done is read from the
service: the version that it made is known by its lineage, and that it was live, by the history.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.exits import SAID_NO, CommandFailed
from cli.retraining.inputs import Inputs
from cli.retraining.report import RetrainReport
from client import Registry
from client.errors import NotFound
from client.problems import (
    ExpectedVersionConflict,
    GateFailed,
    IdempotencyKeyReused,
    ModelNotFound,
)
from client.replies import Event, Version

if TYPE_CHECKING:  # training brings scikit-learn with it
    from trainers.recipe import Recipe
    from trainers.trained import TrainedModel

Stage = Callable[[str], None]
Progress = Callable[[int, int], None]
"""Told how many of how many parts of a stage are done."""
_MOVES = frozenset({"promoted", "rolled_back"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to become of the model: the alias, the conditions, and a reason for the history."""

    alias: str
    gates: tuple[str, ...] = ()
    reason: str | None = None


class Run:
    """One run; ``outcome`` tells how far it came, whatever ends it."""

    def __init__(
        self,
        registry: Registry,
        recipe: "Recipe",
        wish: Wish,
        stage: Stage,
        progress: Progress | None = None,
    ) -> None:
        self._registry = registry
        self._recipe = recipe
        self._wish = wish
        self._stage = stage
        self._progress = progress
        self._inputs = Inputs.of(recipe.name, {"recipe_sha256": recipe.sha256})
        self.trained: TrainedModel | None = None
        self.outcome = RetrainReport(
            model=recipe.name, alias=wish.alias, inputs=str(self._inputs), url=registry.url
        )

    def go(self) -> None:
        """Make the version, unless it is there, and ask for its promotion.

        Raises TrainingRefused, CommandFailed and what the registry raises.
        """
        from trainers.lineage import inputs_of

        self._use(inputs_of(self._recipe))
        own = self._registry.own_token()
        champion = self._live()
        if champion is not None:
            self.outcome.champion = self._registry.version(self._inputs.model, champion)
            self.outcome.champion_evaluation = self._evaluation_of(champion)
        version = self._made_by(own["name"])
        if version is None:
            _require_upload(own["scopes"])
            version = self._make(own["name"])
        self._take(version)
        self._promote(version["version"], champion)

    def _use(self, lineage: Mapping[str, Any]) -> None:
        """Take these for the inputs of the run."""
        self._inputs = Inputs.of(self._inputs.model, lineage)
        self.outcome.inputs = str(self._inputs)

    def _live(self) -> int | None:
        """The version that the alias points at now."""
        try:
            return self._registry.model(self._inputs.model)["aliases"].get(self._wish.alias)
        except ModelNotFound:
            return None

    def _made_by(self, actor: str) -> Version | None:
        """The version that ``actor`` made from these inputs.

        Only its own: lineage is what an uploader claims, and a token that may upload and not
        promote must not get promoted what it passes off as the work of this job.
        """
        self._stage("looking for a version of the same inputs")
        try:
            for version in self._registry.versions(self._inputs.model):
                if self._inputs.made(version) and version.get("created_by") == actor:
                    return version
        except ModelNotFound:
            return None
        return None

    def _make(self, actor: str) -> Version:
        from trainers.training import train

        self._stage("loading scikit-learn")
        model = self.trained = train(self._recipe, stage=self._stage, progress=self._progress)
        # What was trained on counts, should the data have changed since it was looked at.
        self._use(model.lineage)
        self._stage("writing the artifact")
        return self._upload(model, model.artifact(), actor)

    def _upload(self, model: "TrainedModel", artifact: bytes, actor: str) -> Version:
        self._stage(f"uploading to {self._registry.url}")
        try:
            uploaded = self._registry.upload(
                self._inputs.model,
                artifact,
                model.metadata(parent_version=self.outcome.champion_number),
                filename="model.skops",
                idempotency_key=self._inputs.key("upload"),
                # The same bytes prove a version to be the same, whoever uploaded it. What is
                # claimed of them they do not prove, so the service compares that too.
                reuse=True,
            )
        except IdempotencyKeyReused:
            # Another run with these inputs was first, and its bytes differ from ours.
            theirs = self._made_by(actor)
            if theirs is None:
                raise
            return theirs
        self.outcome.made = not uploaded.replayed
        return uploaded.version

    def _take(self, version: Version) -> None:
        number = version["version"]
        if version.get("status") == "archived":
            raise CommandFailed(
                f"Version {number} of {self._inputs.model} was made from the same inputs "
                f"({self._inputs}), and somebody has archived it.",
                SAID_NO,
                advice="Change the recipe or the data, or commit anew, to make another.",
            )
        self.outcome.version = version
        self.outcome.evaluation = self._evaluation_of(number)

    def _evaluation_of(self, number: int) -> dict[str, Any]:
        try:
            return self._registry.evaluation(self._inputs.model, number)
        except NotFound:
            return {}

    def _promote(self, number: int, champion: int | None) -> None:
        was_live = None if self.outcome.made else self._last_move_to(number)
        if number == champion:
            return self._tell_live(was_live)
        if was_live is not None:
            # The champion is older than the training, and another run may have been quicker.
            is_live = self._live() == number
            return self._tell_live(was_live) if is_live else self._tell_replaced(was_live)
        self._stage(f"promoting version {number}: every worker loads and warms it")
        try:
            self._ask_for_promotion(number, champion)
        except GateFailed as error:
            self.outcome.ending = "not_better"
            self.outcome.gates = error.gates
            self.outcome.remark = error.detail
        except ExpectedVersionConflict as error:
            # A run beside this one may have asked for the same a moment earlier.
            if self._live() != number:
                raise _moved_meanwhile(number, error) from error
            self._tell_live(self._last_move_to(number))
        return None

    def _ask_for_promotion(self, number: int, champion: int | None) -> None:
        wish = self._wish
        reason = wish.reason or f"retrained: {self._inputs}"
        asked = (number, wish.alias, champion, reason, *wish.gates)
        promotion = self._registry.promote(
            self._inputs.model,
            number,
            alias=wish.alias,
            expected_version=champion,
            reason=reason,
            gates=wish.gates,
            idempotency_key=self._inputs.key("promote", *asked),
        )
        self.outcome.ending = "promoted"
        self.outcome.promotion = promotion
        self.outcome.gates = promotion.get("gates") or []

    def _last_move_to(self, number: int) -> Event | None:
        """The last time that the alias was made to point at ``number``."""
        for event in self._registry.history(self._inputs.model):
            if event.get("to_version") != number:
                continue
            if event["type"] == "registered":
                return None
            if event["type"] in _MOVES and event.get("alias") == self._wish.alias:
                return event
        return None

    def _tell_live(self, promotion: Event | None) -> None:
        self.outcome.ending = "promoted"
        self.outcome.already_live = True
        self.outcome.gates = list(((promotion or {}).get("details") or {}).get("gates") or [])
        if promotion is not None:
            self.outcome.remark = _who_and_when("Promoted", promotion)

    def _tell_replaced(self, promotion: Event) -> None:
        # Whoever replaced it, or rolled it back, had a reason that a nightly job cannot know.
        self.outcome.ending = "superseded"
        self.outcome.remark = (
            f"{_who_and_when('It was promoted', promotion)} and has been replaced since. "
            "'hotswap promote' brings it back."
        )


def _require_upload(scopes: Sequence[str]) -> None:
    """Before hours of training, not after. Raises CommandFailed."""
    if not {"upload", "admin"} & set(scopes):
        raise CommandFailed(
            "The token lacks the scope 'upload', so what is trained could not be kept.",
            SAID_NO,
            advice="Set HOTSWAP_TOKEN to a token that may upload and promote.",
        )


def _moved_meanwhile(number: int, error: ExpectedVersionConflict) -> CommandFailed:
    return CommandFailed(
        f"Version {number} was uploaded, but not promoted: {error}",
        SAID_NO,
        advice="Somebody moved the alias while this ran. Run it again to ask anew.",
        request_id=error.request_id,
    )


def _who_and_when(what: str, event: Event) -> str:
    return f"{what} by {event['actor']} at {event['at']}"
