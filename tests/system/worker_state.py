"""A WSGI application that answers with the state of the worker that serves it."""

import gc
import json
import threading
from collections.abc import Iterable
from typing import Any


def app(_environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer every request."""
    state = {
        "collects": gc.isenabled(),
        "frozen": gc.get_freeze_count(),
        "threads": [thread.name for thread in threading.enumerate()],
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(state).encode()]
