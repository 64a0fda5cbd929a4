"""Edit the description and the tags of a version, in place."""

import marshmallow as ma
from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from api.access import allows, grant
from api.arguments import load_metadata
from api.problems import status_of
from api.schemas.models import ChangeSchema
from api.services import services
from console.forms.moves import REFUSALS
from console.forms.submitted import submitted
from console.forms.tags import read_tag_lines
from console.pages.version import version_page
from registry.operations.update_version import update_version

blueprint = Blueprint("describe", __name__)


class DescriptionForm(ma.Schema):
    """``revision`` is of the description and tags that the page showed; without ``tags`` they stay
    as they are."""

    description = ma.fields.String(load_default="")
    tags = ma.fields.String(load_default=None)
    revision = ma.fields.String(required=True)


@blueprint.route("/models/<name>/<version:version>/describe", methods=["POST"])
@allows("upload")
def describe(name: str, version: str) -> AnyResponse:
    """Change the description and the tags, as the API does, if nobody else has done so since."""
    form = submitted(DescriptionForm)
    if not form.is_valid:
        return version_page(name, version, form, status=422)
    try:
        given = {"description": form.values["description"].replace("\r\n", "\n")}
        if form.values["tags"] is not None:
            given["tags"] = read_tag_lines(form.values["tags"])
        update_version(
            services().database,
            name,
            version,
            actor=grant().name,
            expected=form.values["revision"],
            **load_metadata(ChangeSchema(), given),
        )
    except REFUSALS as error:
        refused = form.refused(error.detail, error.faults)
        return version_page(name, version, refused, status=status_of(type(error)))
    tab = request.args.get("tab")
    return redirect(url_for("console.version.show", name=name, version=version, tab=tab), 303)
