"""The C modules: optional, but built where there is a compiler, and listed by the build files.

Where there is no compiler, the tests of what is compiled are skipped.
"""

import ast
import os
import re
import shutil
import subprocess
import sysconfig
from importlib import import_module
from pathlib import Path

import pytest

from cli.connections import preload
from tests.c_modules import ROOT, c_modules

MODULES = c_modules()
PACKAGES = ("cli", "registry")
PYTHON_MODULES = sorted(name for name in MODULES if name.startswith("registry."))
"""cli._connections is not imported: it is preloaded."""
COMPILER = (sysconfig.get_config_var("CC") or "cc").split()[0]

compiled = pytest.mark.skipif(shutil.which(COMPILER) is None, reason="there is no C compiler")


def sources() -> set[str]:
    found = (path for name in PACKAGES for path in (ROOT / name).rglob("*.[ch]"))
    return {str(path.relative_to(ROOT)) for path in found}


def made(*arguments: str) -> str:
    """What make prints. It gets no flags of a make that runs these tests."""
    done = subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout


def test_every_c_source_and_header_belongs_to_a_module() -> None:
    assert sources() == {path for paths in MODULES.values() for path in paths}


@compiled
@pytest.mark.parametrize("name", PYTHON_MODULES)
def test_a_module_is_built_and_has_all_that_its_stub_declares(name: str) -> None:
    stub = ast.parse((ROOT / f"{name.replace('.', '/')}.pyi").read_text())
    declared = [one.name for one in stub.body if isinstance(one, ast.ClassDef | ast.FunctionDef)]
    module = import_module(name)
    assert declared
    assert [one for one in declared if not hasattr(module, one)] == []


@compiled
def test_the_module_that_is_preloaded_is_built() -> None:
    assert preload({})


def test_a_change_of_any_c_file_installs_the_project_again() -> None:
    database = made("--print-data-base", "--dry-run", "help")
    prerequisites = re.search(r"^\.venv/serve: (.*)$", database, re.MULTILINE)
    assert prerequisites is not None
    assert sources() - set(prerequisites[1].split()) == set()


def test_make_clean_removes_every_built_module() -> None:
    (removed,) = re.findall(r"^rm -f (.*)$", made("--dry-run", "clean"), re.MULTILINE)
    folders = {pattern.rpartition("/")[0] for pattern in removed.split()}
    missed = [
        name
        for name in MODULES
        if not any(Path(name.replace(".", "/")).parent.match(folder) for folder in folders)
    ]
    assert missed == []


def test_every_module_that_is_imported_is_tested_under_sanitizers() -> None:
    command = made("--dry-run", "--always-make", "-o", ".venv/test", "test-asan")
    (listed,) = re.findall(r"^for module in (.*?);", command, re.MULTILINE)
    assert {f"registry.{name.replace('/', '.')}" for name in listed.split()} == set(PYTHON_MODULES)
