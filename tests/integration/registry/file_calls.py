"""The system calls by which a piece of code changes a folder, in their order."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import strace

ROOT = Path(__file__).parents[3]


def file_calls(code: str, folder: Path, target: str) -> list[tuple[str, list[str]]]:
    """Run ``code`` with the path ``target`` in ``folder`` as its argument; the writes, fsyncs,
    renames and mkdirs in ``folder``, each with the parts of its path."""
    if why := strace.available():
        pytest.skip(why)
    log = folder / "calls"
    subprocess.run(
        [
            *("strace", "-y", "-e", "trace=write,fsync,rename,mkdir", "-o", str(log)),
            *(sys.executable, "-B", "-c", code, str(folder / target)),
        ],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    seen = re.findall(r"^(\w+)\([^<\"]*[<\"]([^>\"]*)", log.read_text(), re.MULTILINE)
    return [
        (call, list(Path(path).relative_to(folder).parts))
        for call, path in seen
        if str(folder) in path
    ]
