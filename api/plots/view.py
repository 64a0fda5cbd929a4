"""The plots of a version as files."""

from flask import Response

from api.access import allows
from api.blueprints import Blueprint
from api.plots.sheet import STYLE
from api.plots.svg import drawn, to_svg
from api.security_headers import policy_of_style
from api.sessions import db
from registry.errors import PlotNotFound
from registry.reading.queries import find_version
from registry.reading.stored_evaluation import read_evaluation
from registry.storage.tables import VersionRow

SVG = "image/svg+xml"
_POLICY = policy_of_style(STYLE)
"""Only its own style is applied, where the file is opened by itself: nothing in it runs."""

blueprint = Blueprint("plots", __name__, description="Plots of versions", produces=SVG)


@blueprint.route("/models/<name>/<version:version>/plots/<plot>.svg", methods=["GET"])
@allows("any")
@blueprint.response(200, {"type": "string"}, content_type=SVG, example="<svg>…</svg>")
def get_plot(name: str, version: str, plot: str) -> Response:
    """Draw a plot of the stored evaluation. It is 404 if the evaluation has no data for it."""
    return plot_response(find_version(db.session(), name, version), plot)


def plot_response(row: VersionRow, plot: str) -> Response:
    """The drawing of a plot of a version. Raises PlotNotFound."""
    evaluation = read_evaluation(row.evaluation)
    if plot not in (known := drawn(evaluation)):
        raise PlotNotFound(row.model, row.number, plot, known)
    response = Response(to_svg(evaluation, plot, f"{row.model}/{row.number}"), mimetype=SVG)
    response.headers["Content-Security-Policy"] = _POLICY
    file = f"{row.model}-v{row.number}-{plot}.svg"
    response.headers.set("Content-Disposition", "inline", filename=file)
    return response
