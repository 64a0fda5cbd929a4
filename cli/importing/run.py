"""Performs the steps of an import, in order.

The registry itself holds what was imported: each version has in its lineage where it came from. So
an import that was interrupted, at any point, continues when it is run again.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli.importing.plan import AliasStep, ModelStep, VersionStep
from cli.importing.sources import CannotCome, Described, LeftOut, Source
from cli.stages import Stage
from hotswap import ProblemReply, Registry, Uploaded
from hotswap.errors import BadRequest, Conflict, Refused, TooLarge, UnsupportedFormat
from hotswap.problems import MetadataRefused

MAX_REASON = 500
REFUSALS = (BadRequest, Conflict, Refused, TooLarge, UnsupportedFormat)
"""What concerns one version or alias; any other failure ends the import."""
_OPTIONAL = ("signature", "input_example")
"""Metadata without which a version can be registered, if they do not match its model."""


def run(registry: Registry, source: Source, steps: Sequence[ModelStep], stage: Stage) -> None:
    """Import what is planned in ``steps``, and note there what became of it.

    Raises SourceFailed, ClientError; the steps have then been done up to that point.
    """
    for step in steps:
        if step.is_new and not step.reason:
            _create(registry, step)
        if step.reason:
            continue
        for version in step.versions:
            if version.outcome == "planned":
                stage(f"importing {step.name} {version.found.label}")
                _import(registry, source, version)
        for alias in step.aliases:
            if alias.outcome == "planned":
                _set(registry, source, step.name, alias)


def _create(registry: Registry, step: ModelStep) -> None:
    if step.versions and not any(each.outcome == "planned" for each in step.versions):
        step.reason = "None of its versions can be imported."
        return
    try:
        registry.create_model(step.name, description=step.description, tags=step.tags)
    except REFUSALS as error:
        step.reason = _said(error)


def _import(registry: Registry, source: Source, step: VersionStep) -> None:
    described = step.described
    if described is None:
        raise ValueError(f"{step.found.label} is planned without a description")
    try:
        with source.artifact(step.found, described) as path:
            uploaded = _upload(registry, step, described, path)
    except CannotCome as error:
        step.refuse(str(error))
    except REFUSALS as error:
        step.refuse(_said(error))
    else:
        step.outcome = "present" if uploaded.replayed else "imported"
        step.number = uploaded.version["version"]


def _upload(registry: Registry, step: VersionStep, described: Described, path: Path) -> Uploaded:
    """Raises ProblemReply."""
    metadata = _metadata(step, described)

    def send() -> Uploaded:
        # With reuse, since an earlier run may have uploaded it, and been killed before it knew.
        name = Path(described.file).name
        return registry.upload(step.found.model, path, metadata, filename=name, reuse=True)

    try:
        return send()
    except MetadataRefused as error:
        at = {fault.at.partition(".")[0].partition("[")[0] for fault in error.errors}
        fields = [field for field in _OPTIONAL if field in at & metadata.keys()]
        if not fields or at - set(_OPTIONAL):
            raise
        step.left_out += [LeftOut(field, _said(error)) for field in fields]
        for field in fields:
            del metadata[field]
        return send()


def _metadata(step: VersionStep, described: Described) -> dict[str, Any]:
    keeps_number = step.number is not None and step.number == step.found.number
    metadata = {
        "version": step.number if keeps_number else None,
        "format": described.format,
        "description": step.description,
        "tags": step.tags,
        "metrics": step.metrics,
        "signature": described.signature,
        "input_example": described.input_example,
        "environment": dict(described.environment),
        "lineage": dict(step.found.lineage),
    }
    return {key: value for key, value in metadata.items() if value}


def _set(registry: Registry, source: Source, model: str, step: AliasStep) -> None:
    version = step.version
    if version is None or version.number is None or version.outcome == "refused":
        step.outcome, step.reason = "refused", "Its version was not imported."
        return
    try:
        registry.promote(
            model,
            version.number,
            alias=step.alias,
            expected_version=None,
            reason=f"Imported from {source.name}"[:MAX_REASON],
        )
    except REFUSALS as error:
        step.outcome, step.reason = "refused", _said(error)
    else:
        step.outcome = "imported"


def _said(error: ProblemReply) -> str:
    faults = "; ".join(f"{fault.at}: {fault.message}" for fault in error.errors[:5])
    return f"{error} ({faults})" if faults else str(error)
