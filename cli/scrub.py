"""The check of ``hotswap doctor --scrub``: reads every blob, and moves damaged ones aside."""

import sys
from collections.abc import Iterator

import click

from registry.blobs.local import LocalBlobStore
from registry.doctor.findings import Finding, Installation
from registry.doctor.records import current_database
from registry.operations.scrub import Loss, scrub


def check_scrub(installation: Installation) -> Iterator[Finding]:
    """Every stored byte is unchanged since its upload."""
    if (database := current_database(installation)) is None:
        return  # the check of the schema reports it
    found = scrub(database, installation.blobs, progress=_show if sys.stderr.isatty() else None)
    if sys.stderr.isatty():
        click.echo(err=True)
    for loss in found.losses:
        yield _finding(loss, installation)
    if not found.losses:
        said = f"{found.intact} blobs were read and are intact ({found.size / 2**20:,.1f} MiB)"
        yield Finding("scrub", "ok", said)


def _finding(loss: Loss, installation: Installation) -> Finding:
    is_local = isinstance(installation.blobs, LocalBlobStore)
    aside = ", and was moved aside" if is_local and loss.state == "damaged" else ""
    what = f"blob {loss.digest} is {loss.state}{aside}"
    if not loss.uses:
        return Finding("scrub", "warning", f"{what}; no version refers to it")
    forms: dict[str, list[str]] = {}
    for use in loss.uses:
        forms.setdefault(use.owner, []).append(use.role)
    hit = ", ".join(f"the {' and '.join(roles)} of {name}" for name, roles in forms.items())
    advice = "Upload the same file again, which replaces it."
    if isinstance(installation.blobs, LocalBlobStore):
        place = installation.blobs.path_of(loss.digest)
        advice = f"Copy it from a backup to {place}, or u{advice[1:]}"
    if loss.aliases:
        live = ", ".join(loss.aliases)
        advice += f" {live} is served from memory until a worker restarts: roll it back before."
    return Finding("scrub", "fault", f"{what}: {hit}", advice)


def _show(done: int, total: int, size: int) -> None:  # noqa: ARG001 - the operation's signature
    click.echo(f"\rReading blobs: {done} of {total}", nl=False, err=True)
