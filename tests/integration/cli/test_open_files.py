"""How many connections a worker holds where the operating system limits its open files."""

import subprocess
import sys

import pytest

from cli.connections import CONNECTIONS, OTHER_FILES, SPARE_CONNECTIONS

PROGRAM = """
import resource
from cli.connections import most_connections
print(most_connections(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def connections(soft: int, hard: int) -> list[int]:
    """The connections of a process with these limits, and what the limits are then."""
    limit = [f"--nofile={soft}:{hard}", sys.executable, "-c", PROGRAM]
    reported = subprocess.run(["prlimit", *limit], capture_output=True, text=True, check=True)
    return [int(number) for number in reported.stdout.split()]


def test_the_limit_on_open_files_is_raised_to_match_the_connections() -> None:
    most, soft, hard = connections(1024, 10_000)

    assert (most, hard) == (CONNECTIONS, 10_000)
    assert soft < hard


@pytest.mark.parametrize("limit", [1024, 1600, 2000])
def test_each_connection_may_have_a_file_in_addition_to_its_socket(limit: int) -> None:
    most, soft, _ = connections(1024, limit)

    assert soft == limit
    assert 0 < most < CONNECTIONS
    assert 2 * (most + SPARE_CONNECTIONS) + OTHER_FILES <= limit
