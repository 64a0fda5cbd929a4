"""A store that has no bucket, as S3 answers then. SeaweedFS makes those that are missing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_BODY = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchBucket</Code>'
    b"<Message>The specified bucket does not exist</Message></Error>"
)


class _NoBucket(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(404)
        self.send_header("Content-Length", str(len(_BODY)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(_BODY)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - as http.server calls them

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@contextmanager
def no_bucket() -> Iterator[str]:
    """The endpoint of such a store, until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _NoBucket) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
