"""Names that would lead out of the data directory, in every encoding, to every route with a name.

The real server runs under strace where that is there: what it opens, makes, moves or removes while
it is asked has to lie in the data directory, or be a file of the page at ``/docs``. ``make test``
sends each name to a share of the routes, ``make test-attacks`` to all of them.
"""

import itertools
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from tests.system.models import upload
from tests.system.raw_requests import Wire
from tests.system.real_server import BIN, ROOT, Server, free_port, running

DOTS = ["..", "%2e%2e", ".%2e", "%252e%252e", "%25252e%25252e", "%c0%ae%c0%ae"]
DOTS += ["%e0%80%ae%e0%80%ae", "%ef%bc%8e%ef%bc%8e", "%e2%80%a5", "..%00", "..;", "....", "..%20"]
DOTS += ["%u002e%u002e"]
SLASHES = ["/", "%2f", "%252f", "%25252F", "\\", "%5c", "%255c", "%c0%af", "%e0%80%af"]
SLASHES += ["%f0%80%80%af", "%c1%9c", "%ef%bc%8f", "%e2%88%95", "%u2215", "//", "/./", "%2f/"]
ENDS = ["", "%00", "", "%00.skops"]
SHARES = 6
"""Names that together go to every route once."""
SECRET = "what nobody may read"

TRACED = "open,openat,openat2,creat,truncate,execve,chdir,chroot,rename,renameat,renameat2,unlink"
TRACED += ",unlinkat,link,linkat,symlink,symlinkat,mkdir,mkdirat,rmdir,chmod,fchmodat,mount"
_PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
_START = re.compile(r"/proc/[0-9]+/stat")
"""When a process began, by which a server's folder of figures is recognized."""


def escapes(secret: Path, data: Path) -> list[str]:
    """Ways to write a path to ``secret``, each quoted for a URL, no two the same."""
    up = len(data.parts)
    found = []
    shapes = itertools.product(DOTS, SLASHES, range(2))
    for number, ((dots, slash, _), end) in enumerate(zip(shapes, itertools.cycle(ENDS))):
        target = Path("/etc/passwd") if number % 3 else secret
        # From the data directory, and from the folders in it.
        steps = [dots] * (up + number % 4)
        found.append(slash.join([*steps, *target.parts[1:]]) + end)
    absolute = [slash + slash.join(secret.parts[1:]) for slash in SLASHES]
    odd = [f"file://{secret}", f"~{secret}", f"C:{secret}", f"{secret}%0d%0a", f"a/..{secret}", "."]
    near = ["..", "../admin.token", "../registry.db", "%2e%2e%2fadmin.token", "..%2fregistry.db"]
    return list(dict.fromkeys([*found, *absolute, *odd, *near]))


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path | None]]:
    """A server with a model, and the record of what it opens; None where there is no strace."""
    folder = tmp_path_factory.mktemp("escapes")
    record = folder / "strace.log" if shutil.which("strace") else None
    command = [BIN / "hotswap", "serve", "--workers", "1"]
    if record is not None:
        # With -D the server is our child, and stopped as without strace.
        tracer = ["strace", "-D", "-f", "-y", "-s", "4096", "--seccomp-bpf", "-o", record]
        command = [*tracer, "-e", f"trace={TRACED}", *command]
    with running(command, folder / "data", free_port(), HOTSWAP_LOG_LEVEL="error") as server:
        upload(server, "there")
        server.call("POST", "/models/there/1/promote").raise_for_status()
        yield server, record


@pytest.mark.slow  # unit/registry/test_names.py has which names are taken at all
def test_no_name_accesses_files_outside_the_data_directory(
    traced: tuple[Server, Path | None],
    capsys: pytest.CaptureFixture[str],
    pytestconfig: pytest.Config,
) -> None:
    shares = 1 if pytestconfig.getoption("--every-route", default=False) else SHARES
    server, record = traced
    secret = server.data.parent / "outside" / "secret.txt"
    secret.parent.mkdir()
    secret.write_text(SECRET)
    names, known, wire = escapes(secret, server.data), routes(server), Wire(server.url)
    assert len(names) >= 500
    for sent in requests_with("unremarkable", server, known):
        wire.ask(sent)  # so that whatever is imported or read once has been
    began = 0 if record is None else record.stat().st_size
    asked, served = 0, []

    for number, name in enumerate(names):
        for sent in itertools.islice(
            requests_with(name, server, known), number % shares, None, shares
        ):
            status, body = wire.ask(sent)
            assert status < 500, sent
            if SECRET.encode() in body or b"root:" in body:
                served.append(sent)
            asked += 1
    wire.close()

    outside = [] if record is None else list(reached_outside(record, began, server.data))
    with capsys.disabled():
        reached = "no strace here" if record is None else f"{len(outside)} reached outside"
        sys.stdout.write(f"\nescapes: {len(names)} names, {asked} requests, {reached}\n")
    assert served == []
    assert outside == []
    if record is not None:
        # Its start is in the record as well, and that does reach outside.
        assert any("/etc/ld.so.cache" in line for line in reached_outside(record, 0, server.data))


