"""What happens to the service when its processes come and go."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from registry.watching.heartbeat import last_beat
from tests.processes import is_alive, wait_for
from tests.system.models import iris_artifact, upload
from tests.system.real_server import ADMIN_TOKEN, BIN, ROOT, Server, free_port, running, wait_until

ROW = {"input": [5.1, 3.5, 1.4, 0.2]}


@pytest.mark.slow  # two starts; test_workers.py has a killed worker
def test_after_the_main_process_is_killed_workers_end_and_the_next_start_has_all_data(
    tmp_path: Path,
) -> None:
    command, data, port = (
        [BIN / "hotswap", "serve", "--workers", "2"],
        tmp_path / "data",
        free_port(),
    )
    with running(command, data, port) as server:
        upload(server, "iris")
        upload(server, "iris")
        server.call("POST", "/models/iris/2/promote").raise_for_status()
        workers = server.workers()
        assert len(workers) == 2
        server.process.kill()
        server.process.wait()
        wait_until(
            lambda: not any(is_alive(worker) for worker in workers),
            "workers serve on, and keep the port from the next start",
        )

    with running(command, data, port) as server:
        assert server.call("POST", "/models/iris/predict", json=ROW).json()["version"] == 2
        assert server.call("GET", "/models/iris/versions").json()["total"] == 2
        assert server.hotswap("history", "--verify").returncode == 0


NEVER_UP = """
import os
from pathlib import Path
workers = Path(os.environ["HOTSWAP_DATA"], "run", "workers")
workers.mkdir(parents=True, exist_ok=True)
(workers / f"{os.getpid()}.joined").touch()
raise ImportError("it never comes up")
"""
SERVE_WITHOUT_DELAY = """
import cli.server
from config import Settings
if __name__ == "__main__":
    cli.server.RETRY_SECONDS = 0
    cli.server.run_workers(Settings.from_environment(), "never_up:app")
