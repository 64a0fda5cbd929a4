"""Where a model comes from: digests, the commit, and the versions of the libraries."""

import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trainers.data import Table, is_bundled
from trainers.recipe import Recipe

RECORDED_PACKAGES = ("scikit-learn", "numpy", "scipy", "pandas", "skops")


def lineage(recipe: Recipe, table: Table) -> dict[str, Any]:
    """The recipe and its digest, that of the data and the rows as read, the seed, and the commit
    where there is one. Of a path of data only the name is kept."""
    document = recipe.to_json()
    if not is_bundled(recipe.data):
        document["data"] = Path(recipe.data).name
    recorded: dict[str, Any] = {
        "recipe": document,
        "data_sha256": table.sha256,
        "data_rows": len(table.frame),
        "recipe_sha256": recipe.sha256,
        "seed": recipe.seed,
    }
    places = [Path.cwd()]
    if not is_bundled(recipe.data):
        places.append(Path(recipe.data).resolve().parent)
    commit = next(filter(None, map(git_commit, places)), None)
    if commit is not None:
        recorded["git_commit"] = commit
    return recorded


def environment() -> dict[str, str]:
    """The versions of Python and of what the model was made with."""
    packages = {package: version(package) for package in RECORDED_PACKAGES}
    return {"python": platform.python_version(), **packages}


def git_commit(directory: Path) -> str | None:
    """The commit that ``directory`` is at, or None where there is no repository or no git."""
    git = shutil.which("git")
    if git is None:
        return None
    try:
        # Its own directory is all that varies in the command.
        answer = subprocess.run(  # noqa: S603
            [git, "-C", str(directory), "rev-parse", "--verify", "--quiet", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
