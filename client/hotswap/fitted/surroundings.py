"""Where a model was made: the commit, and the versions of Python and of the libraries."""

import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RECORDED_PACKAGES = ("scikit-learn", "numpy", "scipy", "pandas", "skops")
_BOOSTING = ("catboost", "lightgbm", "xgboost")


def environment(model: Any) -> dict[str, str]:
    """The versions of Python, of the libraries that models are made with where they are installed,
    and of the library for boosting that ``model`` or a part of it belongs to."""
    parts = [model, *(model.get_params().values() if hasattr(model, "get_params") else ())]
    bases = [base for part in parts for base in type(part).__mro__]  # a subclass uses it too
    used = {base.__module__.partition(".")[0] for base in bases}
    found = {package: _version(package) for package in RECORDED_PACKAGES}
    # Of the module: the distribution may be called xgboost-cpu.
    found |= {name: sys.modules[name].__version__ for name in _BOOSTING if name in used}
    return {"python": platform.python_version(), **{name: at for name, at in found.items() if at}}


def git_commit(directory: Path) -> str | None:
    """The current commit of ``directory``; None without a repository or without git."""
    git = shutil.which("git")
    if git is None:
        return None
    try:
        # Only the directory varies in this command.
        result = subprocess.run(  # noqa: S603
            [git, "-C", str(directory), "rev-parse", "--verify", "--quiet", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
