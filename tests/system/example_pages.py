"""Follows the page of an example on a real server."""

import re
import shutil
from pathlib import Path

import pytest

from tests.examples import EXAMPLES, Example, plain_model, replies_in
from tests.system.page_commands import run_commands
from tests.system.real_server import ROOT, Server, free_port


def follow(example: Example, server: Server, folder: Path, port: str = "") -> str:
    """Run the commands of the example's page in the empty ``folder``.

    ``port``: the one that the example listens on; a free one takes its place. Returns what the
    commands print. Fails if one fails, or if the replies are not those of the page.
    """
    free = str(free_port())
    copied = folder / "examples" / example.folder
    shutil.copytree(EXAMPLES / example.folder, copied)
    for path in (*copied.glob("*.md"), *copied.glob("*.conf")):
        text = re.sub(rf"\b{port}\b", free, path.read_text()) if port else path.read_text()
        path.write_text(text.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}"))
    (folder / ".venv").symlink_to(ROOT / ".venv")
    page = (copied / "README.md").read_text()

    printed = run_commands(page, server, folder, HOTSWAP_TOKEN=server.token)

    assert [*replies_in(printed)] == [*replies_in(page)], printed
    return printed


def check_served(server: Server, example: Example, kind: str, version: int = 1) -> None:
    """Compare the predictions for the whole table with those of plain scikit-learn."""
    reply = server.call(
        *("POST", f"/models/{example.model}/{version}/predict"),
        json={"instances": example.records()},
    )
    expected = plain_model(example, kind).predict(example.rows()).tolist()

    predictions = reply.json()["predictions"]
    if isinstance(expected[0], float):
        assert predictions == pytest.approx(expected, rel=1e-9)
    else:
        assert predictions == expected
