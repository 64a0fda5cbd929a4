"""The lineage of a model: digests, the commit, and the versions of the libraries."""

from pathlib import Path
from typing import Any

from hotswap.fitted.surroundings import git_commit
from trainers.bundled import is_bundled
from trainers.data import Dataset, data_digest
from trainers.recipe import Recipe


def lineage(recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """The recipe and its digest, the digest and number of rows of the data, the seed, what was
    sampled, and the commit where there is one. Of the data's path only the file name is kept."""
    document, sampled = recipe.to_json(), dataset.sampled
    if not is_bundled(recipe.data):
        document["data"] = Path(recipe.data).name
    recorded: dict[str, Any] = {
        "recipe": document,
        "data_sha256": dataset.sha256,
        "data_rows": len(dataset.frame) if sampled is None else sampled.of,
        "recipe_sha256": recipe.sha256,
        "seed": recipe.seed,
    }
    if sampled is not None:
        recorded["sample"] = sampled.to_json()
    commit = commit_of(recipe)
    if commit is not None:
        recorded["git_commit"] = commit
    return recorded


def inputs_of(recipe: Recipe) -> dict[str, str]:
    """The digests and the commit that a training by ``recipe`` would record.

    Raises DataRefused where the data does not exist.
    """
    inputs = {"recipe_sha256": recipe.sha256, "data_sha256": data_digest(recipe.data)}
    commit = commit_of(recipe)
    return inputs if commit is None else {**inputs, "git_commit": commit}


def commit_of(recipe: Recipe) -> str | None:
    """The commit of the current directory, else of the directory of the data."""
    places = [Path.cwd()]
    if not is_bundled(recipe.data):
        places.append(Path(recipe.data).resolve().parent)
    return next(filter(None, map(git_commit, places)), None)