"""


@pytest.mark.slow
def test_a_worker_that_never_starts_ends_the_service_whatever_process_ids_exist(
    tmp_path: Path,
) -> None:
    """Processes of other containers have the same ids, and may share the data directory."""
    (tmp_path / "never_up.py").write_text(NEVER_UP)
    (tmp_path / "serve.py").write_text(SERVE_WITHOUT_DELAY)
    environment = {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        "HOTSWAP_DATA": str(tmp_path / "data"),
        "HOTSWAP_PORT": str(free_port()),
        "HOTSWAP_WORKERS": "1",
    }

    ended = subprocess.run(
        [sys.executable, tmp_path / "serve.py"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stderr.count("ImportError: it never comes up") == 2


@pytest.mark.slow  # test_sigterm… has a stop
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT], ids=lambda end: end.name)
def test_a_signal_to_the_process_group_stops_the_service_cleanly(
    tmp_path: Path, end: signal.Signals
) -> None:
    """As Ctrl-C in a terminal, timeout(1) and systemd send it."""
    command = [BIN / "hotswap", "serve", "--workers", "2"]
    with running(command, tmp_path / "data", free_port()) as server:
        os.killpg(server.process.pid, end)
        if end == signal.SIGTERM:
            wait_until(
                lambda: server.call("GET", "/readyz").status_code == 503, "no drain", seconds=2
            )
        assert server.process.wait(10) == 0

    check_log(server)


def check_log(server: Server) -> None:
    """Check that the log reports nothing but an ordinary stop."""
    log = server.log.read_text()
    for said in ("Unexpected exit", "Traceback", "panicked", "Process granian-worker"):
        assert said not in log, log


@pytest.fixture
def watched_server(tmp_path: Path) -> Iterator[Server]:
    """A server of two workers and a keeper."""
    command = [BIN / "hotswap", "serve", "--workers", "2"]
    with running(command, tmp_path / "data", free_port(), HOTSWAP_WATCH="1") as started:
        yield started


def test_sigterm_makes_the_service_not_ready_and_lets_requests_finish(
    watched_server: Server,
) -> None:
    """Its keeper, which has started with it, ends too."""
    keeper = wait_for(lambda: last_beat(watched_server.data / "run")).pid
    body = b'{"name": "late"}'
    with socket.create_connection(("127.0.0.1", watched_server.port)) as client:
        client.sendall(
            b"POST /models HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nAuthorization: Bearer %s\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n" % (ADMIN_TOKEN.encode(), len(body))
        )
        client.sendall(body[:10])
        time.sleep(0.3)
        watched_server.process.terminate()
        wait_until(
            lambda: watched_server.call("GET", "/readyz").status_code == 503, "it stayed ready"
        )
        assert watched_server.call("GET", "/livez").status_code == 200
        client.sendall(body[10:])
        client.settimeout(30)
        reply = b"".join(iter(lambda: client.recv(65536), b""))

    assert reply.startswith(b"HTTP/1.1 201")
    assert b'"late"' in reply
    assert watched_server.process.wait(30) == 0
    assert not is_alive(keeper)
    check_log(watched_server)


@pytest.mark.slow
def test_the_same_application_runs_under_gunicorn(tmp_path: Path) -> None:
    port = free_port()
    command = [BIN / "gunicorn", "wsgi:app", "-w", "2", "-b", f"127.0.0.1:{port}"]
    with running(command, tmp_path / "data", port) as server:
        assert len(server.workers()) == 2
        upload(server, "iris")
        upload(server, "iris")
        for number in (1, 2, 1):
            server.call("POST", f"/models/iris/{number}/promote").raise_for_status()
            answers = [server.call("POST", "/models/iris/predict", json=ROW) for _ in range(8)]
            assert {answer.json()["version"] for answer in answers} == {number}
        answered, expected = wide_batch(server)
        assert answered == expected


def wide_batch(server: Server) -> tuple[list[list[float]], list[list[float]]]:
    """Probabilities for a batch that a BLAS splits among threads: the answer of ``server``, and
    that of scikit-learn on one thread."""
    draws = np.random.default_rng(0)
    trained = pd.DataFrame(draws.normal(size=(300, 63)), columns=[f"c{at}" for at in range(63)])
    model = LogisticRegression().fit(trained, np.arange(300) % 8)
    assert upload(server, "wide", bytes(skops.io.dumps(model)))["engine"]["name"] == "linear"
    rows = pd.DataFrame(draws.normal(size=(4097, 63)), columns=trained.columns)
    reply = server.call(
        "POST",
        "/models/wide/1/predict?probabilities=true",
        data=rows.to_csv(index=False).encode(),
        headers={"Content-Type": "text/csv"},
    )
    with threadpool_limits(1):
        expected = model.predict_proba(rows).tolist()
    shares = reply.json()["probabilities"]
    return [[row[str(label)] for label in range(8)] for row in shares], expected


@pytest.mark.slow
def test_files_in_the_working_directory_are_not_imported(tmp_path: Path) -> None:
    """By the main process, the workers, or the one that confined processes are forked from."""
    cwd, imported = tmp_path / "cwd", tmp_path / "imported"
    cwd.mkdir()
    ours = ["api", "cli", "config", "registry", "wsgi"]
    for name in [*ours, "msgspec", "multiprocessing", "numpy", "pickle", "struct"]:
        (cwd / f"{name}.py").write_text(f"open({str(imported)!r}, 'a').write(__file__ + ' ')")
    command = [BIN / "hotswap", "serve", "--workers", "1"]

    with running(command, tmp_path / "data", free_port(), cwd=cwd) as server:
        assert server.call("GET", "/models").status_code == 200

    assert not imported.exists(), imported.read_text()


@pytest.mark.slow  # a start
def test_a_port_in_use_is_reported_before_anything_is_started(
    server: Server, tmp_path: Path
) -> None:
    port = str(server.port)
    refused = server.hotswap("serve", "--port", port, "--data", str(tmp_path / "other"))

    assert refused.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in refused.stderr
    assert not (tmp_path / "other").exists()


@pytest.mark.slow  # registry/test_register.py has them in threads
def test_concurrent_uploads_to_one_new_name_get_consecutive_numbers(
    server: Server,
) -> None:
    numbers, artifact = [], iris_artifact()

    def send_three() -> None:
        numbers.extend(upload(server, "contended", artifact)["version"] for _ in range(3))

    clients = [threading.Thread(target=send_three) for _ in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()

    assert sorted(numbers) == list(range(1, 25))


def test_metrics_are_summed_over_the_workers(server: Server) -> None:
    def counted() -> float:
        name = 'hotswap_requests_total{method="GET",route="/docs",status="200"} '
        lines = server.call("GET", "/metrics").text.splitlines()
        return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))

    before = counted()

    for _ in range(30):
        server.call("GET", "/docs").raise_for_status()

    wait_until(lambda: counted() == before + 30, "a worker's requests are missing")


@pytest.fixture(scope="module")
def narrow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes two megabytes."""
    data, command = tmp_path_factory.mktemp("narrow") / "data", [BIN / "hotswap", "serve"]
    with running(
        [*command, "--workers", "1"], data, free_port(), HOTSWAP_MAX_UPLOAD_MB="2"
    ) as started:
        yield started


@pytest.mark.slow  # integration/api/test_unread_bodies.py has what is read
@pytest.mark.parametrize("size_is_said", [True, False])
def test_an_upload_above_the_limit_is_refused_before_it_is_read_completely(
    narrow_server: Server, *, size_is_said: bool
) -> None:
    megabyte, sent = b"\0" * 2**20, 0
    head = (
        b"POST /models/big/versions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n%s\r\n\r\n"
    )
    part = b'--b\r\nContent-Disposition: form-data; name="artifact"; filename="m.skops"\r\n\r\n'
    framing = b"Content-Length: 900000000" if size_is_said else b"Transfer-Encoding: chunked"
    with socket.create_connection(("127.0.0.1", narrow_server.port)) as client:
        client.sendall(head % (ADMIN_TOKEN.encode(), framing))
        client.settimeout(5)
        try:
            for chunk in [part, *[megabyte] * 800]:
                framed = chunk if size_is_said else b"%x\r\n%s\r\n" % (len(chunk), chunk)
                client.sendall(framed)
                sent += len(chunk)
        except (ConnectionError, TimeoutError):
            pass  # the server has answered and reads no more

        client.settimeout(30)
        assert client.recv(65536).startswith(b"HTTP/1.1 413")
        assert sent < 100 * 2**20
        assert list((narrow_server.data / "blobs" / "incoming").glob("*")) == []
        assert narrow_server.call("GET", "/models/big").status_code == 404
