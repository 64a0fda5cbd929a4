"""Uploading a version: what is shown while it is sent, checked, refused, or cancelled."""

import json
import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from hotswap import Registry
from tests.browser.stock import line
from tests.browser.visitor import Visitor


@pytest.fixture
def name(registry: Registry, fresh_name: str) -> str:
    """A model of this test's own, with one version."""
    registry.upload(fresh_name, line(1.0), {"format": "skops"})
    return fresh_name


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "model.skops"
    path.write_bytes(line(2.0))
    return path


def test_a_version_is_uploaded_and_no_alias_moves(
    anyone: Visitor, registry: Registry, name: str, artifact: Path, tmp_path: Path
) -> None:
    metadata = tmp_path / "metadata.json"
    metadata.write_text(json.dumps({"kind": "linear", "metrics": {"rmse": 1.5}}))
    page = anyone.page
    page.goto(f"/console/models/{name}/upload")
    page.get_by_label("Model file").set_input_files(artifact)
    page.get_by_label("metadata.json").set_input_files(metadata)
    page.get_by_label("Description").fill("steeper")
    page.get_by_label("Tags").fill("team:risk")
    page.get_by_role("button", name="Upload").click()

    done = page.get_by_role("status").filter(has_text="is uploaded")
    expect(done).to_contain_text("v2 is uploaded, and no alias moved")
    version = registry.version(name, 2)
    assert (version["description"], version["tags"]) == ("steeper", {"team": "risk"})
    assert version["metrics"] == {"rmse": 1.5}
    assert registry.model(name)["aliases"] == {}
    done.get_by_role("link", name="View v2").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("v2")


def test_a_refused_file_is_named_and_stays_chosen(
    anyone: Visitor, registry: Registry, name: str, tmp_path: Path
) -> None:
    wrong = tmp_path / "model.skops"
    wrong.write_bytes(b"not a model")
    page = anyone.page
    page.goto(f"/console/models/{name}/upload")
    page.get_by_label("Model file").set_input_files(wrong)
    page.get_by_label("Description").fill("a try")
    anyone.expect_status(422)
    page.get_by_role("button", name="Upload").click()

    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_label("Description")).to_have_value("a try")
    assert [one["version"] for one in registry.versions(name)] == [1]


def test_an_upload_shows_its_progress_and_can_be_cancelled(
    admin: Visitor, registry: Registry, name: str, tmp_path: Path
) -> None:
    large = tmp_path / "model.skops"
    large.write_bytes(os.urandom(4_000_000))
    page = admin.page
    page.goto(f"/console/models/{name}/upload")
    network = admin.context.new_cdp_session(page)
    network.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200_000},
    )
    page.get_by_label("Model file").set_input_files(large)
    page.get_by_role("button", name="Upload").click()

    expect(page.get_by_text("Sending…")).to_be_visible()
    # Some of it is sent, and not all.
    expect(page.get_by_role("progressbar")).to_have_js_property("max", 100)
    expect(page.locator("#phase-count")).to_have_text(re.compile(r"^[1-9]\d? %$"))

    page.get_by_role("button", name="Cancel the upload").click()
    expect(page.get_by_text("Cancelled", exact=True)).to_be_visible()
    expect(page.get_by_text("Nothing was stored.")).to_be_visible()
    assert [one["version"] for one in registry.versions(name)] == [1]

    # The form is as it was: the next press sends again.
    network.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1},
    )
    page.get_by_label("Model file").set_input_files(
        {"name": "model.skops", "mimeType": "application/zip", "buffer": line(3.0)}
    )
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("v2 is uploaded, and no alias moved")).to_be_visible()
