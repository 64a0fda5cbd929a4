"""Machines that cannot do all: what is left still holds, and what is missing is said."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = """
import json, os
from pathlib import Path
from registry.confinement.spawner import Spawner
from tests.integration.confinement.conftest import ATTEMPTS, begin, told
spawner = Spawner([ATTEMPTS])
said = {"missing": spawner.missing()}
for attempt in (
    ("read", "/etc/passwd"), ("write", "/var/hotswap-was-here"), ("list_folder", "/"),
    ("read", os.__file__), ("fork",), ("start_program",), ("listen", "127.0.0.1"),
    ("kill", os.getpid(), 0), ("allocate", 2**36), ("write_into_own_folder",), ("who",),
):
    with begin(spawner, *attempt) as process:
        said[attempt[0] + str(attempt[1:])] = told(process)["succeeded"]
spawner.close()
print(json.dumps(said))
"""


def in_a_container():
    """What comes of the attempts for root as in a container, which may not mount."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("it takes root and setpriv to give capabilities up")
    command = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"]
    ran = subprocess.run(
        [*command, sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    return json.loads(ran.stdout)


def test_without_namespaces_landlock_and_the_filter_hold():
    told = in_a_container()

    assert any("no namespace without a network" in line for line in told.pop("missing"))
    assert told == {
        "read('/etc/passwd',)": False,
        "write('/var/hotswap-was-here',)": False,
        "list_folder('/',)": False,
        f"read('{os.__file__}',)": True,
        "fork()": False,
        "start_program()": False,
        "listen('127.0.0.1',)": False,
        next(key for key in told if key.startswith("kill")): False,
        f"allocate({2**36},)": False,
        "write_into_own_folder()": False,
        "who()": True,
    }
