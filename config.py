"""Every setting of the service: its name, its default and a line of help.

The only reader of the process environment.
"""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

MEGABYTE = 2**20
LOG_LEVELS = ("debug", "info", "warning", "error")


class SettingInvalid(ValueError):
    """A setting that cannot be read; the message names the variable and what was expected."""


def _setting(default: Any, variables: str, help: str) -> Any:
    return field(default=default, metadata={"variables": variables.split(), "help": help})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings, read once at start and passed to what needs them."""

    data: Path = _setting(
        Path("artifacts"),
        "HOTSWAP_DATA",
        "Directory for the database and the artifacts; logs go to standard error.",
    )
    database_url: str = _setting(
        "",
        "HOTSWAP_DATABASE_URL",
        "SQLAlchemy URL (sqlite, or postgresql+psycopg with the extra postgresql); empty: SQLite in"
        " the data directory.",
    )
    host: str = _setting("127.0.0.1", "HOTSWAP_HOST", "Address to listen on.")
    port: int = _setting(8000, "HOTSWAP_PORT PORT", "Port to listen on.")
    workers: int = _setting(
        0, "HOTSWAP_WORKERS WEB_CONCURRENCY", "Worker processes; 0: the number of cores."
    )
    admin_token: str = _setting(
        "", "HOTSWAP_ADMIN_TOKEN", "Value of the admin token; empty: generated at the first start."
    )
    anonymous_predict: bool = _setting(
        False, "HOTSWAP_ANONYMOUS_PREDICT", "1: predictions need no token."
    )
    allowed_hosts: str = _setting(
        "",
        "HOTSWAP_ALLOWED_HOSTS",
        "Comma-separated host names to accept; empty: the loopback names on a loopback address,"
        " else any.",
    )
    rate_limit: int = _setting(
        0, "HOTSWAP_RATE_LIMIT", "Requests a second for each token, all workers; 0: no limit."
    )
    auth_failures: int = _setting(
        30,
        "HOTSWAP_AUTH_FAILURES",
        "Failed authentications a minute from one address, then 429; 0: no limit.",
    )
    max_upload_mb: int = _setting(
        512, "HOTSWAP_MAX_UPLOAD_MB", "Largest artifact accepted, in MiB."
    )
    max_predict_mb: int = _setting(
        16, "HOTSWAP_MAX_PREDICT_MB", "Largest request body of a prediction, in MiB."
    )
    decoding_mb: int = _setting(
        512,
        "HOTSWAP_DECODING_MB",
        "Memory for decoding request bodies at the same time, in MiB for each worker; beyond it"
        " 503. A single body is always decoded.",
    )
    model_cache_mb: int = _setting(
        1024,
        "HOTSWAP_MODEL_CACHE_MB",
        "Memory for loaded versions that no alias points at, by the size of their artifacts, in MiB"
        " for each worker.",
    )
    model_process_mb: int = _setting(
        1024,
        "HOTSWAP_MODEL_PROCESS_MB",
        "Memory that the process of one version may hold, in MiB. An ONNX file that needs more is"
        " refused at upload.",
    )
    model_processes_mb: int = _setting(
        2048,
        "HOTSWAP_MODEL_PROCESSES_MB",
        "Memory that the processes of all versions may hold together, in MiB for each worker;"
        " above it idle ones are stopped until they are needed.",
    )
    log_level: str = _setting("info", "HOTSWAP_LOG_LEVEL", "debug, info, warning or error.")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings from ``environ`` (default: the process's environment).

        Raises SettingInvalid.
        """
        source = os.environ if environ is None else environ
        return cls(**_values(cls, source))

    def to_environment(self) -> dict[str, str]:
        """The variables that pass these settings to a child process."""
        return {
            setting.metadata["variables"][0]: _write(getattr(self, setting.name))
            for setting in fields(self)
        }

    @property
    def worker_count(self) -> int:
        return self.workers or len(os.sched_getaffinity(0))

    @property
    def is_local(self) -> bool:
        """Whether the address to listen on can be reached from this machine only."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    @property
    def effective_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data.resolve() / 'registry.db'}"

    @property
    def max_upload_bytes(self) -> int:
        return self.max_upload_mb * MEGABYTE

    @property
    def decoding_bytes(self) -> int:
        return self.decoding_mb * MEGABYTE

    @property
    def model_process_bytes(self) -> int:
        return self.model_process_mb * MEGABYTE

    @property
    def model_processes_bytes(self) -> int:
        return self.model_processes_mb * MEGABYTE

    @property
    def max_predict_bytes(self) -> int:
        return self.max_predict_mb * MEGABYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """The settings of the commands: the service's address and the token they send."""

    url: str = _setting(
        "http://127.0.0.1:8000", "HOTSWAP_URL", "Address of the service for the commands."
    )
    token: str = _setting("", "HOTSWAP_TOKEN", "Token that the commands send.")
    step_summary: str = _setting(
        "", "GITHUB_STEP_SUMMARY", "File that 'hotswap retrain' adds its summary to."
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "ClientSettings":
        """Read the client's settings from ``environ`` (default: the process's environment)."""
        source = os.environ if environ is None else environ
        return cls(**_values(cls, source))


def _values(settings: type, source: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for setting in fields(settings):
        for variable in setting.metadata["variables"]:
            if text := source.get(variable, "").strip():
                values[setting.name] = _read(variable, text, setting.default)
                break
    return values


def _read(variable: str, text: str, default: Any) -> Any:
    if isinstance(default, bool):
        if text.lower() not in {"0", "1", "true", "false"}:
            raise SettingInvalid(f"{variable} must be 1 or 0, not {text!r}.")
        return text.lower() in {"1", "true"}
    if isinstance(default, int):
        if not text.isascii() or not text.isdigit():
            raise SettingInvalid(f"{variable} must be a whole number, not {text!r}.")
        return int(text)
    if isinstance(default, Path):
        return Path(text)
    if variable == "HOTSWAP_LOG_LEVEL":
        if text.lower() not in LOG_LEVELS:
            raise SettingInvalid(f"{variable} must be one of {', '.join(LOG_LEVELS)}.")
        return text.lower()
    return text


def _write(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
