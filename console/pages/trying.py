"""Try a version: a form of its columns, and what it answers."""

from contextlib import suppress
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from api.access import allows
from api.sessions import db
from console.formats import plural
from console.forms.submitted import Form
from console.pages.trying_files import answer_file, file_page
from console.pages.trying_tables import answer_pasted, pasting_page
from console.queries import choice_in_query, number_in_query
from console.rendering import is_fragment, page
from console.trying.fields import MOST_FIELDS, Field, example_texts, is_long
from console.trying.outside import range_text
from console.trying.row import Answered, answer_row, chosen_field
from console.trying.subject import TABS, Tried, tried_version
from registry.cards.calling import curl, javascript, python
from registry.cards.limits import OUTSIDE_TRAINING, unknown_texts
from registry.errors import ReferenceMalformed, Refused, VersionNotFound
from registry.reading.live_versions import live_versions
from registry.reading.queries import find_usable_version, find_version, newest_ready_versions
from registry.reading.views import View

blueprint = Blueprint("try", __name__)

_MANY_FIELDS = 30
_GROUP = 10
_OTHERS = 20


@blueprint.route("/models/<name>/<version:version>/try", methods=["GET"])
@allows("predict")
def show(name: str, version: str) -> AnyResponse:
    """Show the form, filled with the input example; an alias leads to its number."""
    tried = tried_version(db.session(), name, version)
    if version != str(tried.number):
        tab = request.args.get("tab")
        there = url_for("console.try.show", name=name, version=tried.number, tab=tab)
        return redirect(there, 302)
    return _SHOWN[_tab()](tried)


@blueprint.route("/models/<name>/<version:version>/try", methods=["POST"])
@allows("predict")
def predict(name: str, version: str) -> Response:
    """Answer for the rows of the form."""
    tried = tried_version(db.session(), name, version)
    return _ANSWERED[_tab()](tried)


def _tab() -> str:
    return choice_in_query("tab", tuple(TABS))


def _row_page(tried: Tried) -> Response:
    """``also`` in the URL: the other version that predicts too."""
    texts = example_texts(tried.fields, tried.view["input_example"])
    also = number_in_query("also", 0)
    if also:
        find_usable_version(db.session(), tried.model, str(also))
        texts = {**texts, "other": str(also)}
    return _page(tried, Form(texts))


def _answer_row(tried: Tried) -> Response:
    typed = {key: text.replace("\r\n", "\n") for key, text in request.form.items()}
    try:
        answered = answer_row(tried, typed)
    except Refused as error:
        # Browsers report each 4xx to their console, also while somebody is still typing.
        status = 200 if is_fragment() else 422
        return _page(tried, _refused(tried, typed, error), status=status)
    return _page(tried, Form(typed), answered)


def _page(
    tried: Tried, form: Form, answered: Answered | None = None, status: int = 200
) -> Response:
    """The page, or the part that changes with each answer."""
    varied = tried.varied
    values: dict[str, Any] = {
        "tried": tried,
        "version": tried.view,
        "form": form,
        "answered": answered,
        "varied": varied,
        "chosen": chosen_field(varied, form.typed),
        "labels": {field.key: field.label for field in tried.fields},
        "call": _calls(tried, answered),
        "unknown_texts": unknown_texts(tried.view),
        "outside_words": OUTSIDE_TRAINING.get(tried.view["kind"], ""),
    }
    if is_fragment():
        return page("try_answer.html", status, is_part=True, **values)
    return page(
        "try_row.html",
        status,
        is_part=False,
        tab="row",
        tabs=TABS,
        groups=_groups(tried),
        others=_others(db.session(), tried, form),
        is_long=is_long,
        range_text=range_text,
        most_fields=MOST_FIELDS,
        is_filled=all(field.nullable or form.text(field.key) for field in tried.fields),
        **values,
    )


def _refused(tried: Tried, typed: dict[str, str], error: Refused) -> Form:
    """The form with the faults at their fields."""
    keys = {field.name: field.key for field in tried.fields}
    faults = {
        keys[fault.at]: fault.message if typed.get(keys[fault.at]) else "a value is required"
        for fault in error.faults
        if fault.at in keys
    }
    words = f"{plural(len(faults), 'value')} cannot be used."
    return Form(typed, {}, {"": words if faults else error.detail, **faults})


def _calls(tried: Tried, answered: Answered | None) -> dict[str, str]:
    """The row of the form as programs that send it, by language."""
    if answered is None:
        return {}
    url, record = tried.address, answered.record
    return {
        "curl": curl(url, record),
        "Python": python(url, record),
        "JavaScript": javascript(url, record),
    }


def _groups(tried: Tried) -> list[tuple[str, list[Field]]]:
    """The fields as they are, or of many the ten most important ones first, then groups of ten."""
    if len(tried.fields) <= _MANY_FIELDS:
        return [("", tried.fields)]
    first = tried.by_weight[:_GROUP]
    rest = [field for field in tried.fields if field not in first]
    groups = [rest[at : at + _GROUP] for at in range(0, len(rest), _GROUP)]
    return [("", first)] + [(f"{group[0].label} to {group[-1].label}", group) for group in groups]


def _others(session: Session, tried: Tried, form: Form) -> list[View]:
    """Versions that can predict too: the chosen one, those with an alias, and the newest."""
    name, chosen = tried.model, form.text("other")
    kinds = {one["version"]: one["kind"] for one in live_versions(session, [name]).get(name, [])}
    kinds |= {row.number: row.kind for row in newest_ready_versions(session, name, _OTHERS)}
    if chosen:
        with suppress(ReferenceMalformed, VersionNotFound):
            row = find_version(session, name, chosen)
            kinds[row.number] = row.kind
    kinds.pop(tried.number, None)
    return [{"version": one, "kind": kinds[one]} for one in sorted(kinds, reverse=True)]


_SHOWN = {"row": _row_page, "rows": pasting_page, "file": file_page}
_ANSWERED = {"row": _answer_row, "rows": answer_pasted, "file": answer_file}
