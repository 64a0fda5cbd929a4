"""Slow bodies, and bodies that are not read."""

import io
import threading
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from api import bodies
from api.receiving import ARRIVAL, PLACE, Arrival, Bodies, Places, without_place
from registry.errors import BodyMalformed, Overloaded, StorageFull
from tests.integration.api.conftest import WatchedStream, check_problem


@dataclass
class StoppedBody:
    """A body of which no more than ``size`` bytes arrive."""

    size: int
    state: Arrival
    waits: bool = False

    def begin_wait(self):
        self.waits = True

    def arrival(self, size):
        assert self.waits
        assert size == self.size
        return self.state


ENDPOINTS = ["/models/nobody/predict", "/models/nobody/1/promote", "/nothing"]


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_short_unread_body_is_drained(admin, path):
    stream = WatchedStream(b"{}".ljust(bodies.DRAINED_AT_MOST))
    answer = admin.stream(path, stream, "application/json", bodies.DRAINED_AT_MOST)
    assert answer.status_code == 404
    assert stream.taken == bodies.DRAINED_AT_MOST
    assert "Connection" not in answer.headers


@pytest.mark.parametrize("path", ["/models/nobody/predict", "/nothing"])
@pytest.mark.parametrize("length", [bodies.DRAINED_AT_MOST + 1, None])
def test_a_long_unread_body_closes_the_connection(admin, path, length):
    stream = WatchedStream(b"", 2**20)
    answer = admin.stream(path, stream, "application/json", length)
    check_problem(answer, 404, "not-found" if path == "/nothing" else "model-not-found")
    assert stream.taken == 0
    assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize(
    ("more", "drained"), [(0, True), (bodies.DRAINED_AT_MOST, True), (10**6, False)]
)
def test_the_unread_rest_of_a_body_is_drained_if_it_is_short(more, drained):
    content = b"x" * (200_000 + more)
    stream = io.BytesIO(content)
    environ = {"CONTENT_LENGTH": str(len(content)), "wsgi.input": stream}

    def failing(_piece):
        if stream.tell() >= 200_000 - bodies.DRAINED_AT_MOST:
            raise StorageFull

    with pytest.raises(StorageFull):
        bodies.receive_body(environ, failing, 10**9, "HOTSWAP_MAX_UPLOAD_MB")

    assert bodies.drain(environ) is drained
    assert (stream.tell() == len(content)) is drained


def test_an_incomplete_body_is_not_read_further():
    environ = {"CONTENT_LENGTH": "100", "wsgi.input": io.BytesIO(b"x" * 60)}

    with pytest.raises(BodyMalformed):
        bodies.receive_body(environ, lambda _: None, 10**9, "HOTSWAP_MAX_UPLOAD_MB")

    assert not bodies.drain(environ)


def test_bodies_are_not_drained_when_the_limit_of_drainers_is_reached(admin, monkeypatch):
    monkeypatch.setattr(bodies, "_drainers", threading.Semaphore(0))
    stream = WatchedStream(b"{}")
    answer = admin.stream("/nothing", stream, "application/json", 2)
    assert (stream.taken, answer.headers["Connection"]) == (0, "close")


@pytest.mark.parametrize("path", ["/models/nobody/1/promote", "/models/nobody/versions"])
def test_bodies_above_the_limit_get_503_with_retry_after(admin, path, monkeypatch):
    monkeypatch.setattr(bodies, "bodies", Bodies(most=0))
    form = path.endswith("versions")
    content_type = "multipart/form-data; boundary=b" if form else "application/json"
    stream = WatchedStream(b"{}")
    # What comes with the head, as a short JSON body may, takes no room.
    answer = admin.stream(path, stream, content_type, 2 if form else None)
    check_problem(answer, 503, "overloaded")
    assert int(answer.headers["Retry-After"]) > 0
    assert (stream.taken, answer.headers["Connection"]) == (0, "close")
    assert admin.get("/livez").status_code == 200


def test_the_limit_of_bodies_applies_to_each_caller():
    arriving = Bodies(most=2, most_bytes=100)
    with ExitStack() as both:
        first = both.enter_context(arriving.arriving("ann"))
        both.enter_context(arriving.arriving("ann"))
        with pytest.raises(Overloaded), arriving.arriving("ann"):
            pass
        first.hold(100)
        with pytest.raises(Overloaded):
            first.hold(1)
        with arriving.arriving("ben") as other:
            other.hold(100)
    with arriving.arriving("ann") as body:
        body.hold(100)


def test_a_request_that_waits_for_its_body_releases_its_place():
    places = Places(1)
    places.enter()
    environ = {PLACE: places}
    other = threading.Thread(target=lambda: (places.enter(), places.leave(None)))
    with without_place(environ):
        other.start()
        other.join(10)
        assert not other.is_alive()
    places.leave(None)


REFUSALS = {
    Arrival.BROKEN: (400, "body-malformed"),
    Arrival.SLOW: (408, "body-too-slow"),
    Arrival.STOPPED: (503, "body-unfinished"),
}


@pytest.mark.parametrize("state", REFUSALS)
@pytest.mark.parametrize("length", [None, 9])
@pytest.mark.parametrize("path", ["/models/nobody/1/promote", "/models/nobody/versions"])
def test_an_incomplete_body_is_refused(admin, path, length, state):
    form = path.endswith("versions")
    environ = {
        "wsgi.input": io.BytesIO(b"{}"),
        "wsgi.input_terminated": True,
        "CONTENT_TYPE": "multipart/form-data; boundary=b" if form else "application/json",
        "CONTENT_LENGTH": "" if length is None else str(length),
        "HTTP_TRANSFER_ENCODING": "chunked",
        ARRIVAL: StoppedBody(2, state),
    }
    answer = admin.post(path, environ_overrides=environ)
    check_problem(answer, *REFUSALS[state])
    assert answer.headers["Connection"] == "close"


def test_chunked_bodies_are_refused_without_the_preloaded_library(admin):
    environ = {"SERVER_SOFTWARE": "Granian", "HTTP_TRANSFER_ENCODING": "chunked"}
    answer = admin.post("/models/nobody/1/promote", environ_overrides=environ)
    check_problem(answer, 411, "length-required")
    assert answer.headers["Connection"] == "close"
