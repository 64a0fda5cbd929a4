"""Checks Python and the libraries."""

import platform
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from registry.doctor.findings import Finding, Installation, Result
from registry.engines import forest
from registry.storage.sqlite import sqlite_module, wal_is_safe

_OLDEST_PYTHON = (3, 11)
_REINSTALL = "Install the project again: make serve, or pip install with the requirements.txt."


def check_python(_: Installation) -> Iterator[Finding]:
    """The project supports this version of Python."""
    said = f"Python {platform.python_version()}"
    if sys.version_info >= _OLDEST_PYTHON:
        yield Finding("python", "ok", said, place=sys.executable)
    else:
        yield Finding("python", "fault", said, "Use Python 3.11 or later.", sys.executable)


def check_client(_: Installation) -> Iterator[Finding]:
    """The package ``hotswap``, which the distribution hotswap-client contains too."""
    try:
        beside = version("hotswap-client")
    except PackageNotFoundError:
        if find_spec("hotswap") is None:
            yield Finding("client", "fault", "the package hotswap is missing", _REINSTALL)
        return
    result: Result = "warning" if beside == version("hotswap") else "fault"
    yield Finding(
        "client",
        result,
        f"hotswap-client {beside} is installed in the environment of the service, and both "
        "contain the package hotswap",
        f"Uninstall hotswap-client. {_REINSTALL}",
    )


def check_scikit_learn(_: Installation) -> Iterator[Finding]:
    """It trains, inspects uploads, and serves models that could not be compiled."""
    yield _imported("scikit-learn", "sklearn")


def check_onnxruntime(_: Installation) -> Iterator[Finding]:
    """It serves compiled models that the C kernels do not support."""
    yield _imported("onnxruntime", "registry.engines.onnx_runtime")


def check_kernel(_: Installation) -> Iterator[Finding]:
    """The C kernel that walks trees was built."""
    if forest.AVAILABLE:
        yield Finding("kernel", "ok", "the C kernel is built: it walks trees and forests")
    else:
        yield Finding(
            "kernel",
            "warning",
            "the C kernel is not built: ONNX Runtime or scikit-learn serve trees and forests",
            "Install a C compiler and Python's headers, then install the project again.",
        )


def check_sqlite(installation: Installation) -> Iterator[Finding]:
    """The version of SQLite, and its journal mode."""
    if installation.database is not None and not installation.database.is_sqlite:
        return
    module = sqlite_module()
    said = f"SQLite {module.sqlite_version} of {module.__name__}"
    if wal_is_safe(module.sqlite_version_info):
        yield Finding("sqlite", "ok", f"{said}, with a write-ahead log")
    else:
        yield Finding(
            "sqlite",
            "warning",
            f"{said} has a bug in its write-ahead log, so the rollback journal is used: writes "
            "take several times as long, and readers wait for them",
            "Install pysqlite3, which contains a newer version.",
        )


def _imported(package: str, module: str) -> Finding:
    try:
        import_module(module)
        return Finding(package, "ok", f"{package} {version(package)}")
    except (ImportError, OSError) as error:  # OSError: a shared library that cannot be loaded
        return Finding(package, "fault", f"{package} cannot be imported: {error}", _REINSTALL)
