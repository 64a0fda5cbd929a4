"""Virtual environments that are made without a network, from what is installed here."""

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable
from importlib.metadata import distribution
from importlib.util import cache_from_source
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def locked_names(file: str) -> set[str]:
    """The names of the distributions in the lock file ``file``."""
    return set(re.findall(r"^([a-z0-9-]+)==", (ROOT / file).read_text(), re.MULTILINE))


def environment(folder: Path, names: Iterable[str]) -> Path:
    """The interpreter of a new environment in ``folder`` with the distributions ``names``."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    for name in names:
        _install_links(name, site)
    return folder / "bin" / "python"


def install(python: Path, *wheels: Path) -> None:
    """Install ``wheels`` without their dependencies for the interpreter ``python``."""
    _pip(python, "install", "--no-index", "--no-deps", "--force-reinstall", *wheels)


def uninstall(python: Path, name: str) -> None:
    """Uninstall a distribution for the interpreter ``python``."""
    _pip(python, "uninstall", "--yes", name)


def _pip(python: Path, *arguments: str | Path) -> None:
    pip = [sys.executable, "-m", "pip", "--python", python, "--quiet"]
    subprocess.run([*pip, *arguments], check=True, timeout=120)


def _install_links(name: str, site: Path) -> None:
    """Link what this environment has of a distribution, with its byte code."""
    found = distribution(name)
    for file in found.files or ():
        source = Path(str(found.locate_file(file)))
        if ".." in file.parts or not source.exists():
            continue
        pairs = [(source, site / file)]
        if source.suffix == ".py" and (cached := Path(cache_from_source(str(source)))).exists():
            pairs.append((cached, Path(cache_from_source(str(site / file)))))
        for present, link in pairs:
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                _link(present, link)


def _link(present: Path, link: Path) -> None:
    try:
        os.link(present, link)  # not symbolic: confined processes may read this environment alone
    except OSError:  # another file system
        shutil.copy2(present, link)
