"""Runs the commands of a page of the documentation, as somebody who pastes them."""

import os
import re
import select
import signal
import subprocess
from pathlib import Path

import pytest

from tests.system.real_server import Server

QUIET_SECONDS = 300
"""No command of a page is silent for so long, on however busy a machine."""


def run_commands(page: str, server: Server, folder: Path, **environment: str) -> str:
    """Run the blocks of shell commands of the text ``page`` in ``folder``, one after the other.

    Returns what they print, each command first. Fails if one of them fails.
    """
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    assert blocks
    # What a page leaves in the background ends with it, also where a later command fails.
    script = "\n".join(["trap 'jobs -p | xargs -r kill || true' EXIT", *blocks])
    with subprocess.Popen(
        ["bash", "-exc", script.replace("http://127.0.0.1:8000", server.url)],
        cwd=folder,
        env={**os.environ, "HOTSWAP_URL": server.url, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as shell:
        printed = _until_silent(shell, QUIET_SECONDS)

    assert shell.returncode == 0, printed
    return printed


def _until_silent(process: subprocess.Popen[bytes], seconds: float) -> str:
    """What ``process`` prints. It is killed when it prints nothing for ``seconds``."""
    assert process.stdout is not None
    printed = b""
    while select.select([process.stdout], [], [], seconds)[0]:
        if not (part := os.read(process.stdout.fileno(), 65536)):
            return printed.decode()
        printed += part
    os.killpg(process.pid, signal.SIGKILL)
    pytest.fail(f"nothing for {seconds} s after:\n{printed.decode()}")
