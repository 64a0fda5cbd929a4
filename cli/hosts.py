"""``hotswap hosts``."""

import click

from cli.formatting import moment
from cli.names import HostName
from cli.service import json_option, speaks_to_service
from cli.terminal import Column, print_json, print_table
from hotswap import Registry

COLUMNS = [
    Column("Host"),
    Column("State"),
    Column("Workers", right=True),
    Column("Release"),
    Column("Event", right=True),
    Column("Seen"),
]


@click.group
def hosts() -> None:
    """Show the hosts that share the database, and forget lost ones. Requires the scope admin."""


@hosts.command(name="list")
@json_option
@speaks_to_service
def list_(registry: Registry, *, as_json: bool) -> None:
    """List the hosts that share the PostgreSQL database of the service.

    A host is lost if it has not been seen for a lease (HOTSWAP_LEASE_SECONDS). 'Event' is the last
    event of the history that all of its workers answer by.

    \b
    Example:
      hotswap hosts list
    """
    found = registry.hosts()
    if as_json:
        print_json(found)
        return
    rows = [
        [
            host["name"],
            "lost" if host["lost"] else host["state"],
            host["workers"],
            host["release"],
            host["acknowledged"],
            moment(host["seen_at"]),
        ]
        for host in found
    ]
    print_table(COLUMNS, rows, "The service shares its database with no other host.")


@hosts.command
@click.argument("name", type=HostName())
@json_option
@speaks_to_service
def forget(registry: Registry, *, name: str, as_json: bool) -> None:
    """Forget the host NAME, so that no promotion waits until its lease is over.

    Only for a host of which no process runs any more: one that only cannot be reached would go on
    to answer by what held before.

    \b
    Example:
      hotswap hosts forget models-3
    """
    registry.forget_host(name)
    if as_json:
        print_json({"forgotten": name})
    else:
        click.echo(f"Forgot host {name}.")
