"""The machine of a measurement, and the versions of the software."""

import json
import os
import platform
import subprocess
from pathlib import Path

from benchmarks.figures import Machine
from benchmarks.load import find_wrk

OURS = ("granian", "numpy", "onnxruntime", "pandas", "pyarrow", "scikit-learn")
PEERS = ("flask", "gunicorn", "fastapi", "uvicorn", "uvloop", "mlflow", "bentoml", "scikit-learn")
MLSERVER = ("mlserver", "mlserver-sklearn", "uvloop", "scikit-learn")
_PRINT_VERSIONS = (
    "import importlib.metadata as m, json, sys; "
    "print(json.dumps({name: m.version(name) for name in sys.argv[1:]}))"
)


def this_machine() -> Machine:
    """The properties that Linux reports."""
    processors = Path("/proc/cpuinfo").read_text().splitlines()
    named = [line.partition(":")[2].strip() for line in processors if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        processor=named[0] if named else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=memory / 2**30,
        kernel=platform.release(),
        python=platform.python_version(),
        load=os.getloadavg()[0],
    )


def versions(bin: Path, names: tuple[str, ...]) -> dict[str, str]:
    """The versions of packages in the environment that ``bin`` belongs to."""
    ended = subprocess.run(  # noqa: S603 - a command of ours
        [bin / "python", "-c", _PRINT_VERSIONS, *names], capture_output=True, text=True, check=True
    )
    found: dict[str, str] = json.loads(ended.stdout)
    return found


def wrk_version() -> str:
    """The version that wrk reports."""
    ended = subprocess.run(  # noqa: S603 - a command of ours
        [find_wrk(), "-v"], capture_output=True, text=True, check=False
    )
    words = (ended.stdout + ended.stderr).split()
    return words[1] if len(words) > 1 else "unknown"
