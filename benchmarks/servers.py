"""The servers that are compared: how each is started, and its dialect."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from api.receiving import MAX_ANSWERS
from benchmarks.dialects import BENTOML, FASTAPI, FLASK, HOTSWAP, MLFLOW, MLSERVER, Dialect
from benchmarks.launching import ServerFailed
from benchmarks.service import ROOT

PEERS = Path(__file__).with_name("peers")
PEERS_BIN = ROOT / ".venv-bench" / "bin"
MLSERVER_BIN = ROOT / ".venv-bench-mlserver" / "bin"
OUR_BIN = ROOT / ".venv" / "bin"
MODELS = ("iris", "housing")

OURS, BARE = "hotswap", "bare"
BATCH_REQUESTS, LONGEST_WAIT = 8, 0.005
"""MLServer's adaptive batching: the number of connections, and a wait in seconds."""

Command = Callable[[Path, int, str], list[str | Path]]


@dataclass(frozen=True, slots=True)
class Peer:
    """A server to compare with.

    ``command`` takes the folder of the models, the port and the model (used if a server serves only
    one model, ``one_model``). ``prepare`` writes the files that the server reads, once.
    """

    key: str
    title: str
    dialect: Dialect
    bin: Path
    command: Command
    ready: str
    one_model: bool = False
    prepare: Callable[[Path, int], None] | None = None

    @property
    def checked(self) -> bool:
        """Whether its responses are predictions, to compare with scikit-learn's."""
        return self.key != BARE

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """The models that one start serves."""
        return [(model,) for model in MODELS] if self.one_model else [MODELS]


def environment(peer_bin: Path, folder: Path) -> dict[str, str]:
    """The environment of a peer: ours without the variables that select our own packages."""
    kept = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    return {
        **kept,
        "PATH": f"{peer_bin}{os.pathsep}{kept['PATH']}",
        "PEER_MODELS": str(folder),
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def _gunicorn(*kind: str) -> Command:
    def command(_folder: Path, port: int, _model: str) -> list[str | Path]:
        bind = ["--bind", f"127.0.0.1:{port}", "--workers", "1"]
        return [PEERS_BIN / "gunicorn", *bind, *kind, "--chdir", PEERS, "flask_app:app"]

    return command


def _uvicorn(_folder: Path, port: int, _model: str) -> list[str | Path]:
    place = ["--host", "127.0.0.1", "--port", str(port), "--app-dir", PEERS]
    return [PEERS_BIN / "uvicorn", *place, "--no-access-log", "fastapi_app:app"]


def _mlflow(folder: Path, port: int, model: str) -> list[str | Path]:
    served = ["--model-uri", folder / f"{model}.mlflow", "--env-manager", "local"]
    place = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    return [PEERS_BIN / "mlflow", "models", "serve", *served, *place]


def _bentoml(service: str) -> Command:
    def command(_folder: Path, port: int, _model: str) -> list[str | Path]:
        place = ["--host", "127.0.0.1", "--port", str(port), "--working-dir", PEERS]
        return [PEERS_BIN / "bentoml", "serve", f"bento_service:{service}", *place]

    return command


def _mlserver(name: str) -> Command:
    return lambda folder, _port, _model: [MLSERVER_BIN / "mlserver", "start", folder / name]


def _bare(_folder: Path, port: int, _model: str) -> list[str | Path]:
    place = ["--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    size = ["--workers", "1", "--blocking-threads", str(MAX_ANSWERS), "--no-ws"]
    return [
        OUR_BIN / "granian",
        *place,
        *size,
        "--log-level",
        "error",
        "--working-dir",
        PEERS,
        "bare:app",
    ]


def _run_peer(script: str) -> Callable[[Path, int], None]:
    def prepare(folder: Path, _port: int) -> None:
        ended = subprocess.run(  # noqa: S603 - a file of this package
            [PEERS_BIN / "python", PEERS / script, folder],
            env=environment(PEERS_BIN, folder),
            check=False,
            capture_output=True,
            text=True,
        )
        if ended.returncode:
            raise ServerFailed(f"{script} failed:\n{ended.stderr[-3000:]}")

    return prepare


def _mlserver_settings(name: str, batching: Mapping[str, float]) -> Callable[[Path, int], None]:
    """Write MLServer's settings: no second process, no debugging."""

    def prepare(folder: Path, port: int) -> None:
        place = {"host": "127.0.0.1", "http_port": port, "grpc_port": port + 1}
        place |= {"metrics_port": port + 2, "parallel_workers": 0, "debug": False}
        _write(folder / name / "settings.json", place)
        for model in MODELS:
            parameters = {"uri": str(folder / f"{model}.joblib"), "version": "1"}
            settings = {
                "name": model,
                "implementation": "mlserver_sklearn.SKLearnModel",
                **batching,
            }
            _write(
                folder / name / model / "model-settings.json",
                {**settings, "parameters": parameters},
            )

    return prepare


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


ALL_PEERS = (
    Peer(
        "flask",
        "Flask tutorial app, gunicorn sync",
        FLASK,
        PEERS_BIN,
        _gunicorn("--worker-class", "sync"),
        "/health",
    ),
    Peer(
        "flask-gthread",
        "Flask tutorial app, gunicorn gthread",
        FLASK,
        PEERS_BIN,
        _gunicorn("--worker-class", "gthread", "--threads", "4"),
        "/health",
    ),
    Peer("fastapi", "FastAPI, uvicorn, def routes", FASTAPI, PEERS_BIN, _uvicorn, "/health"),
    Peer(
        "mlserver",
        "MLServer, parallel_workers=0",
        MLSERVER,
        MLSERVER_BIN,
        _mlserver("mlserver"),
        "/v2/health/ready",
        prepare=_mlserver_settings("mlserver", {}),
    ),
    Peer(
        "mlserver-batching",
        "MLServer, adaptive batching",
        MLSERVER,
        MLSERVER_BIN,
        _mlserver("mlserver-batching"),
        "/v2/health/ready",
        prepare=_mlserver_settings(
            "mlserver-batching", {"max_batch_size": BATCH_REQUESTS, "max_batch_time": LONGEST_WAIT}
        ),
    ),
    Peer(
        "mlflow",
        "MLflow models serve",
        MLFLOW,
        PEERS_BIN,
        _mlflow,
        "/ping",
        one_model=True,
        prepare=_run_peer("mlflow_models.py"),
    ),
    Peer(
        "bentoml",
        "BentoML",
        BENTOML,
        PEERS_BIN,
        _bentoml("Each"),
        "/readyz",
        prepare=_run_peer("bento_models.py"),
    ),
    Peer(
        "bentoml-batching",
        "BentoML, adaptive batching",
        BENTOML,
        PEERS_BIN,
        _bentoml("Batching"),
        "/readyz",
        prepare=_run_peer("bento_models.py"),
    ),
    Peer(BARE, "bare WSGI reply of fixed bytes, granian (the limit)", HOTSWAP, OUR_BIN, _bare, "/"),
)
