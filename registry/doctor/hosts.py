"""Checks of hosts that share the database."""

from collections.abc import Iterator

from registry.doctor.findings import Finding, Installation
from registry.errors import NetworkFileSystem
from registry.hosts.host_rows import hosts_of
from registry.storage.file_systems import refuse_network_file_system

_FORGET = "If none of its processes runs any more: hotswap hosts forget NAME"


def check_hosts(installation: Installation) -> Iterator[Finding]:
    """The hosts that share the database were seen lately, and the run folder is on a local disk."""
    database = installation.database
    if database is None or database.is_sqlite:
        return
    try:
        refuse_network_file_system(installation.run_folder)
    except NetworkFileSystem as error:
        yield Finding(
            "hosts",
            "fault",
            "the run folder is on a network file system, whose locks are unreliable",
            "Set HOTSWAP_RUN to a folder on a local disk.",
            error.detail,
        )
    with database.read() as session:
        found = hosts_of(session)
    lost = [host.host for host in found if host.is_lost]
    for name in lost:
        yield Finding("hosts", "warning", "a host was not seen for a lease", _FORGET, name)
    if not lost:
        yield Finding("hosts", "ok", f"{len(found)} use the database")
