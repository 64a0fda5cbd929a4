"""Times every page of the console in large registries.

    python -m benchmarks.console [--rounds 60]

One registry has 50 models of 200 versions, the other one model of 100,000; both have three events
for each version (``benchmarks.growth_registry``). A service with one worker on each answers every
page in turn, compressed, to a client on the other core. Prints the median and the 95th percentile
of each page, and exits with 1 if a goal is missed.
"""

import argparse
import http.client
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

from benchmarks.console_pages import API, MODEL, PAGES, SEARCHES
from benchmarks.growth_registry import Size, fill, name_of
from benchmarks.growth_report import place
from benchmarks.launching import on_cores
from benchmarks.service import TOKEN, Service, ServiceRefused, running_service

RESULTS = Path(__file__).with_name("RESULTS.md")
HEADING = "## Console"
WIDE = Size(models=50, versions=200, events=600)
DEEP = Size(models=1, versions=100_000, events=300_000)
GOAL_MS = 100.0
GOAL_OF_MODEL_MS = 150.0
"""Of the model's page, where the model has 100,000 versions."""


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of the requests to a page, and the bytes of its last response, compressed."""

    p50: float
    p95: float
    size: int


def sign_in(service: Service) -> dict[str, str]:
    """The headers of a browser that is signed in. Raises ServiceRefused."""
    connection = service.connect()
    form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    connection.request("POST", "/console/login", urlencode({"token": service.token}), form)
    reply = connection.getresponse()
    reply.read()
    connection.close()
    if reply.status != 303:
        raise ServiceRefused(f"sign-in: {reply.status}")
    cookie = reply.headers["Set-Cookie"].partition(";")[0]
    return {"Cookie": cookie, "Accept-Encoding": "gzip"}


def get(
    connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str]
) -> tuple[http.client.HTTPResponse, int]:
    """The response to a GET request, and its number of bytes.

    Raises ServiceRefused unless its status is 200 or 304.
    """
    connection.request("GET", path, headers=dict(headers))
    reply = connection.getresponse()
    said = reply.read()
    if reply.status not in {200, 304}:
        raise ServiceRefused(f"GET {path}: {reply.status} {said[:500]!r}")
    return reply, len(said)


def measure(size: Size, rounds: int, port: int) -> dict[str, Times]:
    """Fill a registry of this size, and time every page of its first model ``rounds`` times."""
    with tempfile.TemporaryDirectory(prefix="hotswap-console-") as folder:
        data = Path(folder) / "data"
        fill(data, size, TOKEN)
        with running_service(1, port, data, core=0) as service, on_cores({1}):
            return _time_pages(service, size, rounds)


def _time_pages(service: Service, size: Size, rounds: int) -> dict[str, Times]:
    person, program = sign_in(service), {"Authorization": f"Bearer {service.token}"}
    asked = dict.fromkeys((*PAGES, *SEARCHES), person) | dict.fromkeys(API, program)
    seconds: dict[str, list[float]] = {path: [] for path in asked}
    sizes: dict[str, int] = {}
    connection = service.connect()
    for number in range(rounds + 1):
        for path, headers in asked.items():
            address = path.format(model=name_of(0), last=size.versions)
            began = time.perf_counter()
            _, sizes[path] = get(connection, address, headers)
            if number:  # the first round fills caches
                seconds[path].append(time.perf_counter() - began)
    connection.close()
    return {path: _times(seconds[path], sizes[path]) for path in asked}


def _times(seconds: Sequence[float], size: int) -> Times:
    p50, p95 = np.quantile(np.array(seconds) * 1e3, (0.5, 0.95))
    return Times(float(p50), float(p95), size)


def missed(wide: Mapping[str, Times], deep: Mapping[str, Times]) -> list[str]:
    """The pages that miss a goal."""
    slow = [path for path in PAGES if wide[path].p95 > GOAL_MS]
    if deep[MODEL].p95 > GOAL_OF_MODEL_MS:
        slow.append(f"{MODEL} with {DEEP}")
    return slow


def render(wide: Mapping[str, Times], deep: Mapping[str, Times]) -> str:
    """The section as Markdown."""
    lines = [
        HEADING,
        "",
        f"`make bench-console`: the size of each page, gzipped, and the milliseconds until it is "
        f"there, one worker, of a registry with {WIDE.models} models of {WIDE.versions} versions, "
        f"and of one with a model of {DEEP}. Goals: 95% of every page within {GOAL_MS:g} ms in the "
        f"first, of the page of a model within {GOAL_OF_MODEL_MS:g} ms in the second.",
        "",
        f"| | KiB | {WIDE.models} of {WIDE.versions}: median | 95% | {DEEP}: median | 95% |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for title, paths in (("Pages", PAGES), ("Searches", SEARCHES), ("API", API)):
        lines.append(f"| **{title}** | | | | | |")
        for path in paths:
            values = (wide[path].p50, wide[path].p95, deep[path].p50, deep[path].p95)
            cells = " | ".join(f"{value:.1f}" for value in (wide[path].size / 1024, *values))
            lines.append(f"| `{path.replace('{model}', 'm').replace('{last}', 'n')}` | {cells} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the measurement; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--port", type=int, default=8480)
    parser.add_argument("--write", action="store_true", help=f"update the table in {RESULTS.name}")
    arguments = parser.parse_args()
    wide, deep = (measure(size, arguments.rounds, arguments.port) for size in (WIDE, DEEP))
    section = render(wide, deep)
    print(section)
    if arguments.write:
        RESULTS.write_text(place(RESULTS.read_text(), section))
    slow = missed(wide, deep)
    for path in slow:
        print(f"too slow: {path}", file=sys.stderr)
    return int(bool(slow))


if __name__ == "__main__":
    sys.exit(main())
