"""``hotswap show``."""

from collections.abc import Mapping

import click

from cli.formatting import moment, size
from cli.names import ModelReference, Reference
from cli.service import json_option, speaks_to_service
from cli.terminal import Column, print_heading, print_json, print_pairs, print_table
from hotswap import Registry
from hotswap.replies import Model, Signature, Version


@click.command
@click.argument("reference", metavar="NAME[/VERSION]", type=ModelReference())
@json_option
@speaks_to_service
def show(registry: Registry, reference: Reference, as_json: bool) -> None:
    """Show a model, or a version of it with its metrics, columns and lineage.

    VERSION is a number, an alias or 'latest'.

    \b
    Example:
      hotswap show housing
      hotswap show housing/production
    """
    if reference.version is None:
        model = registry.model(reference.name)
        print_json(model) if as_json else _print_model(model)
    else:
        version = registry.version(reference.name, reference.version)
        print_json(version) if as_json else _print_version(version)


def _print_model(model: Model) -> None:
    print_pairs(
        {
            "model": model.get("name"),
            "description": model.get("description"),
            "aliases": model.get("aliases"),
            "status": model.get("status"),
            "last version": model.get("last_version"),
            "tags": model.get("tags"),
            "created": moment(model.get("created_at")),
            "by": model.get("created_by"),
        }
    )


def _print_version(version: Version) -> None:
    artifact = version.get("artifact") or {}
    bytes_ = artifact.get("size")
    pairs: dict[str, object] = {
        "model": version.get("model"),
        "version": version.get("version"),
        "status": version.get("status"),
        "failure": version.get("failure"),
        "kind": version.get("kind"),
        "task": version.get("task"),
        "aliases": version.get("aliases"),
        "description": version.get("description"),
        "tags": version.get("tags"),
        "format": artifact.get("format"),
        "size": size(bytes_) if isinstance(bytes_, int) else None,
        "sha256": artifact.get("sha256"),
        "created": moment(version.get("created_at")),
        "by": version.get("created_by"),
    }
    if not pairs["failure"]:
        del pairs["failure"]
    print_pairs(pairs)
    _print_named("Metrics", version.get("metrics"))
    if signature := version.get("signature"):
        _print_signature(signature)
    _print_named("Parameters", version.get("params"))
    _print_named("Engine", version.get("engine"))
    _print_named("Lineage", version.get("lineage"))
    _print_named("Environment", version.get("environment"))


def _print_named(heading: str, values: Mapping[str, object] | None) -> None:
    if values:
        print_heading(heading)
        print_pairs({f"  {name}": value for name, value in values.items()})


def _print_signature(signature: Signature) -> None:
    print_heading("Columns")
    rows = [
        [column.get("name"), column.get("type"), column.get("nullable", False)]
        for column in signature["inputs"]
    ]
    print_table([Column("Column"), Column("Type"), Column("Nullable")], rows, "none")
    output = signature["output"]
    print_heading("Output")
    print_pairs(
        {f"  {part}": output.get(part) for part in ("name", "type", "classes") if part in output}
    )
