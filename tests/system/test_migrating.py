"""docs/migrating.md: the Flask app before and after, and BentoML's folder, as the page has them."""

import os
import pty
import re
import subprocess
from pathlib import Path

import joblib
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from tests.system.real_server import BIN, ROOT, Server

PAGE = (ROOT / "docs" / "migrating.md").read_text()
ROWS, LABELS = load_iris(return_X_y=True)


def blocks(section: str, language: str) -> list[str]:
    """The blocks of code below a heading of the page."""
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def shell(commands: str, server: Server, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(folder),
        "HOTSWAP_URL": server.url,
        "HOTSWAP_TOKEN": server.token,
    }
    return subprocess.run(
        ["bash", "-e", "-c", commands],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def answered(answer: str, command: str, server: Server, folder: Path) -> int:
    """The exit code of ``hotswap`` on a terminal where ``answer`` is typed."""
    ours, terminal = pty.openpty()
    with os.fdopen(ours, "wb", buffering=0) as keyboard:
        process = subprocess.Popen(
            [BIN / "hotswap", *command.split()],
            cwd=folder,
            env={**os.environ, "HOTSWAP_URL": server.url, "HOTSWAP_TOKEN": server.token},
            stdin=terminal,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        os.close(terminal)
        keyboard.write(f"{answer}\n".encode())
        _, said = process.communicate(timeout=120)
    assert b"Import this? [y/N]" in said
    return process.returncode


def write_model(path: Path, strength: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    joblib.dump(LogisticRegression(C=strength, max_iter=500).fit(ROWS, LABELS), path)


@pytest.mark.slow
def test_a_flask_app_is_replaced_by_a_request(
    own_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        write_model(tmp_path / "models" / f"iris-{number}.joblib", number)
    before, after = blocks("From a Flask app", "python")
    (names,) = blocks("From a Flask app", "csv")
    (tmp_path / "models.csv").write_text(names)
    imports, upload = blocks("From a Flask app", "sh")
    assert answered("n", "import folder models --csv models.csv", own_server, tmp_path) == 1
    assert own_server.call("GET", "/models").json()["items"] == []

    for commands in (imports, imports, upload):
        done = shell(commands, own_server, tmp_path)
        assert done.returncode == 0, done.stderr

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOTSWAP_URL", own_server.url)
    monkeypatch.setenv("HOTSWAP_TOKEN", own_server.token)
    app: dict[str, object] = {"__name__": "app"}
    exec(before, app)  # noqa: S102 - the page's own code
    request: dict[str, object] = {}
    exec(after, request)  # noqa: S102 - the same
    client = app["app"].test_client()
    for row in ROWS[::10].tolist():
        said = client.post("/predict", json={"features": row}).get_json()["prediction"]
        assert request["predict"](row) == said
    versions = own_server.call("GET", "/models/iris/versions").json()["items"]
    assert [each["version"] for each in versions] == [3, 2, 1]
    assert versions[1]["tags"] == {"data": "2025", "owner": "ann"}
    assert versions[0]["aliases"] == ["production"]


@pytest.mark.slow
def test_the_folder_of_bentoml_is_imported_by_age(own_server: Server, tmp_path: Path) -> None:
    for age, name in ((20, "zzz"), (10, "aaa")):
        path = tmp_path / "bentoml" / "models" / "iris" / name / "saved_model.pkl"
        write_model(path, age)
        os.utime(path, (1_000_000_000 - age, 1_000_000_000 - age))
    commands, requested = blocks("From BentoML", "sh")

    done = shell(commands, own_server, tmp_path)

    assert done.returncode == 0, done.stderr
    versions = own_server.call("GET", "/models/iris/versions").json()["items"]
    files = [each["lineage"]["imported"]["file"] for each in versions]
    assert files == ["iris/aaa/saved_model.pkl", "iris/zzz/saved_model.pkl"]
    own_server.call("POST", "/models/iris/2/promote", json={}).raise_for_status()
    after = requested.partition("# After\n")[2].replace("http://127.0.0.1:8000", own_server.url)
    assert '"predictions":[0]' in shell(after, own_server, tmp_path).stdout
