"""The HTTP client of the service. Imports no other package of ours, so it installs alone."""

from hotswap._version import __version__
from hotswap.errors import ClientError, ProblemReply, ReplyNotUnderstood, ServiceUnreachable
from hotswap.files.run import PredictedFile, predict_file
from hotswap.registry import UNSET, Registry
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
    "Uploaded",
    "__version__",
    "load_scorer",
    "predict_file",
]
