"""Hotswap under gunicorn: ``gunicorn --config gunicorn.conf.py wsgi:app``."""

from config import Settings

settings = Settings.from_environment()

bind = f"{settings.host}:{settings.port}"
workers = settings.worker_count
worker_class = "gthread"
threads = 8
worker_tmp_dir = "/dev/shm"  # noqa: S108 - on a disk, its heartbeat could wait for other writes

# Inspecting an upload takes up to a minute, evaluating gates on a holdout seconds.
timeout = 120
graceful_timeout = 30
# Longer than nginx keeps an idle connection, so that nginx closes it and not gunicorn.
keepalive = 10
