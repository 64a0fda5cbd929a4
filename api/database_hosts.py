"""Hosts that share the database."""

from typing import Any

from api.access import allows
from api.blueprints import Blueprint
from api.schemas.database_hosts import HostsSchema
from api.services import services
from registry.hosts.host_rows import hosts_of
from registry.operations.forget_host import forget_host
from registry.reading.views import timestamp

blueprint = Blueprint("hosts", __name__, description="Hosts that share the database")

EXAMPLE = {
    "items": [
        {
            "name": "models-1",
            "state": "live",
            "lost": False,
            "release": "1.0",
            "workers": 2,
            "acknowledged": 211,
            "seen_at": "2026-11-23T17:00:00.000Z",
        }
    ],
    "answered_by": "models-1",
}


@blueprint.route("/hosts", methods=["GET"])
@allows("admin")
@blueprint.response(200, HostsSchema, example=EXAMPLE)
def list_hosts() -> dict[str, Any]:
    """List the hosts that share the database, by name. There are none on SQLite."""
    settings, database = services().settings, services().database
    found = []
    if not database.is_sqlite:
        with database.read() as session:
            found = hosts_of(session)
    items = [
        {
            "name": host.host,
            "state": host.state,
            "lost": host.is_lost,
            "release": host.release,
            "workers": host.workers,
            "acknowledged": host.acked_seq,
            "seen_at": timestamp(host.seen_at),
        }
        for host in found
    ]
    return {"items": items, "answered_by": settings.effective_host_name}


@blueprint.route("/hosts/<host>", methods=["DELETE"])
@allows("admin")
@blueprint.response(204)
def delete_host(host: str) -> None:
    """Forget a host that does not exist any more, so that no change waits for it.

    The caller vouches that none of its processes runs: one that does would answer by what held
    before.
    """
    forget_host(services().database, host)
