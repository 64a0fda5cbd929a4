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
from tests.integration.confinement.conftest import ATTEMPTS, begin, reported
spawner = Spawner([ATTEMPTS])
said = {"missing": spawner.missing()}
for attempt in (
    ("read", "/etc/passwd"), ("write", "/var/hotswap-was-here"), ("list_folder", "/"),
    ("read", os.__file__), ("read", os.__file__[1:]),
    ("fork",), ("start_program",), ("listen", "127.0.0.1"), ("kill", os.getpid(), 0),
    ("allocate", 2**36), ("write_into_own_folder",), ("who",),
):
    with begin(spawner, *attempt) as process:
        said[attempt[0] + str(attempt[1:])] = reported(process)["succeeded"]
spawner.close()
print(json.dumps(said))
"""


def run(*command, program=PROGRAM):
    """What ``program`` prints where ``command`` starts it."""
    ran = subprocess.run(
        [*command, sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def in_a_container(program=PROGRAM):
    """What ``program`` prints for root as in a container, which may not mount."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("it takes root and setpriv to give capabilities up")
    return run(
        *("setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"), program=program
    )


@pytest.fixture(scope="module")
def as_user_of_another_group():
    """A command that starts others as a user whose group has another number than the user."""
    command = ["unshare", "--user", "--map-user=1234", "--map-group=5678"]
    if shutil.which("unshare") is None or subprocess.call([*command, "true"]) != 0:
        pytest.skip("this machine allows no user namespaces, which the test and the service need")
    return command


def test_without_namespaces_landlock_and_the_filter_still_confine():
    results = in_a_container()

    assert any("no network namespace" in line for line in results.pop("missing"))
    assert results == {
        "read('/etc/passwd',)": False,
        "write('/var/hotswap-was-here',)": False,
        "list_folder('/',)": False,
        f"read('{os.__file__}',)": True,
        f"read('{os.__file__[1:]}',)": False,
        "fork()": False,
        "start_program()": False,
        "listen('127.0.0.1',)": False,
        next(key for key in results if key.startswith("kill")): False,
        f"allocate({2**36},)": False,
        "write_into_own_folder()": False,
        "who()": True,
    }


@pytest.mark.slow
def test_without_namespaces_uploads_are_inspected_in_a_working_folder_that_is_removed():
    program = """
import json, tempfile
from pathlib import Path
from registry.confinement.spawner import Spawner, missing_defences
from registry.intake.inspector import MODULES, Inspector
from sklearn.linear_model import LinearRegression
from tests.attacks.onnx_graphs import SUM, AXES, model
from tests.attacks.opcodes import written
spawner = Spawner(MODULES)
inspector = Inspector(spawner=spawner)
engines = []
with tempfile.TemporaryDirectory() as folder:
    for format_, content in (
        ("onnx", model(SUM, constants=AXES).SerializeToString()),
        ("skops", written(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), "skops")),
    ):
        path = Path(folder, format_)
        path.write_bytes(content)
        engines.append(inspector.inspect(path, format_, {})[0].engine["name"])
spawner.close()
print(json.dumps({"engines": engines, "missing": missing_defences()}))
"""
    results = in_a_container(program)

    assert results["engines"] == ["onnxruntime", "linear"]
    assert not any("working folder" in line for line in results["missing"])


def test_user_and_group_ids_may_differ(as_user_of_another_group):
    results = run(*as_user_of_another_group)

    assert results["missing"] == []
    assert results["write_into_own_folder()"], results
    assert results["who()"]
    assert not results["read('/etc/passwd',)"]


def test_why_a_process_cannot_be_confined_is_reported_to_uploads_and_by_the_doctor(
    as_user_of_another_group,
):
    """A limit on the size of files, from outside, that is below what a temporary folder holds."""
    program = """
import json, logging, sys
from dataclasses import asdict
from pathlib import Path
from registry.confinement.spawner import Spawner
from registry.doctor.confined_processes import check_confinement
from registry.errors import IntakeUnavailable
from registry.intake.inspector import Inspector
from tests.integration.confinement.conftest import ATTEMPTS
logs = []
logger = logging.getLogger("registry.intake.inspector")
logger.addFilter(lambda record: logs.append(record.getMessage()))
inspector = Inspector(spawner=Spawner([ATTEMPTS]), entry=f"{ATTEMPTS}:answer")
try:
    inspector.inspect(Path(sys.executable), "skops", {})
    refused = False
except IntakeUnavailable:
    refused = True
found = [asdict(finding) for finding in check_confinement(None)]
print(json.dumps({"refused": refused, "logs": logs, "found": found}))
"""
    results = run(*as_user_of_another_group, "prlimit", "--fsize=1048576", program=program)

    assert results["refused"]
    assert "not allowed to raise maximum limit" in " ".join(results["logs"])
    (finding,) = results["found"]
    assert finding["result"] == "fault"
    assert "not allowed to raise maximum limit" in finding["message"]