def reached_outside(record: Path, began: int, data: Path) -> Iterator[str]:
    """The calls that name a path outside, whether or not they succeeded."""
    allowed = [data, ROOT, Path(sys.prefix), Path(sys.base_prefix), Path("/proc/self")]
    allowed += Path("/dev/shm").glob("hotswap-metrics-*")  # noqa: S108 - where figures are kept
    with record.open("rb") as stream:
        stream.seek(began)
        lines = stream.read().decode(errors="replace").splitlines()
    for line in lines:
        for folder, path in _PATH.findall(line):
            reached = Path(os.path.normpath(Path(folder or "/") / path))
            if _START.fullmatch(str(reached)):
                continue
            if not any(reached.is_relative_to(one) for one in allowed):
                yield line


def requests_with(name: str, server: Server, known: list[tuple[str, str]]) -> Iterator[bytes]:
    """One request for each place of the service that takes a name, with this one in it."""
    for method, rule in known:
        for slot in re.findall(r"{(\w+)}", rule):
            path = rule.replace(f"{{{slot}}}", name)
            yield request(server, method, fill(path))
    plain = unquote(name, errors="replace")
    for said in dict.fromkeys([name, plain]):
        yield from requests_with_bodies(said, server)


def requests_with_bodies(name: str, server: Server) -> Iterator[bytes]:
    for method, path, body in (
        ("POST", "/models", {"name": name}),
        ("POST", "/models/there/1/promote", {"alias": name}),
        ("POST", "/models/there/rollback", {"alias": name}),
        ("PUT", "/models/there/aliases/spare", {"version": name}),
        ("POST", "/tokens", {"name": "x", "scopes": ["predict"], "models": [name]}),
        ("POST", "/tokens", {"name": name, "scopes": []}),
        ("POST", "/models/there/predict", {"input": [name, 1, 1, 1]}),
    ):
        yield request(server, method, path, json.dumps(body).encode())
    header = quote(name, safe="/\\%;:~. ")
    yield request(server, "GET", "/models", headers=f"X-Request-Id: {header}\r\n")
    # The version is not there, so nothing is written for the key.
    yield request(
        server, "POST", "/models/there/99/promote", b"{}", f"Idempotency-Key: {header}\r\n"
    )
    part = b'Content-Disposition: form-data; name="artifact"; filename="'
    part += name.encode().replace(b'"', b"%22").replace(b"\r", b"").replace(b"\n", b"")
    form = b"--b\r\n" + part + b'"\r\n\r\nnothing\r\n--b--\r\n'
    kind = "Content-Type: multipart/form-data; boundary=b\r\n"
    # For a model of no such name: it is read and let go, not inspected.
    yield request(server, "POST", "/models/-/versions", form, kind)
    if not name.endswith(".skops"):
        yield request(server, "POST", "/models/there/versions", form, kind)


def routes(server: Server) -> list[tuple[str, str]]:
    """Every route of the document, which another test holds to be every route there is."""
    document = server.call("GET", "/openapi.json").json()
    found = [
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if method != "parameters"
    ]
    return [*found, ("GET", "/docs/static/{filename}")]


def fill(path: str) -> str:
    for slot, value in (("name", "there"), ("version", "1"), ("alias", "spare"), ("token_id", "9")):
        path = path.replace(f"{{{slot}}}", value)
    return path


def request(server: Server, method: str, path: str, body: bytes = b"", headers: str = "") -> bytes:
    if body and "Content-Type" not in headers:
        headers += "Content-Type: application/json\r\n"
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Authorization: Bearer {server.token}\r\n{headers}\r\n".encode() + body
