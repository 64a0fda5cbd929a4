"""Which tags, metrics, descriptions and names of a source the service accepts."""

import math
from collections.abc import Mapping

from cli.importing.sources import LeftOut
from registry.errors import Malformed
from registry.names import check_model_name, check_new_alias
from registry.stored_text import (
    MAX_DESCRIPTION,
    MAX_TAG_KEY,
    MAX_TAG_VALUE,
    MAX_TAGS,
    unstorable,
)

MAX_METRICS = 1_000


def fitting_tags(tags: Mapping[str, str]) -> tuple[dict[str, str], list[LeftOut]]:
    """The tags that a model or a version can have here, and the others."""
    fitting: dict[str, str] = {}
    left_out: list[LeftOut] = []
    for key, value in tags.items():
        if why := _key_fault(key) or _text_fault(value, MAX_TAG_VALUE):
            left_out.append(LeftOut(f"tag {key}", why))
        elif len(fitting) == MAX_TAGS:
            left_out.append(LeftOut(f"tag {key}", f"more than {MAX_TAGS} tags"))
        else:
            fitting[key] = value
    return fitting, left_out


def fitting_metrics(metrics: Mapping[str, float]) -> tuple[dict[str, float], list[LeftOut]]:
    """The metrics that a version can have here, and the others."""
    fitting: dict[str, float] = {}
    left_out: list[LeftOut] = []
    for name, value in metrics.items():
        if not math.isfinite(value):
            left_out.append(LeftOut(f"metric {name}", f"{value} is no finite number"))
        elif why := _key_fault(name):
            left_out.append(LeftOut(f"metric {name}", why))
        elif len(fitting) == MAX_METRICS:
            left_out.append(LeftOut(f"metric {name}", f"more than {MAX_METRICS} metrics"))
        else:
            fitting[name] = value
    return fitting, left_out


def fitting_description(description: str) -> tuple[str, list[LeftOut]]:
    """The description if it can be stored, else an empty one."""
    if why := _text_fault(description, MAX_DESCRIPTION):
        return "", [LeftOut("description", why)]
    return description, []


def name_fault(name: str) -> str:
    """Why no model can have this name; empty if one can."""
    try:
        check_model_name(name)
    except Malformed as error:
        return error.detail
    return ""


def alias_fault(alias: str) -> str:
    """Why no alias can have this name; empty if one can."""
    try:
        check_new_alias(alias)
    except Malformed as error:
        return error.detail
    return ""


def _key_fault(key: str) -> str:
    return _text_fault(key, MAX_TAG_KEY) if key else "its name is empty"


def _text_fault(text: str, most: int) -> str:
    if len(text) > most:
        return f"{len(text)} characters, at most {most} are allowed"
    return unstorable(text) or ""
