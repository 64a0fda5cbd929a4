"""What an import has to do: the source compared with the registry."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Literal

from cli.importing.fitting import (
    alias_fault,
    fitting_description,
    fitting_metrics,
    fitting_tags,
)
from cli.importing.sources import (
    CannotCome,
    Described,
    FoundModel,
    FoundVersion,
    LeftOut,
    Source,
)
from cli.stages import Stage
from hotswap import Registry
from hotswap.problems import ModelNotFound

Outcome = Literal["planned", "imported", "present", "refused"]


@dataclass(slots=True)
class VersionStep:
    """A version of the source, the number that it has or gets here, and what became of it."""

    found: FoundVersion
    outcome: Outcome
    number: int | None = None
    described: Described | None = None
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    reason: str = ""

    def refuse(self, reason: str) -> None:
        """Note that it did not come, and so has no number."""
        self.outcome, self.reason, self.number = "refused", reason, None

    @property
    def is_renumbered(self) -> bool:
        """Whether its number here differs from the one that it should have."""
        kept = self.found.number
        return None not in (kept, self.number) and kept != self.number


@dataclass(slots=True)
class AliasStep:
    """An alias of the source, and the step of its version; None: the source has no such version."""

    alias: str
    label: str
    version: VersionStep | None
    outcome: Outcome
    reason: str = ""


@dataclass(slots=True)
class ModelStep:
    """A model of the source. ``is_new``: the registry does not have it yet."""

    name: str
    is_new: bool = False
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    versions: list[VersionStep] = field(default_factory=list)
    aliases: list[AliasStep] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    reason: str = ""
    """Why nothing of it can be imported."""


def plan(registry: Registry, source: Source, owner: str, stage: Stage) -> list[ModelStep]:
    """The steps of an import by the token named ``owner``. Changes nothing.

    Raises SourceFailed, ClientError.
    """
    steps = []
    for found in source.models():
        stage(f"reading {found.name}")
        steps.append(_model(registry, source, owner, found))
    return steps


def _model(registry: Registry, source: Source, owner: str, found: FoundModel) -> ModelStep:
    if found.unfit:
        return ModelStep(found.name, reason=found.unfit)
    step = ModelStep(found.name)
    step.description, no_description = fitting_description(found.description)
    step.tags, no_tags = fitting_tags(found.tags)
    try:
        known = registry.model(found.name)
    except ModelNotFound:
        step.is_new = True
        step.left_out = [*no_description, *no_tags]
        last, present, aliases = 0, {}, {}
    else:
        if known["status"] == "archived":
            return ModelStep(found.name, reason="The model is archived here.")
        step.left_out = _kept_here(step, known["description"], known["tags"])
        last, aliases = known["last_version"] or 0, known["aliases"]
        present = _present(registry, source, owner, found.name)
    for version in found.versions:
        if version.key in present:
            step.versions.append(VersionStep(version, "present", present[version.key]))
            continue
        planned = _version(source, version)
        if planned.outcome == "planned":
            wanted = version.number or 0
            last = planned.number = wanted if wanted > last else last + 1
        step.versions.append(planned)
    by_label = {each.found.label: each for each in step.versions}
    step.aliases = [
        _alias(alias, label, by_label.get(label), aliases) for alias, label in found.aliases.items()
    ]
    return step


def _present(registry: Registry, source: Source, owner: str, model: str) -> dict[Hashable, int]:
    """The numbers of the versions that an earlier import made, also of archived ones.

    Any uploader can claim a lineage. So a version of another token is only taken for the same if it
    is found to be, which the upload does.
    """
    own = (each for each in registry.versions(model) if each["created_by"] == owner)
    keys = ((source.key_of(each), each["version"]) for each in own)
    return {key: number for key, number in keys if key is not None}


def _version(source: Source, found: FoundVersion) -> VersionStep:
    if found.unfit:
        return VersionStep(found, "refused", reason=found.unfit)
    try:
        described = source.describe(found)
    except CannotCome as error:
        return VersionStep(found, "refused", reason=str(error))
    description, no_description = fitting_description(found.description)
    tags, no_tags = fitting_tags(found.tags)
    metrics, no_metrics = fitting_metrics(described.metrics)
    left_out = [*found.left_out, *described.left_out, *no_description, *no_tags, *no_metrics]
    return VersionStep(
        found,
        "planned",
        described=described,
        description=description,
        tags=tags,
        metrics=metrics,
        left_out=left_out,
    )


def _alias(alias: str, label: str, version: VersionStep | None, here: dict[str, int]) -> AliasStep:
    step = AliasStep(alias, label, version, "planned")
    if fault := alias_fault(alias):
        step.outcome, step.reason = "refused", fault
    elif version is None or version.outcome == "refused":
        step.outcome, step.reason = "refused", "Its version cannot be imported."
    elif alias in here and here[alias] == version.number:
        step.outcome = "present"
    elif alias in here:
        step.outcome = "refused"
        step.reason = f"It points at version {here[alias]} here, and was left there."
    return step


def _kept_here(step: ModelStep, description: str, tags: dict[str, str]) -> list[LeftOut]:
    """What a model that exists has in another way; it is not changed."""
    why = "the model exists here, and was not changed"
    left_out = [] if description == step.description else [LeftOut("description of the model", why)]
    return left_out + [
        LeftOut(f"tag {key} of the model", why)
        for key, value in step.tags.items()
        if tags.get(key) != value
    ]
