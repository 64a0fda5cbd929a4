"""Bodies that are slow, and bodies that nobody looks at."""

import threading

import pytest

from api import bodies
from cli.server import BLOCKING_THREADS
from registry.errors import Overloaded
from tests.integration.api.conftest import WatchedStream, check_problem

ENDPOINTS = ["/models/nobody/predict", "/models/nobody/1/promote", "/nothing"]


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_short_body_is_read_though_the_answer_is_known(admin, path):
    stream = WatchedStream(b"{}".ljust(bodies.DRAINED_AT_MOST))
    answer = admin.stream(path, stream, "application/json", bodies.DRAINED_AT_MOST)
    assert answer.status_code == 404
    assert stream.taken == bodies.DRAINED_AT_MOST
    assert "Connection" not in answer.headers


@pytest.mark.parametrize("path", ["/models/nobody/predict", "/nothing"])
@pytest.mark.parametrize("length", [bodies.DRAINED_AT_MOST + 1, None])
def test_a_long_body_is_left_and_the_connection_closed(admin, path, length):
    stream = WatchedStream(b"", 2**20)
    answer = admin.stream(path, stream, "application/json", length)
    check_problem(answer, 404, "not-found" if path == "/nothing" else "model-not-found")
    assert stream.taken == 0
    assert answer.headers["Connection"] == "close"


def test_nobody_waits_for_a_body_to_drain_while_enough_do(admin, monkeypatch):
    monkeypatch.setattr(bodies, "_drainers", threading.Semaphore(0))
    stream = WatchedStream(b"{}")
    answer = admin.stream("/nothing", stream, "application/json", 2)
    assert (stream.taken, answer.headers["Connection"]) == (0, "close")


def test_slow_bodies_leave_threads_for_other_requests():
    assert bodies.MAX_READERS + bodies.MAX_DRAINERS < BLOCKING_THREADS


@pytest.mark.parametrize("path", ["/models/nobody/1/promote", "/models/nobody/versions"])
def test_one_body_too_many_is_told_to_come_back(admin, path, monkeypatch):
    full = bodies.Readers(0)
    monkeypatch.setattr(bodies, "_PATIENCE", 0.01)
    monkeypatch.setattr(bodies, "readers", full)
    monkeypatch.setattr("api.uploads.readers", full)
    form = path.endswith("versions")
    content_type = "multipart/form-data; boundary=b" if form else "application/json"
    answer = admin.post(path, data=b"{}", content_type=content_type)
    check_problem(answer, 503, "overloaded")
    assert int(answer.headers["Retry-After"]) > 0
    assert admin.get("/livez").status_code == 200


def test_readers_wait_for_one_another_but_not_for_slow_ones(monkeypatch):
    readers = bodies.Readers(1)
    with readers:
        monkeypatch.setattr(bodies, "_PATIENCE", 0.05)
        with pytest.raises(Overloaded), readers:
            pass
        monkeypatch.setattr(bodies, "_PATIENCE", 60)
        with pytest.raises(Overloaded), readers:  # at once
            pass
    with readers:
        entered = threading.Event()
        other = threading.Thread(target=_read, args=(readers, entered))
        other.start()
        assert not entered.wait(0.05)
    assert entered.wait(5)
    other.join()


def _read(readers: bodies.Readers, entered: threading.Event) -> None:
    with readers:
        entered.set()
