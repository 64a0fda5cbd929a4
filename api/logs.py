"""Logs as JSON lines, or as coloured text on a terminal. They go to standard error.

They must contain no token, uploaded byte or record of a prediction, at any level. Therefore
libraries log warnings and errors only, and an exception is logged with its class and traceback
lines, without its message and local variables, which may contain what a caller sent.
"""

import logging
import logging.config
import sys
import traceback

import structlog

_EXTRA = structlog.stdlib.ExtraAdder(
    allow={"method", "route", "status", "milliseconds", "request_id", "actor", "client"}
)


_OURS = ("api", "cli", "hotswap", "registry", "trainers")


def configure_logs(level: str) -> None:
    """Format all logs of this process with structlog; ``level`` applies to this service's own."""
    before: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _EXTRA,
    ]
    after: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.ExceptionRenderer(_where_raised),
    ]
    if sys.stderr.isatty():
        after.append(structlog.dev.ConsoleRenderer())
    else:
        after.append(structlog.processors.JSONRenderer())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=after)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    wanted = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(max(wanted, logging.WARNING))
    for name in _OURS:
        logging.getLogger(name).setLevel(wanted)


def _where_raised(exc_info: structlog.typing.ExcInfo) -> str:
    """The traceback of an exception and of those that led to it, without their messages."""
    entries = []
    error: BaseException | None = exc_info[1]
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        kind = type(error)
        entries.append("\n".join([*lines, f"{kind.__module__}.{kind.__qualname__}"]))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nwhile handling:\n".join(entries)
