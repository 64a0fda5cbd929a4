"""The application, with a loader that crashes or hangs for some versions.

Version 2 of the model ``crashing`` kills the process that loads it, as a fault in a library would;
version 2 of ``hanging`` takes longer than anybody waits. ``GET /modules`` tells which modules this
worker holds.
"""

import json
import os
import signal
import sys
import time

import api.services
from api.app import create_app
from config import Settings

PATIENCE = 12.0
"""Seconds; less than an operator's workers wait, so that the tests need not wait so long."""


def faulty(make_loader):
    """``make_loader`` with versions that do harm."""

    def loader(*collaborators):
        load = make_loader(*collaborators)

        def load_or_fail(version):
            if version.key == ("crashing", 2):
                os.kill(os.getpid(), signal.SIGSEGV)
            if version.key == ("hanging", 2):
                time.sleep(PATIENCE + 4.0)
                raise TimeoutError
            return load(version)

        return load_or_fail

    return loader


api.services.loader = faulty(api.services.loader)
_app = create_app(Settings.from_environment())
_app.extensions["hotswap"].fleet.patience = PATIENCE
_app.extensions["hotswap"].fleet.head_start = 10.0


def app(environ, start_response):
    if environ["PATH_INFO"] != "/modules":
        return _app(environ, start_response)
    body = json.dumps(sorted(sys.modules)).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]
