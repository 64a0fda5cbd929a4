"""Inspections that were taken over by what they read. Each runs confined, in place of ours.

The artifact itself says which.
"""

import ctypes
import json
import os
import signal
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from registry.confinement.channel import Channel
from registry.intake.forms import FORM_LIMITS
from registry.intake.messages import MAX_ENGINE, MAX_FACTS

FACTS: dict[str, Any] = {
    "type": "inspected",
    "kind": "linear",
    "task": "regression",
    "params": {"fit_intercept": True},
    "signature": {
        "inputs": [{"name": "x", "type": "number", "nullable": False}],
        "output": {"name": "y", "type": "number"},
    },
    "environment": {"scikit-learn": "1.9"},
}
OURS: dict[str, Any] = {"engine": {"name": "scikit-learn", "reason": "why"}, "compiled": []}
ONNX = {"name": "onnx", "max_abs_diff": 0.0, "max_rel_diff": 0.0, "checked_rows": 512}


def answer(channel: Channel, files: list[int]) -> None:
    """Be hostile as the artifact says."""
    channel.receive()
    HOSTILITIES[os.read(files[0], 100).decode()](channel)


def end_when_told(channel: Channel, files: list[int]) -> None:
    """Send nothing, and end once the artifact, which was empty, has a byte."""
    channel.receive()
    while not os.read(files[0], 1):
        time.sleep(0.01)


def say(channel: Channel, *messages: Any) -> None:
    channel.send(*[json.dumps(message).encode() for message in messages])


def hang(_: Channel) -> None:
    time.sleep(3600)


def hang_while_compiling(channel: Channel) -> None:
    say(channel, FACTS)
    time.sleep(3600)


def spin(_: Channel) -> None:
    while True:
        pass


def crash(_: Channel) -> None:
    ctypes.string_at(0)


def crash_while_compiling(channel: Channel) -> None:
    say(channel, FACTS)
    ctypes.string_at(0)


def allocate(_: Channel) -> None:
    kept = []
    while True:
        kept.append(bytes(2**28))


def write_ten_gigabytes(_: Channel) -> None:
    with Path("big").open("wb") as file:
        for _ in range(10_000):
            file.write(bytes(2**20))


def read_passwords(_: Channel) -> None:
    Path("/etc/passwd").read_text()


def connect(_: Channel) -> None:
    socket.create_connection(("127.0.0.1", 8000))


def fork(_: Channel) -> None:
    os.fork()


def kill_everybody(_: Channel) -> None:
    os.kill(-1, signal.SIGKILL)


def say_nothing(_: Channel) -> None:
    return


def say_nonsense(channel: Channel) -> None:
    channel.send(b"\xff\xfe{")


def say_without_end(channel: Channel) -> None:
    os.write(_descriptor(channel), struct.pack("!I", MAX_FACTS + 1))
    while True:
        os.write(_descriptor(channel), bytes(2**20))


def announce_much_and_say_little(channel: Channel) -> None:
    os.write(_descriptor(channel), struct.pack("!I", MAX_FACTS) + b"{")


def compile_without_end(channel: Channel) -> None:
    say(channel, FACTS, {"engine": ONNX, "compiled": ["onnx"]})
    os.write(_descriptor(channel), struct.pack("!I", FORM_LIMITS["onnx"] + 1))


def boast_of_an_engine(channel: Channel) -> None:
    say(channel, FACTS)
    channel.send(b" " * (MAX_ENGINE + 1))


def claim_another_engine(channel: Channel) -> None:
    say(channel, FACTS, {"engine": ONNX, "compiled": []})


def forge_a_log_line(channel: Channel) -> None:
    detail = "no\n2026-01-01 admin logged in \x1b[2J"
    say(channel, {"type": "refused", "error": "ArtifactRefused", "detail": detail})


def _changed(**changes: Any) -> Callable[[Channel], None]:
    def say_changed(channel: Channel) -> None:
        say(channel, {**FACTS, **changes}, OURS)

    return say_changed


def _descriptor(channel: Channel) -> int:
    return channel._descriptor


OUTPUT = {"name": "y", "type": "number"}
HOSTILITIES: dict[str, Callable[[Channel], None]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        *(hang, hang_while_compiling, spin, crash, crash_while_compiling, allocate),
        *(write_ten_gigabytes, read_passwords, connect, fork, kill_everybody, say_nothing),
        *(say_nonsense, say_without_end, announce_much_and_say_little, compile_without_end),
        *(boast_of_an_engine, claim_another_engine, forge_a_log_line),
    )
} | {
    "kind-unknown": _changed(kind="quantum"),
    "task-of-another": _changed(task="classification"),
    "more-than-asked": _changed(owner="root"),
    "params-nested": _changed(params={"a": {"b": 1}}),
    "params-many": _changed(params={str(number): 0 for number in range(1001)}),
    "params-long": _changed(params={"a": "x" * 10_001}),
    "environment-long": _changed(environment={"scikit-learn": "x" * 201}),
    "signature-none": _changed(signature={}),
    "signature-a-list": _changed(signature=[]),
    "signature-column-twice": _changed(
        signature={"inputs": [{"name": "x", "type": "number"}] * 2, "output": OUTPUT}
    ),
    "signature-columns-many": _changed(
        signature={
            "inputs": [{"name": f"x{n}", "type": "number"} for n in range(10_001)],
            "output": OUTPUT,
        }
    ),
}
