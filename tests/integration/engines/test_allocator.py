"""Memory is returned to the system, measured by Linux in a separate process."""

import subprocess
import sys

import pytest

HOLE = r"""
from pathlib import Path
from registry.engines import allocator

def resident():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024

{first}
bytes(24 * 2**20)  # once it is free, glibc keeps blocks up to its size
block = b"x" * (16 * 2**20)
behind = b"x" * (100 * 2**10)
before = resident()
del block
print(before - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and is about glibc")
@pytest.mark.parametrize(
    ("first", "given_back"), [("allocator.map_large_blocks()", True), ("", False)]
)
def test_a_large_block_is_returned_to_the_system_when_freed(first: str, given_back: bool) -> None:
    code = HOLE.replace("{first}", first)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert (int(done.stdout) >= 15) == given_back
