"""The HTTP client of the service. Imports no other package of ours, so it installs alone.

The names below are imported when they are first used: the service imports ``hotswap.metrics``, and
needs neither requests nor the rest of the client for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hotswap._version import __version__

if TYPE_CHECKING:
    from hotswap.errors import ClientError, ProblemReply, ReplyNotUnderstood, ServiceUnreachable
    from hotswap.files.run import PredictedFile, predict_file
    from hotswap.fitted.log import TrainingWarning, log
    from hotswap.operations.promotions import UNSET
    from hotswap.registry import Registry
    from hotswap.replies import Uploaded
    from hotswap.retries import Retries
    from hotswap.scorer import Scorer, load_scorer

__all__ = [
    "UNSET",
    "ClientError",
    "PredictedFile",
    "ProblemReply",
    "Registry",
    "ReplyNotUnderstood",
    "Retries",
    "Scorer",
    "ServiceUnreachable",
    "TrainingWarning",
    "Uploaded",
    "__version__",
    "load_scorer",
    "log",
    "predict_file",
]

_HOMES = {
    "UNSET": "operations.promotions",
    "ClientError": "errors",
    "PredictedFile": "files.run",
    "ProblemReply": "errors",
    "Registry": "registry",
    "ReplyNotUnderstood": "errors",
    "Retries": "retries",
    "Scorer": "scorer",
    "ServiceUnreachable": "errors",
    "TrainingWarning": "fitted.log",
    "Uploaded": "replies",
    "load_scorer": "scorer",
    "log": "fitted.log",
    "predict_file": "files.run",
}
"""The module of each public name."""


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'hotswap' has no attribute {name!r}")
    value = getattr(import_module(f"hotswap.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
