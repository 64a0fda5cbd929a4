"""Text of strangers, in every field that somebody can write, is shown as it is on every page."""

import json
import re

import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from api.access import access_of
from tests.integration.api.conftest import new_name
from tests.integration.console.conftest import HOSTILE, Console


@pytest.fixture(scope="module")
def hostile(console: Console, artifacts: dict[str, bytes]) -> str:
    """A model that has the text in everything that its callers chose."""
    name, admin = new_name(), console.service.admin
    metadata = {
        "description": HOSTILE,
        "tags": {HOSTILE: HOSTILE},
        "metrics": {HOSTILE: 1.0, "rmse": 2.0},
        "params": {HOSTILE: HOSTILE},
        "lineage": {"git_commit": HOSTILE, HOSTILE: HOSTILE},
        "environment": {HOSTILE: HOSTILE},
        "evaluation": {
            "warnings": [HOSTILE],
            "metric_intervals": {HOSTILE: [0.5, 1.5]},
            "columns": {"ocean_proximity": {"values": {HOSTILE: 3}}},
            "importances": [{"feature": HOSTILE, "value": 1.0}],
            "confusion_matrix": {"labels": [HOSTILE], "counts": [[1]]},
            "roc": [{"class": HOSTILE, "fpr": [0.0, 1.0], "tpr": [0.0, 1.0]}],
        },
    }
    for _ in range(2):
        answer = admin.upload(name, artifacts["housing"], metadata)
        if answer.status_code != 201:  # some keys may not contain any text
            metadata["lineage"] = {"git_commit": HOSTILE}
            answer = admin.upload(name, artifacts["housing"], metadata)
        assert answer.status_code == 201, answer.text
    admin.patch(f"/models/{name}", json={"description": HOSTILE, "tags": {HOSTILE: HOSTILE}})
    actor = console.token("promote", name=HOSTILE)["token"]
    headers = {"Authorization": f"Bearer {actor}"}
    for number in (1, 2):
        body = {"reason": HOSTILE}
        moved = admin.post(f"/models/{name}/{number}/promote", json=body, headers=headers)
        assert moved.status_code == 200, moved.text
    return name


@pytest.mark.parametrize(
    "path",
    [
        "/console/models",
        "/console/models/{name}",
        "/console/models/{name}/news",
        "/console/history?model={name}",
        "/console/models/{name}/1/promote",
        "/console/models/{name}/rollback",
        "/console/models/{name}/gates",
        "/console/models/{name}/compare?v=1,2&all=1",
        *(f"/console/models/{{name}}/1?tab={tab}" for tab in ("results", "columns", "origin")),
        *(f"/console/models/{{name}}/1?tab={tab}" for tab in ("card", "files", "plots")),
        "/console/models/{name}/1/try",
        "/console/models/{name}/1/try?tab=rows",
        "/console/models/{name}/1/try?tab=file",
    ],
)
def test_text_of_strangers_is_never_markup(console: Console, hostile: str, path: str) -> None:
    browser = console.person("predict", "promote", name=HOSTILE)
    page = browser.get(path.format(name=hostile))
    assert page.status == 200
    assert page.of("img") == []
    assert all("src" in script for script in page.of("script"))
    assert not any(name.startswith("on") for _, given in page.elements for name in given)
    assert "49" not in re.findall(r"\$\{\d+\}|&49", page.text)
    if "files" not in path:
        assert "alert(1)" in page.text


@pytest.fixture(scope="module")
def hostile_columns(console: Console) -> str:
    """A model whose columns and classes have the text as their names."""
    rows = pd.DataFrame({HOSTILE: [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
    fitted = LogisticRegression().fit(rows, [HOSTILE, HOSTILE, "=1+1", "=1+1"])
    name, metadata = new_name(), {"input_example": {HOSTILE: 0.0, "b": 1.0}}
    answer = console.service.admin.upload(name, skops.io.dumps(fitted), metadata)
    assert answer.status_code == 201, answer.text
    return name


@pytest.mark.parametrize(
    ("tab", "form"),
    [
        ("row", {"c0": "0", "c1": "1"}),
        ("row", {"c0": HOSTILE, "c1": "1"}),
        ("rows", {"rows": f"x\tb\n{HOSTILE}\t2\n"}),
        ("rows", {"rows": json.dumps([{HOSTILE: 0.0, "b": 1.0}])}),
    ],
)
def test_columns_classes_and_predictions_are_never_markup(
    console: Console, hostile_columns: str, tab: str, form: dict[str, str]
) -> None:
    browser, address = console.admin, f"/console/models/{hostile_columns}/1/try?tab={tab}"
    for page in (browser.get(address), browser.post(address, form)):
        assert page.status in {200, 422}
        assert page.of("img") == []
        assert all("src" in script for script in page.of("script"))
        assert not any(name.startswith("on") for _, given in page.elements for name in given)
        assert "alert(1)" in page.text


@pytest.mark.parametrize(
    "path",
    [
        "/console/models?q={text}&tag={text}",
        "/console/login?next={text}",
        "/console/{text}",
        "/console/models/{text}",
        "/console/models?page={text}",
        "/console/history?model={text}&actor={text}&alias={text}",
    ],
)
def test_text_in_addresses_is_never_markup(console: Console, path: str) -> None:
    from urllib.parse import quote

    page = console.admin.get(path.format(text=quote(HOSTILE, safe="")))
    assert page.of("img") == []
    assert all("src" in script for script in page.of("script"))


def test_every_address_of_the_console_declares_who_may(console: Console) -> None:
    app = console.service.app
    public = set()
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/console"):
            access = access_of(app.view_functions[rule.endpoint])
            assert access is not None, rule.rule
            if access.public:
                public.add(rule.rule)
    assert public == {
        "/console/login",
        "/console/link",
        "/console/static/<digest>/<path:name>",
    }


def test_templates_never_mark_text_as_safe() -> None:
    from importlib.resources import files

    def templates(folder):
        for path in folder.iterdir():
            yield from templates(path) if path.is_dir() else [path]

    texts = {path.name: path.read_text() for path in templates(files("console") / "templates")}
    assert len(texts) > 15
    forbidden = re.compile(
        r"\|\s*safe|Markup|hx-on|hx-vals|js:|\sstyle=|<style|<script(?! src)|\son\w+="
    )
    assert {name for name, text in texts.items() if forbidden.search(text)} == set()
