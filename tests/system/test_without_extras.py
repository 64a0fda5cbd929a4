"""An installation of requirements.txt alone: the demo runs, and errors name the missing extras."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from registry.extras import LIBRARIES
from tests.environments import environment, locked_names
from tests.system.real_server import BIN, ROOT, Server, free_port, running, wait_until

pytestmark = pytest.mark.slow  # tests/integration/test_extras.py hides one library at a time

ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has what requirements.txt names, and this project."""
    names = {*locked_names("requirements.txt"), "hotswap"}
    return environment(tmp_path_factory.mktemp("lean") / ".venv", names)


@pytest.fixture(scope="module")
def command(python: Path) -> Path:
    script = python.parent / "hotswap"
    script.write_text(
        f"#!{python}\nfrom cli.main import main\nif __name__ == '__main__':\n    main()\n"
    )
    script.chmod(0o755)
    return script


@pytest.fixture(scope="module")
def server(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("served") / "artifacts"
    with running([command, "serve", "--demo"], data, free_port()) as server:
        wait_until(lambda: "Paste this" in server.log.read_text(), server.log.read_text())
        yield server


def test_no_library_of_an_extra_is_installed(python: Path) -> None:
    for library in LIBRARIES.values():
        tried = subprocess.run(
            [python, "-c", f"import {library}"], capture_output=True, check=False
        )
        assert b"No module named" in tried.stderr


def test_the_demo_predicts(server: Server) -> None:
    body = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
    answer = server.call("POST", "/models/iris/predict", json=body)
    assert answer.json()["predictions"] == ["setosa"]


def test_arrow_bodies_are_refused_with_the_name_of_the_extra(server: Server) -> None:
    table = pa.table({"a": [1.0]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body = sink.getvalue().to_pybytes()

    refused = server.call(
        "POST", "/models/iris/predict", data=body, headers={"Content-Type": ARROW}
    )
    assert (refused.status_code, refused.json()["title"]) == (415, "Format not supported")
    assert "pip install 'hotswap[arrow]'" in refused.json()["detail"]

    accepted = {"Accept": ARROW}
    body = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
    refused = server.call("POST", "/models/iris/predict", json=body, headers=accepted)
    assert refused.status_code == 406


def test_commands_that_need_an_extra_name_it(server: Server, command: Path, tmp_path: Path) -> None:
    parquet = tmp_path / "rows.parquet"
    parquet.write_bytes(b"PAR1")
    for arguments, variables, code, extra in (
        (["plots", "diabetes", "--out", tmp_path / "plots"], {}, 2, "plots"),
        (["train", parquet, "--target", "y", "--kind", "tree", "--name", "m"], {}, 2, "arrow"),
        (["doctor"], {"HOTSWAP_DATABASE_URL": "postgresql://u@127.0.0.1:1/d"}, 2, "postgresql"),
        (["doctor"], {}, 0, None),
    ):
        ended = subprocess.run(
            [command, *arguments],
            env={
                **os.environ,
                "HOTSWAP_URL": server.url,
                "HOTSWAP_TOKEN": server.token,
                "HOTSWAP_DATA": str(server.data),
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        said = ended.stdout + ended.stderr
        assert ended.returncode == code, said
        assert f"hotswap[{extra}]" in said if extra else "hotswap[" not in said


def test_a_model_has_the_same_bytes_with_and_without_the_extras(
    command: Path, tmp_path: Path
) -> None:
    recipe = ROOT / "examples" / "passengers" / "recipe.toml"
    made = []
    for name, program in (("with", BIN / "hotswap"), ("without", command)):
        folder = tmp_path / name
        subprocess.run(
            [program, "train", "--recipe", recipe, "--out", folder],
            capture_output=True,
            timeout=300,
            check=True,
        )
        made.append((folder / "model.skops").read_bytes())
    assert made[0] == made[1]
