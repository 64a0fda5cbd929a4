"""``python -m tests.system.serve_module MODULE:ATTRIBUTE`` serves it as ``hotswap serve`` does."""

import os
import sys

from cli.server import run_workers
from config import Settings

if __name__ == "__main__":
    settings = Settings.from_environment()
    os.environ.update(settings.to_environment())
    run_workers(settings, sys.argv[1])
