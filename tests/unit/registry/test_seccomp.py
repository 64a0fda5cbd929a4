"""The filter of system calls, against the kernel's own headers and a small machine of our own."""

import errno
import re
import struct
from pathlib import Path

import pytest

from registry.confinement.seccomp import ALLOWED, CHECKED, program

HEADERS = {
    "x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    "aarch64": "/usr/include/asm-generic/unistd.h",
}
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""The column of the tables, and the number of the architecture."""
ALLOW, REFUSE, UNKNOWN = 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
KILL = 0x80000000
PID = 4711


def numbers_in(header):
    text = Path(header).read_text()
    found = dict(re.findall(r"#define\s+__NR(?:3264)?_(\w+)\s+(\d+)\s*$", text, re.MULTILINE))
    if "fstatat" in found:
        found["newfstatat"] = found["fstatat"]
    return {name: int(number) for name, number in found.items()}


@pytest.mark.parametrize("machine", MACHINES)
def test_system_call_numbers_match_the_kernel_headers(machine):
    if not Path(HEADERS[machine]).exists():
        pytest.skip("the kernel's headers are not installed here")
    kernel = numbers_in(HEADERS[machine])
    column = MACHINES[machine][0]

    for name, numbers in (ALLOWED | CHECKED).items():
        assert kernel.get(name, -1) == numbers[column], name


def decide(machine, number, *arguments, architecture=None):
    """What the filter answers: a machine for the four instructions that it uses."""
    own = MACHINES[machine][1]
    data = struct.pack("@IIQ", number & 0xFFFFFFFF, architecture or own, 0)
    data += struct.pack("@6Q", *arguments, *[0] * (6 - len(arguments)))
    steps = list(struct.iter_unpack("@HBBI", program(machine, PID)))
    at = accumulator = 0
    while True:
        code, yes, no, value = steps[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("@I", data, value)
        elif code == 0x15:
            at += yes if accumulator == value else no
        elif code == 0x25:
            at += yes if accumulator > value else no
        else:
            assert code == 0x06
            return value


@pytest.mark.parametrize("machine", MACHINES)
def test_only_listed_calls_are_allowed(machine):
    column = MACHINES[machine][0]
    allowed = {numbers[column] for numbers in ALLOWED.values()}
    checked = {numbers[column] for numbers in CHECKED.values()}

    for number in range(600):
        if number in allowed:
            assert decide(machine, number) == ALLOW
        elif number not in checked:
            assert decide(machine, number) == (
                UNKNOWN if number in {435, *range(451, 600)} else REFUSE
            )


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("fcntl", (3, 1), ALLOW),
        ("fcntl", (3, 1030), ALLOW),
        ("fcntl", (3, 8), REFUSE),  # F_SETOWN
        ("fcntl", (3, 10), REFUSE),  # F_SETSIG
        ("ioctl", (0, 0x5401), ALLOW),
        ("ioctl", (0, 0x5412), REFUSE),  # TIOCSTI
        ("ioctl", (0, 0x541C), REFUSE),  # TIOCLINUX
        ("prlimit64", (0, 7, 0, 1000), ALLOW),
        ("prlimit64", (0, 7, 1000, 0), REFUSE),
        ("prlimit64", (0, 7, 1 << 32, 0), REFUSE),
        ("tgkill", (PID, 1, 6), ALLOW),
        ("tgkill", (1, 1, 9), REFUSE),
        ("tgkill", (0xFFFFFFFF, 1, 9), REFUSE),
    ],
)
def test_some_calls_are_allowed_only_with_some_arguments(machine, name, arguments, answer):
    assert decide(machine, CHECKED[name][MACHINES[machine][0]], *arguments) == answer


@pytest.mark.parametrize("machine", MACHINES)
def test_a_call_of_another_architecture_ends_the_process(machine):
    assert decide(machine, 0, architecture=0x40000003) == KILL


def test_a_call_by_the_x32_table_is_unknown():
    assert decide("x86_64", 0x40000000) == UNKNOWN
