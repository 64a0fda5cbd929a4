"""``card``: printed, or written to a file."""

import json
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Hotswap
from tests.integration.cli.fake_service import Answer, FakeService, problem

MARKDOWN = "# housing, version 3\n\nGröße\n"
PATH = "/models/housing/production/card"


@pytest.fixture(autouse=True)
def carded(service: FakeService) -> None:
    headers = {"Content-Type": "text/markdown; charset=utf-8; variant=GFM"}
    service.script("GET", PATH, Answer(200, MARKDOWN.encode(), headers))


def test_the_card_of_production_is_printed_unchanged(
    hotswap: Hotswap, service: FakeService
) -> None:
    result = hotswap("card", "housing")
    assert (result.exit_code, result.stdout) == (0, MARKDOWN)
    assert service.requests[0].headers["Accept"] == "text/markdown"


def test_card_with_json_prints_one_value(hotswap: Hotswap) -> None:
    result = hotswap("card", "housing/production", "--json")
    assert json.loads(result.stdout) == {"format": "markdown", "card": MARKDOWN}


def test_card_writes_html_to_a_file(hotswap: Hotswap, service: FakeService, tmp_path: Path) -> None:
    headers = {"Content-Type": "text/html; charset=utf-8"}
    service.script("GET", PATH, Answer(200, b"<!doctype html>", headers))
    file = tmp_path / "card.html"
    result = hotswap("card", "housing", "--format", "html", "--out", str(file))
    assert (result.exit_code, result.stdout) == (0, "")
    assert file.read_bytes() == b"<!doctype html>"
    assert [found.name for found in tmp_path.iterdir()] == ["card.html"]


def test_card_with_an_unwritable_file_exits_2(hotswap: Hotswap, tmp_path: Path) -> None:
    result = hotswap("card", "housing", "--out", str(tmp_path / "no" / "card.md"))
    assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_card_in_another_format_is_not_understood(hotswap: Hotswap, service: FakeService) -> None:
    service.script("GET", PATH, Answer(200, b"It works!", {"Content-Type": "text/plain"}))
    result = hotswap("card", "housing")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no text/markdown" in result.stderr


def test_an_unknown_version_exits_1(hotswap: Hotswap, service: FakeService) -> None:
    service.script("GET", PATH, problem(404, "version-not-found", "No such version."))
    result = hotswap("card", "housing")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "No such version." in result.stderr
