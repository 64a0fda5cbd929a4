"""The client is built, installed and used where there is nothing but requests."""

import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.environments import environment, install
from tests.integration.cli.fake_service import HSW, running

CLIENT = Path(__file__).resolve().parents[3] / "client"
NEEDED = ("requests", "urllib3", "idna", "certifi", "charset-normalizer")
"""requests and what requests needs."""

USE = """
import sys
from hotswap import Registry, Retries, errors

with Registry(sys.argv[1], sys.argv[2], retries=Retries(attempts=2)) as registry:
    made = registry.upload("m", b"bytes", {"kind": "other"}, filename="model.skops")
    registry.promote("m", made.version["version"])
    print(registry.predict("m", [{"rooms": 1}, {"rooms": 2}])["predictions"])
    try:
        registry.version("m", 9)
    except errors.NotFound as error:
        print(type(error).__name__)
known = {"requests", "urllib3", "idna", "certifi", "charset_normalizer", "hotswap"}
from_outside = {
    name.partition(".")[0]
    for name, module in sys.modules.items()
    if "site-packages" in (getattr(module, "__file__", None) or "")
}
print(sorted(from_outside - known))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client's wheel, built from a copy, since a build leaves things beside what it builds."""
    place = tmp_path_factory.mktemp("wheel")
    shutil.copytree(CLIENT, place / "client", ignore=shutil.ignore_patterns("__pycache__", "build"))
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps"]
    subprocess.run(
        [*build, "--no-build-isolation", "--wheel-dir", place, place / "client"],
        check=True,
        timeout=60,
    )
    (made,) = place.glob("*.whl")
    return made


def test_the_client_wheel_requires_only_requests_and_is_typed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        (described,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        wanted = message_from_bytes(packed.read(described)).get_all("Requires-Dist")
    assert wanted is not None
    assert [line for line in wanted if "extra ==" not in line] == ["requests<3,>=2.32"]
    assert "hotswap/py.typed" in names
    assert "hotswap/registry.py" in names
    assert {name.split("/")[0] for name in names} == {"hotswap", described.split("/")[0]}


@pytest.mark.slow
def test_the_client_works_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "env", NEEDED)
    install(python, wheel)
    (tmp_path / "use.py").write_text(USE)

    with running() as service:
        used = subprocess.run(
            [python, "-I", "use.py", service.url, HSW],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert used.stderr == ""
    assert used.stdout.splitlines() == ["[1.5, 2.5]", "VersionNotFound", "[]"]
