"""Hosts that go on without a lease, where HOTSWAP_WITHOUT_LEASE is ``serve``.

Such a host says in a header for how long it has not known whether what it answers by is live. And
the answer to a change names the hosts that may still answer by what held before, in a header and,
where it is a JSON object, in a field.
"""

import json
import math
from typing import Any

from flask import Flask, Response, g, has_request_context

from api.stores import warn_of_unconfirmed
from registry.live.lease import Lease

HEADER = "X-Hotswap-Unconfirmed"
"""Seconds since the lease of the host has ended."""
HOSTS_HEADER = "X-Hotswap-Unconfirmed-Hosts"
"""Their names."""
_KEY = "unconfirmed_hosts"


def seconds_of(lease: Lease) -> str:
    """The value of the header, in whole seconds."""
    return str(math.floor(lease.seconds_over()))


def note_unconfirmed(hosts: tuple[str, ...]) -> None:
    """Have the answer to the current request name these hosts."""
    warn_of_unconfirmed(hosts)
    if has_request_context():
        g.setdefault(_KEY, set()).update(hosts)


def name_unconfirmed(app: Flask, lease: Lease) -> None:
    """Add what this module's docstring says to the answers of ``app``, whose host has ``lease``."""

    @app.after_request
    def add(response: Response) -> Response:
        if lease.is_over():
            response.headers[HEADER] = seconds_of(lease)
        if hosts := sorted(g.get(_KEY, ())):
            response.headers[HOSTS_HEADER] = ", ".join(hosts)
            if response.is_json:
                said: Any = response.get_json()
                if isinstance(said, dict):
                    response.set_data(json.dumps({**said, _KEY: hosts}).encode() + b"\n")
        return response
