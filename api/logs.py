"""Logs as JSON lines or as text, on standard error or in a file.

They must contain no token, uploaded byte or record of a prediction, at any level. Therefore
libraries log warnings and errors only, and an exception is logged with its class and traceback
lines, without its message and local variables, which may contain what a caller sent.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

from api.log_file import LogFile
from config import SettingInvalid, Settings

_FIELDS = (
    *("method", "route", "status", "milliseconds", "request_id"),
    *("client", "actor", "model", "version"),
)
"""The fields that an entry may have beside its event; others are left out."""

_COLOURS = {"debug": 36, "info": 32, "warning": 33, "error": 31, "critical": 31}
"""Codes of ECMA-48 for the level, on a terminal."""

_OURS = ("api", "cli", "hotswap", "keeper", "registry", "trainers")


def configure_logs(settings: Settings) -> None:
    """Format all logs of this process; the level applies to this service's own.

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
    return TextFormatter(colours=terminal) if as_text else JsonFormatter()


class JsonFormatter(logging.Formatter):
    """An entry as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            **_fields_of(record),
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": _time_of(record),
        }
        if (raised := _where_raised(record)) is not None:
            entry["exception"] = raised
        return json.dumps(entry, default=repr)


class TextFormatter(logging.Formatter):
    """An entry as one line of text, and one for each line of a traceback; ``colours``: for a
    terminal."""

    def __init__(self, *, colours: bool) -> None:
        super().__init__()
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        name = record.levelname.lower()
        level = f"{name:<9}"
        if self._colours:
            level = f"\x1b[{_COLOURS.get(name, 0)}m{level}\x1b[0m"
        fields = "".join(f" {name}={_quoted(value)}" for name, value in _fields_of(record).items())
        text = f"{_on_one_line(record.getMessage()):<30} [{record.name}]{fields}"
        line = f"{_time_of(record)} [{level}] {text}"
        raised = _where_raised(record)
        return line if raised is None else f"{line}\n{raised}"


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    given = vars(record)
    return {name: given[name] for name in _FIELDS if name in given}


def _quoted(value: Any) -> str:
    """A field's value; as a JSON string if it could be taken for the end of it, or of the line."""
    text = str(value)
    plain = text.isprintable() and not set(text) & set(" =\"'")
    return text if plain else json.dumps(text)


def _on_one_line(text: str) -> str:
    """``text`` with escapes for line ends and other control characters."""
    return text if text.isprintable() else json.dumps(text, ensure_ascii=False)[1:-1]


def _time_of(record: logging.LogRecord) -> str:
    created = datetime.fromtimestamp(record.created, UTC)
    return created.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _where_raised(record: logging.LogRecord) -> str | None:
    """The traceback of the record's exception and of those that led to it, without their messages;
    None where it has none."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return None
    entries = []
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        kind = type(error)
        entries.append("\n".join([*lines, f"{kind.__module__}.{kind.__qualname__}"]))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nwhile handling:\n".join(entries)
