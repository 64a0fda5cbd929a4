"""The system calls by which a piece of code changes a folder, in their order."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def file_calls(code: str, folder: Path, target: str) -> list[tuple[str, list[str]]]:
    """Run ``code`` with the path ``target`` in ``folder`` as its argument; the writes, fsyncs,
    renames and mkdirs in ``folder``, each with the parts of its path."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    log = folder / "calls"
    traced = subprocess.run(
        [
            *("strace", "-y", "-e", "trace=write,fsync,rename,mkdir", "-o", str(log)),
            *(sys.executable, "-B", "-c", code, str(folder / target)),
        ],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if traced.returncode:
        pytest.skip(f"strace cannot trace here: {traced.stderr.decode()[-200:]}")
    seen = re.findall(r"^(\w+)\([^<\"]*[<\"]([^>\"]*)", log.read_text(), re.MULTILINE)
    return [
        (call, list(Path(path).relative_to(folder).parts))
        for call, path in seen
        if str(folder) in path
    ]
