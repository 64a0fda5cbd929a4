"""Gates and the holdout in a browser."""

import io

import pytest

from tests.integration.api.conftest import new_name
from tests.integration.api.tables import csv, line
from tests.integration.console.browser import Browser, Page
from tests.integration.console.conftest import Console


def gates_page(browser: Browser, name: str) -> Page:
    return browser.get(f"/console/models/{name}/gates")


def send(browser: Browser, page: Page, gates: str, **more: str) -> Page:
    (form,) = [form for form in page.forms if "before" in form.values]
    return browser.submit(form, gates=gates, **more)


def gates_of(console: Console, name: str) -> list[str]:
    return list(console.service.admin.get(f"/models/{name}/policy").json["gates"])


@pytest.fixture(scope="module")
def lines(console: Console, artifacts: dict[str, bytes]) -> str:
    """A model with two versions that claim an RMSE of 10 and 8, the first of them live."""
    name, admin = new_name(), console.service.admin
    for number, rmse in ((1, 10.0), (2, 8.0)):
        metadata = {"metrics": {"rmse": rmse}, "input_example": {"x0": 1.0}}
        assert admin.upload(name, artifacts[f"line-{number}"], metadata).status_code == 201
    admin.promote(name, 1)
    return name


@pytest.fixture(autouse=True)
def without_gates(console: Console, lines: str) -> None:
    answer = console.service.admin.put(f"/models/{lines}/policy", json={"gates": []})
    assert answer.status_code == 200


def test_gates_are_typed_a_line_each_and_read_as_sentences(console: Console, lines: str) -> None:
    ann = console.person("promote", name="ann")
    page = gates_page(ann, lines)
    assert "There are none: every version that is ready may be promoted" in page.text
    sent = send(ann, page, "rmse <= champion * 1.02\r\n\r\nsignature compatible\r\n")
    assert sent.status == 303
    page = ann.get(sent.location)
    assert gates_of(console, lines) == ["rmse <= champion * 1.02", "signature compatible"]
    assert "RMSE is at most 1.02 times that of the live version." in page.text
    assert "Whoever calls the live version can call the new one." in page.text
    assert "by ann" in page.text
    assert "rmse <= champion" in gates_page(console.person("predict"), lines).text


def test_a_malformed_gate_is_named_by_its_line(console: Console, lines: str) -> None:
    page = send(console.admin, gates_page(console.admin, lines), "r2 >= 0.5\n\nrmse =< 3")
    assert page.status == 422
    assert "line 3: 'rmse =< 3', at character 6" in page.text
    assert "r2 >= 0.5" in page.forms[-2].values["gates"]
    page = send(console.admin, gates_page(console.admin, lines), "accuracy >= 0.5")
    assert "line 1: a regression has no accuracy" in page.text
    assert gates_of(console, lines) == []


def test_typed_gates_can_be_tried_on_the_newest_versions_without_keeping_them(
    console: Console, lines: str
) -> None:
    page = gates_page(console.admin, lines)
    assert "Would v1 and v2 pass?" in page.text
    tried = send(console.admin, page, "rmse <= 9", check="1")
    assert tried.status == 200
    assert "v2 would pass" in tried.text
    assert "v1 would not pass. rmse <= 9 10, as claimed 10 is not <= 9" in tried.text
    assert gates_of(console, lines) == []
    assert send(console.admin, tried, "rmse <= 9").status == 303


def test_gates_that_somebody_else_changed_are_not_overwritten(console: Console, lines: str) -> None:
    bob = console.person("promote", name="bob")
    page = gates_page(console.admin, lines)
    assert send(bob, gates_page(bob, lines), "r2 >= 0.5\nrmse <= 3").status == 303
    late = send(console.admin, page, "rmse <= 9")
    assert late.status == 409
    assert "bob changed the gates at" in late.text
    assert gates_of(console, lines) == ["r2 >= 0.5", "rmse <= 3"]
    assert send(console.admin, late, "rmse <= 9").status == 303


def test_a_holdout_is_set_shown_and_removed(console: Console, lines: str) -> None:
    admin = console.admin

    def put(body: bytes, filename: str, **fields: str) -> Page:
        form = {"table": (io.BytesIO(body), filename), **fields}
        return admin.post(f"/console/models/{lines}/gates/holdout", form)

    assert "gates compare the figures that uploaders claim" in gates_page(admin, lines).text
    sent = put(csv(line(rows=40)), "rows.csv", target="y")
    assert sent.status == 303, sent.text
    page = admin.get(sent.location)
    assert "Rows 40 Target y Columns 2" in page.text
    sha256 = console.service.admin.get(f"/models/{lines}/holdout").json["sha256"]
    assert sha256 in page.text

    assert "ends in .csv or .parquet" in put(b"x", "rows.xlsx").text
    refused = put(b"a,b\n1,2\n", "rows.csv", target="y")
    assert refused.status == 422
    assert console.service.admin.get(f"/models/{lines}/holdout").json["sha256"] == sha256

    (form,) = [form for form in page.forms if form.action.endswith("/remove")]
    assert admin.submit(form).status == 303
    assert console.service.admin.get(f"/models/{lines}/holdout").status_code == 404


def test_who_may_not_promote_reads_only(console: Console, lines: str) -> None:
    reader = console.person("predict")
    page = gates_page(reader, lines)
    assert [form for form in page.forms if "/gates" in form.action] == []
    for path in ("", "/holdout", "/holdout/remove"):
        assert reader.post(f"/console/models/{lines}/gates{path}").status == 403
