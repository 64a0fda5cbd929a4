"""The gates of a model, and the holdout that its versions are measured on."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import cast

import marshmallow as ma
from flask import Blueprint, Response, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from api.access import allows, grant
from api.problems import status_of
from api.services import services
from api.sessions import db
from console.forms.moves import REFUSALS
from console.forms.submitted import Form, submitted
from console.gate_words import gate_sentence
from console.rendering import page
from registry.blobs.store import StagedBlob
from registry.errors import HoldoutNotFound, Malformed, PolicyConflict, RegistryError, TooLarge
from registry.gates.grammar import parse, parse_all
from registry.gates.holdouts import HoldoutFormat
from registry.operations.evaluate import evaluate
from registry.operations.remove_holdout import remove_holdout
from registry.operations.set_holdout import set_holdout
from registry.operations.set_policy import set_policy
from registry.reading.queries import find_model, holdout_of, newest_ready_versions, policy_of
from registry.reading.views import View, model_view

blueprint = Blueprint("gates", __name__)

_PATH = "/models/<name>/gates"
_LONGEST = 8192
_CHECKED = 2
_FORMATS: dict[str, HoldoutFormat] = {".csv": "csv", ".parquet": "parquet"}
_OVERHEAD = 64 * 2**10
_FAULTS = (*REFUSALS, Malformed, TooLarge)


class GatesForm(ma.Schema):
    """``before``: the gates that the page showed, one a line."""

    gates = ma.fields.String(load_default="", validate=ma.validate.Length(max=_LONGEST))
    before = ma.fields.String(load_default="", validate=ma.validate.Length(max=_LONGEST))


class HoldoutForm(ma.Schema):
    target = ma.fields.String(load_default="", validate=ma.validate.Length(max=200))


@blueprint.route(_PATH, methods=["GET"])
@allows("any")
def show(name: str) -> Response:
    """Show the gates and the holdout."""
    return _page(name, Form())


@blueprint.route(_PATH, methods=["POST"])
@allows("promote")
def change(name: str) -> AnyResponse:
    """Replace the gates, or evaluate the typed ones without keeping them."""
    form = submitted(GatesForm)
    if not form.is_valid:
        return _page(name, form, status=422)
    lines, expected = _lines(form.values["gates"]), _lines(form.values["before"])
    try:
        if "check" in request.form:
            return _page(name, form, checked=_check(name, lines))
        set_policy(services().database, name, lines, expected=expected, actor=grant().name)
    except PolicyConflict:
        return _page(name, form, status=409, has_changed=True)
    except _FAULTS as error:
        return _page(name, _with_lines(form, error), status=status_of(type(error)))
    return redirect(url_for("console.gates.show", name=name, done="gates"), 303)


@blueprint.route(f"{_PATH}/holdout", methods=["POST"])
@allows("promote")
def replace_holdout(name: str) -> AnyResponse:
    """Measure versions on the uploaded table from now on."""
    limit = services().settings.max_upload_bytes
    request.max_content_length = limit + _OVERHEAD
    request.max_form_memory_size = _OVERHEAD
    table = request.files.get("table")  # staged among the blobs while it arrives
    form = submitted(HoldoutForm)
    format_ = _FORMATS.get(PurePath((table and table.filename) or "").suffix.lower())
    if table is None or format_ is None:
        form = form.refused("Choose a file whose name ends in .csv or .parquet.")
        return _page(name, Form(), holdout_form=form, status=422)
    try:
        set_holdout(
            services().database,
            name,
            cast("StagedBlob", table.stream),
            format_,
            form.values["target"] or None,
            blobs=services().blobs,
            actor=grant().name,
        )
    except _FAULTS as error:
        refused = form.refused(error.detail, error.faults)
        return _page(name, Form(), holdout_form=refused, status=status_of(type(error)))
    return redirect(url_for("console.gates.show", name=name, done="holdout"), 303)


@blueprint.route(f"{_PATH}/holdout/remove", methods=["POST"])
@allows("promote")
def drop_holdout(name: str) -> AnyResponse:
    """Compare claimed metrics from now on."""
    remove_holdout(services().database, name, actor=grant().name)
    return redirect(url_for("console.gates.show", name=name, done="removed"), 303)


def _check(name: str, lines: Sequence[str]) -> list[View]:
    """The results of the typed gates for the newest versions that are ready."""
    gates = parse_all(lines)
    texts = {gate.text for gate in gates}
    found = []
    for number in _newest(db.session(), name):
        outcome = evaluate(
            services().database, services().evaluator.report, name, str(number), gates=gates
        )
        results = [result for result in outcome["gates"] if result["gate"] in texts]
        found.append({"version": number, "results": results})
    return found


def _newest(session: Session, name: str) -> list[int]:
    return [row.number for row in newest_ready_versions(session, name, _CHECKED)]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _with_lines(form: Form, error: RegistryError) -> Form:
    """``form`` with the faults of the gates at the lines that they were typed in."""
    typed = [at for at, line in enumerate(form.text("gates").splitlines(), 1) if line.strip()]
    faults = []
    for fault in error.faults:
        index = fault.at.removeprefix("gates[").removesuffix("]")
        place = f"line {typed[int(index)]}: " if index.isdigit() else ""
        faults.append(f"{place}{fault.message}")
    found = {"gates": "; ".join(faults)} if faults else {"": error.detail}
    return Form(form.typed, form.values, found)


def _holdout(session: Session, name: str) -> View | None:
    try:
        return holdout_of(session, name)
    except HoldoutNotFound:
        return None


def _page(
    name: str,
    form: Form,
    *,
    status: int = 200,
    holdout_form: Form | None = None,
    checked: Sequence[View] = (),
    has_changed: bool = False,
) -> Response:
    session = db.session()
    policy = policy_of(session, name)
    text = "\n".join(policy["gates"])
    shown = form if "gates" in form.typed else Form({"gates": text}, {}, form.faults)
    return page(
        "gates.html",
        status,
        form=shown,
        holdout_form=holdout_form or Form(),
        model=model_view(find_model(session, name)),
        policy=policy,
        sentences=[(gate, gate_sentence(parse(gate))) for gate in policy["gates"]],
        before=text,
        holdout=_holdout(session, name),
        newest=_newest(session, name),
        checked=checked,
        has_changed=has_changed,
    )
