"""The README is correct: its commands run, and its tables match the code."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from config import ClientSettings, Settings
from tests.system.page_commands import run_commands
from tests.system.real_server import ROOT, Server, free_port, running, wait_until

README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """What ``make serve`` starts, on a data directory of the test's own."""
    data = tmp_path_factory.mktemp("readme") / "artifacts"
    with running(
        ["make", "serve"], data, free_port(), HOTSWAP_ADMIN_TOKEN="", HOTSWAP_WATCH="1"
    ) as server:
        wait_until(lambda: "Paste this" in server.log.read_text(), server.log.read_text())
        yield server


@pytest.mark.slow  # it starts the service with its two demo models
def test_the_command_that_make_serve_prints_predicts(made: Server) -> None:
    line = next(line for line in made.log.read_text().splitlines() if "curl" in line)

    pasted = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)

    assert pasted.stdout in README
    assert json.loads(pasted.stdout)["prediction"] == "setosa"


@pytest.mark.slow
def test_the_version_that_the_tour_promotes_is_better(made: Server) -> None:
    token = (made.data / "admin.token").read_text().strip()
    live, better = (
        made.call("GET", f"/models/diabetes/{number}", headers={"Authorization": f"Bearer {token}"})
        for number in ("production", "2")
    )

    assert live.json()["version"] == 1
    before, after = live.json()["metrics"], better.json()["metrics"]
    assert after["rmse"] < 0.95 * before["rmse"]
    assert after["mae"] < before["mae"]
    assert after["r2"] > before["r2"]


@pytest.mark.slow  # test_life_of_a_model.py has the main part, without the tables and the plots
def test_every_command_of_the_readme_runs_in_its_order(made: Server, tmp_path: Path) -> None:
    for name, target in (
        (".venv", ROOT / ".venv"),
        ("examples", ROOT / "examples"),
        ("artifacts", made.data),
    ):
        (tmp_path / name).symlink_to(target)

    printed = run_commands(README, made, tmp_path)

    assert '"predictions":["setosa","virginica"]' in printed
    assert "rolled_back" in printed


def test_the_table_of_settings_matches_the_code() -> None:
    rows = re.findall(
        r"^\| (`(?:HOTSWAP|GITHUB|MLFLOW)_.*?) \| (.*?) ?\| (.*?) \|$", README, re.MULTILINE
    )
    reported = {names: (default.strip("`"), text) for names, default, text in rows}

    for setting in (*fields(Settings), *fields(ClientSettings)):
        names = " or ".join(f"`{name}`" for name in setting.metadata["variables"])
        default = str(
            int(setting.default) if isinstance(setting.default, bool) else setting.default
        )
        assert reported.pop(names) == (default, setting.metadata["help"])
    assert reported == {}


def test_every_target_of_make_has_a_line_of_help() -> None:
    helped = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    for target in (
        "serve",
        "test",
        "test-slow",
        "test-faults",
        "test-attacks",
        "test-asan",
        "bench",
        "bench-engine",
        "bench-retrain",
        "bench-swap",
        "lint",
        "lock",
        "clean",
    ):
        assert f"make {target}" in helped
