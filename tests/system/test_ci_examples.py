"""The CI files of examples/ci are valid, and their scripts work."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.system.real_server import BIN, ROOT, Server

EXAMPLES = ROOT / "examples" / "ci"
GITHUB = yaml.safe_load((EXAMPLES / "github-actions.yml").read_text())
GITLAB = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text())
INSTALL = "make .venv/serve"


def github_scripts() -> list[str]:
    """The script of each step, in order."""
    return [step["run"] for step in GITHUB["jobs"]["retrain"]["steps"] if "run" in step]


def gitlab_scripts() -> list[str]:
    job = GITLAB["retrain"]
    return [*job["before_script"], *job["script"]]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository at one commit, with the examples and the environment that the job installs."""
    place = tmp_path / "checkout"
    caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "examples", place / "examples", ignore=caches)
    (place / "Makefile").write_text(".PHONY: .venv/serve\n.venv/serve: ;\n")
    (place / ".venv").symlink_to(BIN.parent)
    git = ["git", "-C", str(place), "-c", "user.name=ci", "-c", "user.email=ci@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    (place / ".gitignore").write_text(".venv\nretrain.*\nstep.md\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "recipe"], check=True)
    return place


@pytest.fixture
def job_token(server: Server) -> Iterator[str]:
    """The token that the files require: it may only upload and promote this model."""
    body = {"name": "ci", "scopes": ["upload", "promote"], "models": ["housing-nightly"]}
    made = server.call("POST", "/tokens", json=body).json()
    yield made["token"]
    server.call("DELETE", f"/tokens/{made['id']}")


def run(script: str, place: Path, server: Server, token: str, code: int = 0, **more: str) -> None:
    """Run a script with the options of the runner's shell, and expect the exit code ``code``."""
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("HOTSWAP_", "GITHUB_", "GIT_"))
    }
    environment = {"HOTSWAP_URL": server.url, "HOTSWAP_TOKEN": token, **more}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=place,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"


def report(place: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((place / "retrain.json").read_text())
    return content


def test_both_ci_files_install_and_retrain_with_the_recipe_beside_them() -> None:
    for scripts in (github_scripts(), gitlab_scripts()):
        assert scripts[0] == INSTALL
        assert "hotswap retrain examples/ci/housing.toml" in scripts[1]
    assert (EXAMPLES / "housing.toml").exists()
    assert GITLAB["retrain"]["allow_failure"] == {"exit_codes": [10]}
    wanted = GITHUB["jobs"]["retrain"]["env"]
    assert set(wanted) == {"HOTSWAP_URL", "HOTSWAP_TOKEN"}


@pytest.mark.slow  # integration/cli/test_retrain.py has what they run
def test_the_commands_of_both_ci_files_create_one_version_of_one_commit(
    server: Server, checkout: Path, job_token: str
) -> None:
    step = checkout / "step.md"
    for script in github_scripts():
        run(script, checkout, server, job_token, GITHUB_STEP_SUMMARY=str(step))
    first = report(checkout)
    assert first["outcome"] == "promoted"
    assert first["made"]
    assert step.read_text().startswith("## `housing-nightly/production` is now version ")

    for script in gitlab_scripts():
        run(script, checkout, server, job_token)
    again = report(checkout)
    assert again["outcome"] == "promoted"
    assert not again["made"]
    assert again["version"]["version"] == first["version"]["version"]
    assert "### Metrics" in (checkout / "retrain.md").read_text()

    events = server.call("GET", "/models/housing-nightly/history").json()["items"]
    assert [event["type"] for event in events] == ["promoted", "registered", "model_created"]
    assert events[0]["actor"] == "ci"


@pytest.mark.slow
def test_a_job_succeeds_if_the_champion_stays(
    server: Server, checkout: Path, job_token: str
) -> None:
    for script in github_scripts():
        run(script, checkout, server, job_token)
    number = report(checkout)["version"]["version"]
    recipe = checkout / "examples" / "ci" / "housing.toml"
    recipe.write_text(recipe.read_text().replace("n_estimators = 50", "n_estimators = 5"))
    run(gitlab_scripts()[1], checkout, server, job_token)
    # Whoever goes back does so for a reason that the job must not undo.
    server.call("POST", "/models/housing-nightly/rollback").raise_for_status()

    run(gitlab_scripts()[1], checkout, server, job_token, code=10)
    run(github_scripts()[1], checkout, server, job_token)
    assert report(checkout)["outcome"] == "superseded"
    assert server.call("GET", "/models/housing-nightly").json()["aliases"] == {"production": number}
