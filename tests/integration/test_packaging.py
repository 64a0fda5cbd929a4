"""The names under which the code is imported, and the version that all parts of it report."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import hotswap
from hotswap import Registry
from tests.integration.cli.fake_service import HSW, running

BIN = Path(sys.executable).parent

NAMES = """
import importlib, json, sys, sysconfig
from importlib.util import find_spec
from cli.main import COMMANDS

for command in COMMANDS.values():
    importlib.import_module(command.target.partition(":")[0])
libraries = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
files = {}
for name, module in sorted(sys.modules.items()):
    file = getattr(module, "__file__", None)
    if file and not file.startswith(libraries):
        files.setdefault(file, []).append(name)
twice = [names for names in files.values() if len(names) > 1]
print(json.dumps({"ours": len(files), "twice": twice, "client": find_spec("client") is not None}))
"""


def test_no_module_is_imported_under_two_names() -> None:
    """Otherwise an error raised by one copy would not be caught as the class of the other."""
    found = subprocess.run(
        [sys.executable, "-I", "-c", NAMES],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    modules = json.loads(found.stdout)
    assert modules.pop("ours") > 100
    assert modules == {"twice": [], "client": False}


def test_command_distribution_and_client_report_the_same_version() -> None:
    printed = subprocess.run(
        [BIN / "hotswap", "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert hotswap.__version__ == version("hotswap")
    assert printed.stdout == f"hotswap {hotswap.__version__}\n"


def test_the_client_sends_its_version_with_each_request() -> None:
    with running() as service, Registry(service.url, HSW) as registry:
        registry.own_token()
    (request,) = service.asked
    assert request.headers["User-Agent"].startswith(f"hotswap-client/{hotswap.__version__} ")
