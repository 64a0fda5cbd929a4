"""Hosts that may still answer by what held before a change, in the answer to it.

There are some only where HOTSWAP_WITHOUT_LEASE is ``serve``: a host that cannot reach the database
then goes on with what it has.
"""

import json
from typing import Any

from flask import Flask, Response, g, has_request_context

_KEY = "unconfirmed_hosts"


def note_unconfirmed(hosts: tuple[str, ...]) -> None:
    """Have the answer to the current request name these hosts."""
    if has_request_context():
        g.setdefault(_KEY, set()).update(hosts)


def name_unconfirmed(app: Flask) -> None:
    """Add the noted hosts to the answers of ``app`` that are JSON objects."""

    @app.after_request
    def add_hosts(response: Response) -> Response:
        hosts = g.get(_KEY)
        if hosts and response.is_json:
            said: Any = response.get_json()
            if isinstance(said, dict):
                response.set_data(json.dumps({**said, _KEY: sorted(hosts)}).encode() + b"\n")
        return response
