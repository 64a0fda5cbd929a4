"""Every setting of the service: its name, its default and a line of help.

The only reader of the process environment.
"""

import ipaddress
import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

MEGABYTE = 2**20
LOG_LEVELS = ("debug", "info", "warning", "error")
_SERVED_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_-]{1,128})?")
_FILE_MODE = re.compile(r"0?[0-7]{3}")
_NAME_OF_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_BLOBS_URL = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]*)?")


class SettingInvalid(ValueError):
    """A setting that cannot be read; the message names the variable and what was expected."""


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Proxies = int | tuple[Network | Literal["unix"], ...]
"""A number of proxies, or their networks; ``unix`` stands for peers on unix sockets."""

URL_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*")
"""The path below which a service is reached: empty, or segments that need no escaping."""
_HOST_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_ADDRESS = re.compile(r"[0-9.]+")
_SERVICE_URL = re.compile(
    r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?" + URL_PREFIX.pattern
)


def parse_webhook_allow(text: str) -> tuple[frozenset[str], tuple[Network, ...]]:
    """The host names and the networks in HOTSWAP_WEBHOOK_ALLOW. Raises ValueError."""
    names, networks = set(), []
    for item in (part.strip().lower() for part in text.split(",") if part.strip()):
        if _HOST_NAME.fullmatch(item) and not _ADDRESS.fullmatch(item):
            names.add(item)
            continue
        try:
            network = ipaddress.ip_network(item)
        except ValueError as error:
            raise ValueError(f"must be host names, addresses and networks: {error}.") from error
        if network.prefixlen == 0:
            raise ValueError(f"must not be {item}: webhooks could then reach any address.")
        networks.append(network)
    return frozenset(names), tuple(networks)


def parse_proxies(text: str) -> Proxies:
    """The value of HOTSWAP_TRUSTED_PROXIES; 0 where it is empty. Raises ValueError."""
    if not text or (text.isascii() and text.isdigit()):
        return int(text or 0)
    return tuple(_parse_network(item.strip()) for item in text.split(","))


def _parse_network(text: str) -> Network | Literal["unix"]:
    if text == "unix":
        return "unix"
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(
            f"must be a number of proxies, or addresses, networks and 'unix': {error}."
        ) from error
    if network.prefixlen == 0:
        raise ValueError(f"must not be {text}: any client could then choose its address.")
    return network


def _read_webhook_allow(text: str) -> str:
    parse_webhook_allow(text)
    return text


def _read_proxies(text: str) -> str:
    parse_proxies(text)
    return text


def _read_service_url(text: str) -> str:
    url = text.rstrip("/")
    if not _SERVICE_URL.fullmatch(url):
        raise ValueError(
            f"must be an address such as https://models.example.com or https://example.com/models,"
            f" not {text!r}."
        )
    return url


def _read_file_mode(text: str) -> str:
    if not _FILE_MODE.fullmatch(text):
        raise ValueError(f"must be three octal digits such as 0660, not {text!r}.")
    return text


def _read_served_version(text: str) -> str:
    if text and not _SERVED_VERSION.fullmatch(text):
        raise ValueError(f"must be a model or model/version, such as iris/2, not {text!r}.")
    return text


def _read_host_name(text: str) -> str:
    if not _NAME_OF_HOST.fullmatch(text):
        raise ValueError(
            f"must be at most 128 letters, digits, dots, hyphens and underscores, not {text!r}."
        )
    return text


def read_blobs_url(text: str) -> str:
    """The value of HOTSWAP_BLOBS_URL. Raises ValueError."""
    if not _BLOBS_URL.fullmatch(text):
        raise ValueError(f"must be an address such as s3://bucket/prefix, not {text!r}.")
    return text.rstrip("/")


