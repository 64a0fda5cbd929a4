"""Archive a version, after a page that says what that means."""

from flask import Blueprint, Response, redirect, url_for
from werkzeug.wrappers import Response as AnyResponse

from api.access import allows, grant
from api.problems import status_of
from api.services import services
from api.sessions import db
from console.rendering import page
from registry.errors import VersionHasAlias
from registry.operations.archive_version import archive_version
from registry.reading.live_versions import aliases_of
from registry.reading.queries import find_version
from registry.reading.views import version_view

blueprint = Blueprint("archive", __name__)

_PATH = "/models/<name>/<version:version>/archive"


@blueprint.route(_PATH, methods=["GET"])
@allows("admin")
def show(name: str, version: str) -> Response:
    """Show what the archival of the version means."""
    return _page(name, version)


@blueprint.route(_PATH, methods=["POST"])
@allows("admin")
def archive(name: str, version: str) -> AnyResponse:
    """Archive the version, as the API does."""
    try:
        archive_version(services().database, name, version, actor=grant().name)
    except VersionHasAlias as error:
        return _page(name, version, status=status_of(type(error)))
    return redirect(url_for("console.version.show", name=name, version=version), 303)


def _page(name: str, version: str, status: int = 200) -> Response:
    """``going_back``: the aliases that a rollback would point at this version."""
    session = db.session()
    view = version_view(find_version(session, name, version))
    aliases = aliases_of(session, name)
    going_back = [one["alias"] for one in aliases if one["rollback_to"] == view["version"]]
    return page("archive.html", status, version=view, going_back=going_back)
