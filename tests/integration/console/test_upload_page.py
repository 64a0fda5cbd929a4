"""Uploading a version in the browser, without scripts; with them the same form is sent."""

import io
import json
from typing import Any

import pytest
import skops.io
from sklearn.base import BaseEstimator

from tests.integration.api.conftest import END, FORM, new_name, part
from tests.integration.console.browser import Browser, Page
from tests.integration.console.conftest import HOSTILE, Console, ConsoleMaker


def send(
    browser: Browser, name: str, content: bytes, filename: str = "model.skops", **typed: Any
) -> Page:
    """Send the form of the upload page with a file, and the other fields as the page has them."""
    address = f"/console/models/{name}/upload"
    values = browser.get(address).form(address).values
    files = {"artifact": (io.BytesIO(content), filename), "metadata": (io.BytesIO(b""), "")}
    return browser.post(address, {**values, **files, **typed})


def metadata(value: Any) -> tuple[io.BytesIO, str]:
    return io.BytesIO(json.dumps(value).encode()), "metadata.json"


def test_an_upload_makes_a_version_and_moves_no_alias(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name = new_name()
    person = console.person("upload", name="ann-uploads")
    first = person.get(f"/console/models/{name}/upload")
    assert f"Upload the first version of {name}" in first.text
    answer = send(person, name, artifacts["line-1"], description="new", tags="team:risk\n a : b:c ")
    assert (answer.status, answer.location) == (303, f"/console/models/{name}/upload?uploaded=1")
    shown = person.get(answer.location)
    assert "v1 is uploaded, and no alias moved" in shown.text
    assert f"/console/models/{name}/1" in shown.hrefs()
    assert f"/console/models/{name}/1/promote" not in shown.hrefs()
    version = console.service.admin.get(f"/models/{name}/1").json
    assert (version["description"], version["tags"]) == ("new", {"team": "risk", "a": "b:c"})
    assert (version["created_by"], version["aliases"]) == ("ann-uploads", [])


def test_what_is_typed_wins_over_the_metadata_file(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name = new_name()
    given = {"metrics": {"rmse": 2.5}, "tags": {"a": "1", "b": "1"}, "description": "old"}
    answer = send(console.admin, name, artifacts["line-1"], metadata=metadata(given), tags="b:2")
    assert answer.status == 303
    version = console.service.admin.get(f"/models/{name}/1").json
    assert version["metrics"] == {"rmse": 2.5}
    assert (version["tags"], version["description"]) == ({"a": "1", "b": "2"}, "old")


def test_a_form_that_is_sent_again_registers_once(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name, admin = new_name(), console.admin
    key = {"idempotency_key": "the-key-of-a-page"}
    answers = [send(admin, name, artifacts["line-1"], **key) for _ in range(2)]
    assert {answer.location for answer in answers} == {f"/console/models/{name}/upload?uploaded=1"}
    assert console.service.admin.get(f"/models/{name}").json["last_version"] == 1
    other = send(admin, name, artifacts["line-2"], **key)
    assert other.status == 409


@pytest.mark.parametrize(
    ("content", "filename", "more", "status", "said"),
    [
        (b"", "", {}, 422, "No file was chosen"),
        (b"", "empty.skops", {}, 422, "The artifact is empty"),
        (b"not a model", "model.skops", {}, 422, "model"),
        (b"not a model", "model.exe", {}, 415, "is not a known format"),
        (b"x", "model.skops", {"tags": "no colon"}, 422, "expected key:value on each line"),
        (b"x", "model.skops", {"metadata": metadata({"metrics": {"a": "b"}})}, 422, "metrics.a"),
        (b"x", "model.skops", {"metadata": metadata([])}, 422, "metadata"),
        (b"x", "model.skops", {"metadata": (io.BytesIO(b"{"), "m.json")}, 400, "is not JSON"),
    ],
)
def test_a_refusal_says_why_and_keeps_what_was_typed(  # noqa: PLR0917 - one for each parameter
    console: Console,
    content: bytes,
    filename: str,
    more: dict[str, Any],
    status: int,
    said: str,
) -> None:
    name = new_name()
    page = send(console.admin, name, content, filename, description="kept words", **more)
    assert page.status == status, page.text
    assert said in page.text
    assert page.form(f"/console/models/{name}/upload").values["description"] == "kept words"
    assert console.service.admin.get(f"/models/{name}").status_code == 404


class Stranger(BaseEstimator):
    """A class that no allow-list has."""


def test_a_class_that_is_not_allowed_is_named(console: Console) -> None:
    page = send(console.admin, new_name(), skops.io.dumps(Stranger()))
    assert page.status == 422
    assert "test_upload_page.Stranger" in page.text


def test_a_form_that_is_too_large_is_refused(make_console: ConsoleMaker) -> None:
    console = make_console(max_upload_mb=1)
    file = part('; name="artifact"; filename="m.skops"', b"x" * (6 * 2**20))
    body = {"data": file + END, "content_type": FORM}
    page = console.admin.post("/console/models/m/upload", **body)
    assert page.status == 413
    assert "HOTSWAP_MAX_UPLOAD_MB" in page.text


def test_a_refused_upload_leaves_nothing(make_console: ConsoleMaker) -> None:
    console = make_console()
    before = console.service.stored()
    assert send(console.admin, "m", b"not a model").status == 422
    assert console.service.stored() == before


def test_uploading_needs_the_scope_and_the_model(console: Console, housing: str) -> None:
    address = f"/console/models/{housing}/upload"
    assert console.person("predict", "promote").get(address).status == 403
    assert console.person("predict", "promote").post(address).status == 403
    assert console.person("upload", models=["other-*"]).get(address).status == 404
    assert address in console.person("upload").get(f"/console/models/{housing}").hrefs()


def test_hostile_text_of_a_version_is_never_markup(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name = new_name()
    answer = send(console.admin, name, artifacts["line-1"], description=HOSTILE)
    refused = send(console.admin, name, b"x", "<img src=x>.exe", description=HOSTILE)
    for shown in (console.admin.get(answer.location), refused):
        assert shown.of("img") == []
        assert all("src" in script for script in shown.of("script"))
