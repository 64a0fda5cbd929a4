"""Logs as JSON lines, or as coloured text on a terminal. They go to standard error."""

import logging
import logging.config
import sys

import structlog

_EXTRA = structlog.stdlib.ExtraAdder(
    allow={"method", "route", "status", "milliseconds", "request_id", "actor", "client"}
)


def configure_logs(level: str) -> None:
    """Send the logs of this process, our own and the libraries', through structlog."""
    before: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _EXTRA,
    ]
    after: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta
    ]
    if sys.stderr.isatty():
        after.append(structlog.dev.ConsoleRenderer())
    else:
        after += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=after)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Alembic tells of every step at info; our own line says that the schema was upgraded.
    logging.getLogger("alembic").setLevel(logging.WARNING)
