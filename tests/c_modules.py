"""The C modules of the project, as pyproject.toml lists them."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def c_modules() -> dict[str, list[str]]:
    """The paths of the sources and headers of each module, by its name."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    return {
        module["name"]: [*module["sources"], *module.get("depends", [])]
        for module in settings["ext-modules"]
    }
