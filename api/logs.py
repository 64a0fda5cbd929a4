"""Logs as JSON lines or as text, on standard error or in a file.

They must contain no token, uploaded byte or record of a prediction, at any level. Therefore
libraries log warnings and errors only, and an exception is logged with its class and traceback
lines, without its message and local variables, which may contain what a caller sent.
"""

import logging
import logging.config
import sys
import traceback

import structlog

from api.log_file import LogFile
from config import SettingInvalid, Settings

_EXTRA = structlog.stdlib.ExtraAdder(
    allow={
        *("method", "route", "status", "milliseconds", "request_id"),
        *("actor", "client", "model", "version"),
    }
)

_OURS = ("api", "cli", "hotswap", "keeper", "registry", "trainers")


def configure_logs(settings: Settings) -> None:
    """Format all logs of this process with structlog; the level applies to this service's own.

    Raises SettingInvalid if the log file cannot be opened.
    """
    handler = _handler(settings.log_file)
    handler.setFormatter(_formatter(settings))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    wanted = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root.setLevel(max(wanted, logging.WARNING))
    for name in _OURS:
        logging.getLogger(name).setLevel(wanted)
    # Its lines are requested by a setting of its own, whatever the level of the others.
    logging.getLogger("hotswap.access").setLevel(min(wanted, logging.INFO))


def _handler(file: str) -> logging.Handler:
    if not file:
        return logging.StreamHandler(sys.stderr)
    try:
        return LogFile(file)
    except OSError as error:
        raise SettingInvalid(
            f"HOTSWAP_LOG_FILE cannot be opened: {file}: {error.strerror}."
        ) from error


def _formatter(settings: Settings) -> logging.Formatter:
    terminal = not settings.log_file and sys.stderr.isatty()
    as_text = settings.log_format == "text" or (terminal and not settings.log_format)
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
    if as_text:
        after.append(structlog.dev.ConsoleRenderer(colors=terminal))
    else:
        after.append(structlog.processors.JSONRenderer())
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=after)


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
