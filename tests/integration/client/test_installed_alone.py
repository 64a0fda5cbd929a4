"""The client is built, installed and used where there is nothing but requests."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from email import message_from_bytes
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from tests.environments import environment, install
from tests.integration.cli.fake_service import HSW, FakeService, multipart, running

CLIENT = Path(__file__).resolve().parents[3] / "client"
NEEDED = ("requests", "urllib3", "idna", "certifi", "charset-normalizer")
"""requests and what requests needs."""

TO_LOG = (
    *("cloudpickle", "joblib", "narwhals", "numpy", "packaging", "prettytable", "scikit-learn"),
    *("scipy", "skops", "threadpoolctl", "wcwidth"),
)
"""What the extra log installs."""

LOG = """
import sys
import numpy as np
from sklearn.linear_model import LinearRegression
import hotswap

X = np.arange(40.0).reshape(20, 2)
y = X @ [1.0, 2.0]
model = LinearRegression().fit(X[:15], y[:15])
version = hotswap.log(
    model, X[:15], X[15:], y[15:], name="m", promote=True, url=sys.argv[1], token=sys.argv[2]
)
print(version["version"], sorted(version["metrics"]), "registry" in sys.modules)
"""

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


@pytest.mark.slow  # it builds the wheel
def test_the_client_wheel_requires_only_requests_and_is_typed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        (described,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        wanted = message_from_bytes(packed.read(described)).get_all("Requires-Dist")
    assert wanted is not None
    assert [line for line in wanted if "extra ==" not in line] == ["requests<3,>=2.32"]
    assert "hotswap/py.typed" in names
    assert {"hotswap/registry.py", "hotswap/fitted/log.py", "hotswap/metrics/names.py"} <= {*names}
    assert {"hotswap/evaluation/profile.py", "hotswap/mlflow_plugin/store.py"} <= {*names}
    assert {name.split("/")[0] for name in names} == {"hotswap", described.split("/")[0]}


def run_alone(
    program: str, wheel: Path, needed: Sequence[str], folder: Path, service: FakeService
) -> str:
    """What ``program`` prints in a new environment with the wheel and what is ``needed`` alone."""
    python = environment(folder / "env", needed)
    install(python, wheel)
    (folder / "use.py").write_text(program)
    used = subprocess.run(
        [python, "-I", "use.py", service.url, HSW],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert used.stderr == ""
    return used.stdout


def test_the_client_wheel_has_the_entry_points_of_its_plugin(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path)
    (record,) = tmp_path.glob("*.dist-info")
    found = PathDistribution(record).entry_points
    assert {(one.group.removeprefix("mlflow."), one.name) for one in found} == {
        ("model_registry_store", "hotswap"),
        ("model_registry_store", "hotswap+http"),
        ("model_registry_store", "hotswap+https"),
        ("artifact_repository", "hotswap+http"),
        ("artifact_repository", "hotswap+https"),
    }
    for module, name in {(one.module, one.attr) for one in found}:
        source = tmp_path.joinpath(*module.split(".")).with_suffix(".py").read_text()
        assert f"class {name}(" in source


@pytest.mark.slow
def test_the_client_works_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    with running() as service:
        said = run_alone(USE, wheel, NEEDED, tmp_path, service)

    assert said.splitlines() == ["[1.5, 2.5]", "VersionNotFound", "[]"]


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["skops", "joblib"])
def test_a_fitted_model_is_logged_without_the_service(
    wheel: Path, tmp_path: Path, format_: str
) -> None:
    """Without skops, which only the extra installs, models are saved by joblib."""
    needed = [name for name in TO_LOG if format_ == "skops" or name != "skops"]
    with running() as service:
        said = run_alone(LOG, wheel, [*NEEDED, *needed], tmp_path, service)

    upload = next(each for each in service.requests if each.path.endswith("/versions"))
    assert said.split()[0] == "1"
    assert said.split()[-1] == "False"
    assert multipart(upload)["artifact"][0] == f"model.{format_}"
