"""The HTTP client of the service. Imports no other package of ours, so it installs alone."""

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
