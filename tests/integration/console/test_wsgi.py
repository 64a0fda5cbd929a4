"""The WSGI application has the console, unless the setting leaves it out."""

import logging
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.integration.api.conftest import ADMIN_TOKEN

WSGI = Path(__file__).parents[3] / "wsgi.py"


@pytest.fixture
def application(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Flask]:
    """What a WSGI server loads, with the setting of the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setenv("HOTSWAP_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HOTSWAP_ADMIN_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("HOTSWAP_CONSOLE", request.param)
    app = runpy.run_path(str(WSGI))["app"]
    # It sends logs to the standard error of the moment, which pytest closes after the test.
    root.handlers[:] = handlers
    root.setLevel(level)
    yield app
    app.extensions["hotswap"].close()
    app.extensions["hotswap-telemetry"].close()


@pytest.mark.parametrize(
    ("application", "status"), [("1", 200), ("0", 404)], indirect=["application"]
)
def test_the_console_is_served_unless_a_setting_leaves_it_out(
    application: Flask, status: int
) -> None:
    client = application.test_client()
    assert client.get("/console/login").status_code == status
    assert client.get("/livez").status_code == 200
