"""Trains, uploads and promotes a version of a recipe; can be interrupted and run again.

It stores nothing locally. What an earlier run with the same inputs has done is read from the
service: its version is found by the lineage, and its promotion in the history.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cli.cluster import on_cluster
from cli.exits import SAID_NO, CommandFailed
from cli.memory import memory_or_available
from cli.retraining.inputs import Inputs
from cli.retraining.options import IN_THIS_PROCESS, Means, PromotionOptions
from cli.retraining.report import RetrainReport
from cli.retraining.rolling_out import ROLLOUTS, RolloutStart, moved_meanwhile
from cli.splits import arms_in_words
from cli.stages import Progress, Stage
from hotswap import Registry
from hotswap.errors import NotFound
from hotswap.problems import (
    ExpectedVersionConflict,
    GateFailed,
    IdempotencyKeyReused,
    ModelNotFound,
    SplitActive,
)
from hotswap.replies import Event, Split, Version

if TYPE_CHECKING:  # training imports scikit-learn
    from trainers.recipe import Recipe
    from trainers.trained import TrainedModel

_MOVES = frozenset({"promoted", "rolled_back"})


class Run:
    """One run; ``report`` is up to date even if an exception ends it."""

    def __init__(
        self,
        registry: Registry,
        recipe: "Recipe",
        options: PromotionOptions,
        stage: Stage,
        progress: Progress | None = None,
        *,
        means: Means = IN_THIS_PROCESS,
    ) -> None:
        self._registry = registry
        self._recipe = recipe
        self._options = options
        self._stage = stage
        self._progress = progress
        self._means = means
        self._inputs = Inputs.of(recipe.name, {"recipe_sha256": recipe.sha256})
        self.trained: TrainedModel | None = None
        self.report = RetrainReport(
            model=recipe.name, alias=options.alias, inputs=str(self._inputs), url=registry.url
        )

    def go(self) -> None:
        """Create the version, unless it exists, and request its promotion.

        Raises TrainingRefused, CommandFailed, ClusterFailed and what the registry raises.
        """
        from trainers.lineage import inputs_of

        self._set_inputs(inputs_of(self._recipe))
        own = self._registry.own_token()
        self.report.url = self._registry.public_url()
        champion = self._live()
        if champion is not None:
            self.report.champion = self._registry.version(self._inputs.model, champion)
            self.report.champion_evaluation = self._evaluation_of(champion)
        version = self._made_by(own["name"])
        if version is None:
            _require_upload(own["scopes"])
            version = self._make(own["name"])
        self._take(version)
        self._promote(version["version"], champion)

    def _set_inputs(self, lineage: Mapping[str, Any]) -> None:
        """Set the inputs of the run."""
        self._inputs = Inputs.of(self._inputs.model, lineage)
        self.report.inputs = str(self._inputs)

    def _live(self) -> int | None:
        """The version that the alias points at now."""
        try:
            return self._registry.model(self._inputs.model)["aliases"].get(self._options.alias)
        except ModelNotFound:
            return None

    def _made_by(self, actor: str) -> Version | None:
        """The version that ``actor`` made from these inputs.

        Versions of others do not count: any uploader can claim a lineage, and a token that may
        upload but not promote must not get its version promoted by this job.
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
        with on_cluster(self._means.scheduler, self._stage) as cluster:
            model = self.trained = train(
                self._recipe,
                stage=self._stage,
                progress=self._progress,
                cluster=cluster,
                memory=memory_or_available(self._means.memory),
            )
        # The data may have changed since its digest was read; what was trained on counts.
        self._set_inputs(model.lineage)
        self._stage("writing the artifact")
        return self._upload(model, model.artifact(), actor)

    def _upload(self, model: "TrainedModel", artifact: bytes, actor: str) -> Version:
        self._stage(f"uploading to {self._registry.url}")
        try:
            uploaded = self._registry.upload(
                self._inputs.model,
                artifact,
                model.metadata(parent_version=self.report.champion_number),
                filename="model.skops",
                idempotency_key=self._inputs.key("upload"),
                # Equal bytes make it the same version, whoever uploaded it. They do not prove the
                # metadata, so the service compares that too.
                reuse=True,
                training_rows=model.training_rows,
            )
        except IdempotencyKeyReused:
            # Another run with these inputs was first, and its bytes differ from ours.
            other = self._made_by(actor)
            if other is None:
                raise
            return other
        self.report.made = not uploaded.replayed
        return uploaded.version

    def _take(self, version: Version) -> None:
        number = version["version"]
        if version.get("status") == "archived":
            raise CommandFailed(
                f"Version {number} of {self._inputs.model} was made from the same inputs "
                f"({self._inputs}) and has been archived.",
                SAID_NO,
                advice="To create another version, change the recipe or the data, or commit again.",
            )
        self.report.version = version
        self.report.evaluation = self._evaluation_of(number)

    def _evaluation_of(self, number: int) -> dict[str, Any]:
        try:
            return self._registry.evaluation(self._inputs.model, number)
        except NotFound:
            return {}

    def _promote(self, number: int, champion: int | None) -> None:
        options = self._options
        was_live = None if self.report.made else self._last_move_to(number)
        if number == champion:
            return self._report_live(was_live)
        if was_live is not None:
            # The champion was read before the training, and another run may have been faster.
            is_live = self._live() == number
            return self._report_live(was_live) if is_live else self._report_replaced(was_live)
        if options.plan is not None and champion is not None:
            last = None if self.report.made else self._last_event(number, ROLLOUTS)
            start = RolloutStart(self._registry, self._inputs, options, options.plan, self.report)
            return start.go(number, champion, last, self._stage)
        if champion is not None and (split := self._split()) is not None:
            # Also where the version is in it: whoever split the alias decides when it gets all.
            return self._report_split(
                f"{options.alias} is split over {arms_in_words(split)}. Use 'hotswap promote "
                f"{self._inputs.model} {number}', or end the split and run this again."
            )
        self._stage(f"promoting version {number}: every worker loads and warms it")
        try:
            self._request_promotion(number, champion)
        except GateFailed as error:
            self.report.ending = "not_better"
            self.report.gates = error.gates
            self.report.remark = error.detail
        except SplitActive as error:
            self._report_split(error.detail)
        except ExpectedVersionConflict as error:
            # A concurrent run may have promoted the same version.
            if self._live() != number:
                raise moved_meanwhile(number, error) from error
            self._report_live(self._last_move_to(number))
        return None

    def _request_promotion(self, number: int, champion: int | None) -> None:
        options = self._options
        reason = options.reason or f"retrained: {self._inputs}"
        request = (number, options.alias, champion, reason, *options.gates)
        promotion = self._registry.promote(
            self._inputs.model,
            number,
            alias=options.alias,
            expected_version=champion,
            reason=reason,
            gates=options.gates,
            idempotency_key=self._inputs.key("promote", *request),
        )
        self.report.ending = "promoted"
        self.report.promotion = promotion
        self.report.gates = promotion.get("gates") or []

    def _last_move_to(self, number: int) -> Event | None:
        """The last time that the alias was made to point at ``number``."""
        return self._last_event(number, _MOVES)

    def _last_event(self, number: int, types: frozenset[str]) -> Event | None:
        """The last event of ``types`` about the version and the alias."""
        for event in self._registry.history(self._inputs.model):
            if event.get("to_version") != number:
                continue
            if event["type"] == "registered":
                return None
            if event["type"] in types and event.get("alias") == self._options.alias:
                return event
        return None

    def _split(self) -> Split | None:
        """The split of the alias."""
        try:
            return self._registry.get_split(self._inputs.model, self._options.alias)
        except NotFound:
            return None

    def _report_split(self, remark: str) -> None:
        self.report.ending = "split_active"
        self.report.remark = remark

    def _report_live(self, promotion: Event | None) -> None:
        self.report.ending = "promoted"
        self.report.already_live = True
        self.report.gates = list(((promotion or {}).get("details") or {}).get("gates") or [])
        if promotion is not None:
            self.report.remark = _who_and_when("Promoted", promotion)

    def _report_replaced(self, promotion: Event) -> None:
        # A user replaced it or rolled it back for a reason that this job does not know.
        self.report.ending = "superseded"
        self.report.remark = (
            f"{_who_and_when('It was promoted', promotion)} and has been replaced since. "
            "Use 'hotswap promote' to make it live again."
        )


def _require_upload(scopes: Sequence[str]) -> None:
    """Check this before the training. Raises CommandFailed."""
    if not {"upload", "admin"} & set(scopes):
        raise CommandFailed(
            "The token lacks the scope 'upload', so the trained model could not be uploaded.",
            SAID_NO,
            advice="Set HOTSWAP_TOKEN to a token that may upload and promote.",
        )


def _who_and_when(what: str, event: Event) -> str:
    return f"{what} by {event['actor']} at {event['at']}"
