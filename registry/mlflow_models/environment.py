"""The packages that a model was made with, and the files in which MLflow names them."""

import platform
import re
from collections.abc import Mapping
from typing import Any

PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,99})==([A-Za-z0-9.+!_-]{1,100})")
_MOST = 200
_NO_PACKAGES = frozenset({"python", "onnx-opset"})


def read_requirements(content: bytes) -> dict[str, str]:
    """The packages with an exact version in a requirements file of pip, by their names."""
    pins = map(PIN.match, content.decode(errors="replace").splitlines()[:_MOST])
    return {pin[1]: pin[2] for pin in pins if pin is not None}


def python_version(environment: Mapping[str, Any]) -> str:
    """The Python of the environment, or else this one."""
    told = environment.get("python")
    is_version = isinstance(told, str) and re.fullmatch(r"[0-9]+(\.[0-9]+){1,2}", told)
    return told if told is not None and is_version else platform.python_version()


def environment_files(
    environment: Mapping[str, Any], packages: tuple[str, ...]
) -> dict[str, object]:
    """The content of ``requirements.txt``, a text, and of the YAML files, by their names.

    ``packages`` are required in any version where the environment has none.
    """
    pins = [f"{name}=={told}" for name, told in environment.items() if name not in _NO_PACKAGES]
    known = {pin[1]: pin[0] for pin in map(PIN.fullmatch, pins) if pin is not None}
    required = sorted({**{name: name for name in packages}, **known}.values())
    python = python_version(environment)
    return {
        "requirements.txt": "".join(f"{line}\n" for line in required),
        "python_env.yaml": {
            "python": python,
            "build_dependencies": ["pip", "setuptools", "wheel"],
            "dependencies": ["-r requirements.txt"],
        },
        "conda.yaml": {
            "channels": ["conda-forge"],
            "dependencies": [f"python={python}", "pip", {"pip": required}],
            "name": "mlflow-env",
        },
    }
