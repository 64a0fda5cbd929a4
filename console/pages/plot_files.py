"""The plots of a version as files: drawings, and their figures as CSV."""

import csv
import io

from flask import Blueprint, Response

from api.access import allows
from api.plots import plot_response
from api.sessions import db
from console.formats import spreadsheet_cell
from console.plot_figures import FIGURES, figures_of
from registry.errors import PlotNotFound
from registry.reading.queries import find_version
from registry.reading.stored_evaluation import read_evaluation

blueprint = Blueprint("plot_files", __name__)


@blueprint.route("/models/<name>/<version:version>/plots/<plot>.svg", methods=["GET"])
@allows("any")
def drawing(name: str, version: str, plot: str) -> Response:
    """The drawing, as the API gives it."""
    return plot_response(find_version(db.session(), name, version), plot)


@blueprint.route("/models/<name>/<version:version>/plots/<plot>.csv", methods=["GET"])
@allows("any")
def figures(name: str, version: str, plot: str) -> Response:
    """The figures, a line for each point, bin, cell or weight."""
    row = find_version(db.session(), name, version)
    evaluation = read_evaluation(row.evaluation)
    table = figures_of(evaluation, plot) if plot in FIGURES else None
    if table is None:
        known = [one for one in FIGURES if figures_of(evaluation, one)]
        raise PlotNotFound(row.model, row.number, plot, known)
    file = io.StringIO()
    write = csv.writer(file)
    for line in (table.columns, *table.rows):
        write.writerow([spreadsheet_cell(one) if isinstance(one, str) else one for one in line])
    response = Response(file.getvalue(), content_type="text/csv; charset=utf-8")
    file_name = f"{row.model}-v{row.number}-{plot}.csv"
    response.headers.set("Content-Disposition", "attachment", filename=file_name)
    return response