def _one_of(*names: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in names:
            raise ValueError(f"must be one of {', '.join(names)}.")
        return text.lower()

    return read


def _setting(
    default: Any, variables: str, help: str, read: Callable[[str], Any] | None = None
) -> Any:
    """A field; ``read`` makes its value from text, and raises ValueError with what is expected."""
    metadata = {"variables": variables.split(), "help": help, "read": read}
    return field(default=default, metadata=metadata)


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
        "HOTSWAP_DATABASE_URL DATABASE_URL",
        "SQLAlchemy URL (sqlite, or postgresql+psycopg with the extra postgresql); empty: SQLite in"
        " the data directory.",
    )
    run: str = _setting(
        "",
        "HOTSWAP_RUN",
        "Directory for sockets, locks and memory-mapped files, on a local disk; empty: run in the"
        " data directory.",
    )
    blobs_url: str = _setting(
        "",
        "HOTSWAP_BLOBS_URL",
        "Where artifacts are stored: s3://bucket/prefix (extra s3); empty: in the data directory.",
        read_blobs_url,
    )
    blobs_endpoint: str = _setting(
        "",
        "HOTSWAP_BLOBS_ENDPOINT AWS_ENDPOINT_URL_S3 AWS_ENDPOINT_URL",
        "URL of the store of that bucket; empty: Amazon S3.",
        _read_service_url,
    )
    blobs_cache_mb: int = _setting(
        10_240,
        "HOTSWAP_BLOBS_CACHE_MB",
        "Disk space for copies of artifacts of that bucket, in MiB; above it, those not used for"
        " the longest time are removed.",
    )
    lease_seconds: int = _setting(
        10,
        "HOTSWAP_LEASE_SECONDS",
        "With PostgreSQL: how long this host serves without the database, and how long a promotion"
        " waits for a lost host. 0: it is the only host.",
    )
    without_lease: Literal["refuse", "serve"] = _setting(
        "refuse",
        "HOTSWAP_WITHOUT_LEASE",
        "What a host does that has not reached the database for a lease: refuse (503) or serve what"
        " it has.",
        _one_of("refuse", "serve"),
    )
    host_name: str = _setting(
        "",
        "HOTSWAP_HOST_NAME",
        "Name of this host among those that share the database; empty: the name of the machine.",
        _read_host_name,
    )
    host: str = _setting(
        "127.0.0.1", "HOTSWAP_HOST", "Address to listen on; 0.0.0.0 if only PORT is set."
    )
    port: int = _setting(8000, "HOTSWAP_PORT PORT", "Port to listen on.")
    uds: str = _setting(
        "", "HOTSWAP_UDS", "Path of a Unix socket to listen on, instead of a host and a port."
    )
    uds_mode: str = _setting(
        "0660",
        "HOTSWAP_UDS_MODE",
        "Permissions of the file of that socket, in octal.",
        _read_file_mode,
    )
    workers: int = _setting(
        0, "HOTSWAP_WORKERS WEB_CONCURRENCY", "Worker processes; 0: the number of cores."
    )
    admin_token: str = _setting(
        "", "HOTSWAP_ADMIN_TOKEN", "Value of the admin token; empty: generated at the first start."
    )
    anonymous_predict: bool = _setting(
        False, "HOTSWAP_ANONYMOUS_PREDICT", "1: predictions need no token."
    )
    invocations_model: str = _setting(
        "",
        "HOTSWAP_INVOCATIONS_MODEL",
        "Model, or model/version, that answers POST /invocations; empty: the only one in"
        " production.",
        _read_served_version,
    )
    allowed_hosts: str = _setting(
        "",
        "HOTSWAP_ALLOWED_HOSTS",
        "Comma-separated host names to accept; empty: the loopback names on a loopback address,"
        " else any.",
    )
    trusted_proxies: str = _setting(
        "",
        "HOTSWAP_TRUSTED_PROXIES",
        "Proxies whose X-Forwarded fields are used: how many a request passes, or their addresses"
        " and networks, and 'unix' for unix sockets; empty: none.",
        _read_proxies,
    )
    public_url: str = _setting(
        "",
        "HOTSWAP_PUBLIC_URL",
        "URL of the service for users, for links in cards and summaries; its host is allowed."
        " Empty: the URL of the request.",
        _read_service_url,
    )
    webhook_allow: str = _setting(
        "",
        "HOTSWAP_WEBHOOK_ALLOW",
        "Comma-separated host names, addresses and networks that webhooks may reach although they"
        " are not on the internet, also over http.",
        _read_webhook_allow,
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
    log_level: str = _setting(
        "info", "HOTSWAP_LOG_LEVEL", "debug, info, warning or error.", _one_of(*LOG_LEVELS)
    )
    log_format: str = _setting(
        "",
        "HOTSWAP_LOG_FORMAT",
        "json or text; empty: text on a terminal, else json.",
        _one_of("json", "text"),
    )
    log_file: str = _setting(
        "",
        "HOTSWAP_LOG_FILE",
        "File to append logs to, reopened when it was moved; empty: standard error.",
    )
    access_log: bool = _setting(
        False, "HOTSWAP_ACCESS_LOG", "1: log every request, without its contents."
    )
    console: bool = _setting(True, "HOTSWAP_CONSOLE", "0: no console at /console.")
    console_hours: int = _setting(
        12,
        "HOTSWAP_CONSOLE_HOURS",
        "Hours after which an unused session of the console ends; 0: nobody can sign in.",
    )
    watch: bool = _setting(
        True,
        "HOTSWAP_WATCH",
        "0: nothing watches rollouts, alerts and webhooks; no keeper is started.",
    )
    traces: bool = _setting(
        False, "HOTSWAP_TRACES", "1: an OpenTelemetry span for each prediction (extra otel)."
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings from ``environ`` (default: the process's environment).

        Raises SettingInvalid.
        """
        source = os.environ if environ is None else environ
        values = _values(cls, source)
        # A platform that assigns PORT, such as Heroku, connects from another machine.
        if "host" not in values and _is_set(source, "PORT") and not _is_set(source, "HOTSWAP_PORT"):
            values["host"] = "0.0.0.0"  # noqa: S104
        return cls(**values)

    def to_environment(self) -> dict[str, str]:
        """The variables that pass these settings to a child process."""
        return {
            setting.metadata["variables"][0]: _write(getattr(self, setting.name))
            for setting in fields(self)
        }

    @property
    def run_folder(self) -> Path:
        """The folder of the sockets, locks and mapped files of running processes."""
        return Path(self.run) if self.run else self.data / "run"

    @property
    def effective_host_name(self) -> str:
        return self.host_name or socket.gethostname()

    @property
    def worker_count(self) -> int:
        return self.workers or len(os.sched_getaffinity(0))

    @property
    def is_local(self) -> bool:
        """Whether the address to listen on can be reached from this machine only."""
        if self.uds:
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    @property
    def has_sign_in_links(self) -> bool:
        """Whether a link that this service prints may sign in: the console is on, and nothing but
        browsers on this machine reaches it."""
        alone = not (self.uds or self.public_url or self.trusted_proxies)
        host = self.host.lower().strip("[]")
        is_console_open = bool(self.console and self.console_hours)
        return is_console_open and alone and host in {"localhost", "127.0.0.1", "::1"}

    @property
    def effective_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data.resolve() / 'registry.db'}"

    @property
    def max_upload_bytes(self) -> int:
        return self.max_upload_mb * MEGABYTE

    @property
    def blobs_cache_bytes(self) -> int:
        return self.blobs_cache_mb * MEGABYTE

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
    """The settings of the commands: which services they call, and as whom."""

    url: str = _setting(
        "http://127.0.0.1:8000", "HOTSWAP_URL", "Address of the service for the commands."
    )
    token: str = _setting("", "HOTSWAP_TOKEN", "Token that the commands send.")
    step_summary: str = _setting(
        "", "GITHUB_STEP_SUMMARY", "File that 'hotswap retrain' adds its summary to."
    )
    mlflow_username: str = _setting(
        "", "MLFLOW_TRACKING_USERNAME", "User of the server that 'hotswap import mlflow' reads."
    )
    mlflow_password: str = _setting("", "MLFLOW_TRACKING_PASSWORD", "The password of that user.")
    mlflow_token: str = _setting(
        "", "MLFLOW_TRACKING_TOKEN", "Token for that server, if there is no user."
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "ClientSettings":
        """Read the client's settings from ``environ`` (default: the process's environment)."""
        source = os.environ if environ is None else environ
        return cls(**_values(cls, source))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceManager:
    """What systemd passes to a service that it starts: sd_listen_fds(3), sd_notify(3)."""

    listen_pid: int = _setting(0, "LISTEN_PID", "Process that the sockets are passed to.")
    listen_fds: int = _setting(0, "LISTEN_FDS", "How many sockets are passed.")
    notify_socket: str = _setting("", "NOTIFY_SOCKET", "Unix socket for messages about its state.")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "ServiceManager":
        """Read what was passed from ``environ`` (default: the process's environment).

        Raises SettingInvalid.
        """
        return cls(**_values(cls, os.environ if environ is None else environ))


def _values(settings: type, source: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for setting in fields(settings):
        for variable in setting.metadata["variables"]:
            if text := source.get(variable, "").strip():
                values[setting.name] = _read(variable, text, setting)
                break
    return values


def _is_set(source: Mapping[str, str], variable: str) -> bool:
    return bool(source.get(variable, "").strip())


def _read(variable: str, text: str, setting: Field[Any]) -> Any:
    if read := setting.metadata["read"]:
        try:
            return read(text)
        except ValueError as error:
            raise SettingInvalid(f"{variable} {error}") from error
    if isinstance(setting.default, bool):
        if text.lower() not in {"0", "1", "true", "false"}:
            raise SettingInvalid(f"{variable} must be 1 or 0, not {text!r}.")
        return text.lower() in {"1", "true"}
    if isinstance(setting.default, int):
        if not text.isascii() or not text.isdigit():
            raise SettingInvalid(f"{variable} must be a whole number, not {text!r}.")
        return int(text)
    if isinstance(setting.default, Path):
        return Path(text)
    return text


def _write(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
