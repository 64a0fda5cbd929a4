"""Where a model was made: the commit, and the versions of Python and of the libraries."""

import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RECORDED_PACKAGES = ("scikit-learn", "numpy", "scipy", "pandas", "skops")
_IF_IMPORTED = ("catboost", "lightgbm", "xgboost")


def environment() -> dict[str, str]:
    """The versions of Python, of the libraries that models are made with where they are installed,
    and of the libraries for boosting that were imported."""
    packages = [*RECORDED_PACKAGES, *(name for name in _IF_IMPORTED if name in sys.modules)]
    found = {package: _version(package) for package in packages}
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
