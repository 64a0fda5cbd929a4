"""A load balancer that sends each request to the next host, also on one connection."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from urllib.parse import urlsplit


class Balancer(ThreadingHTTPServer):
    """``passed`` has the method and the host's address of each request."""

    daemon_threads = True

    def __init__(self, urls: Sequence[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._hosts = cycle([urlsplit(url).netloc for url in urls])
        self._lock = threading.Lock()
        self.passed: list[tuple[str, str]] = []

    def next_host(self, method: str) -> str:
        with self._lock:
            host = next(self._hosts)
            self.passed.append((method, host))
            return host


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Balancer

    def handle_request(self) -> None:
        body = self._chunks() if "Transfer-Encoding" in self.headers else self._body()
        headers = {key: value for key, value in self.headers.items() if key not in _OF_A_LINE}
        connection = HTTPConnection(self.server.next_host(self.command), timeout=120)
        try:
            # With the client's own header Host, of which the service makes addresses.
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        self.send_response_only(answer.status, answer.reason)
        for key, value in answer.getheaders():
            if key.title() not in _OF_A_LINE:
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_request  # noqa: N815 - their names there

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _chunks(self) -> bytes:
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def log_message(self, *_: object) -> None:
        """Nothing: pytest shows what a failed test needs."""


_OF_A_LINE = {"Connection", "Content-Length", "Keep-Alive", "Transfer-Encoding"}
"""Headers of one connection."""


@contextmanager
def balancing(urls: Sequence[str]) -> Iterator[Balancer]:
    """A load balancer in front of ``urls`` until the block ends."""
    with Balancer(urls) as balancer:
        thread = threading.Thread(target=balancer.serve_forever)
        thread.start()
        try:
            yield balancer
        finally:
            balancer.shutdown()
            thread.join()
