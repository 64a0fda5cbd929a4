"""Logs as JSON lines, or as coloured text on a terminal. They go to standard error.

No token, uploaded byte or record of a prediction may get into them, at any level. So libraries are
never heard below a warning, and of an exception the log keeps its class and where it was raised:
its message and local variables may hold what a caller sent.
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
    """Send the logs of this process, our own and the libraries', through structlog."""
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
    told = []
    error: BaseException | None = exc_info[1]
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        kind = type(error)
        told.append("\n".join([*lines, f"{kind.__module__}.{kind.__qualname__}"]))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nwhile handling:\n".join(told)
