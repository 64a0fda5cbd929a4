"""The HTTP client of the service. Imports nothing of ours, so that it can be installed alone."""

from client.errors import ClientError, ProblemReply, ReplyNotUnderstood, ServiceUnreachable
from client.registry import UNSET, Registry
from client.replies import Uploaded
from client.retries import Retries

__all__ = [
    "UNSET",
    "ClientError",
    "ProblemReply",
    "Registry",
    "ReplyNotUnderstood",
    "Retries",
    "ServiceUnreachable",
    "Uploaded",
]
