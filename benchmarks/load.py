"""Load by wrk: connections that send different requests in turn, as fast as possible."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("wrk.lua")
TIMEOUT_SECONDS = 30
ERRORS = {
    "connect": "connections failed",
    "read": "connections broke while reading",
    "write": "connections broke while writing",
    "status": "responses with a status above 399",
    "timeout": f"responses later than {TIMEOUT_SECONDS} s",
}


class LoadFailed(Exception):
    """wrk is missing, or its output cannot be parsed."""


@dataclass(frozen=True, slots=True)
class Load:
    """The result of a run: responses, seconds, and latency (median and 99th percentile).

    ``wrong`` describes the errors, empty if there were none."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    wrong: str = ""

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def find_wrk() -> str:
    """The path of wrk. Raises LoadFailed, which says how to install it."""
    found = shutil.which("wrk")
    if found is None:
        raise LoadFailed("wrk is missing. Install it: apt-get install wrk (Debian, Ubuntu).")
    return found


def drive(
    port: int, requests: Sequence[bytes], *, connections: int, seconds: int, core: int
) -> Load:
    """Send the requests in turn for ``seconds``, from ``core``."""
    with tempfile.NamedTemporaryFile(prefix="hotswap-requests-") as file:
        file.write("".join(f"{n}\n" for n in (len(requests), *map(len, requests))).encode())
        file.writelines(requests)
        file.flush()
        command = [
            *("taskset", "--cpu-list", str(core), find_wrk(), "--threads", "1"),
            *("--connections", str(connections), "--duration", f"{seconds}s"),
            *("--timeout", f"{TIMEOUT_SECONDS}s", "--script", str(SCRIPT)),
            *(f"http://127.0.0.1:{port}", "--", file.name),
        ]
        ended = subprocess.run(  # noqa: S603 - a command of ours
            command, capture_output=True, text=True, check=False
        )
    return read_result(ended.stdout, ended.stderr)


def read_result(output: str, complaints: str = "") -> Load:
    """Parse the output of ``wrk.lua``. Raises LoadFailed if its line is missing."""
    line = next((line for line in output.splitlines() if line.startswith("result: ")), None)
    if line is None:
        raise LoadFailed(f"wrk printed no result: {complaints or output}")
    found = json.loads(line.removeprefix("result: "))
    wrong = [f"{found[kind]} {text}" for kind, text in ERRORS.items() if found[kind]]
    if not found["requests"]:
        wrong.append("no response")
    return Load(
        requests=found["requests"],
        seconds=found["microseconds"] / 1e6,
        p50_ms=found["p50"] / 1e3,
        p99_ms=found["p99"] / 1e3,
        wrong=", ".join(wrong),
    )
