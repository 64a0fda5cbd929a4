"""A class for each type of problem that the service has, under the class of its status.

Their names are those of the service's types: ``/problems/version-not-found`` is VersionNotFound. A
type that is not here comes as the class of its status.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from client.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    ProblemReply,
    Refused,
    StorageFull,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedFormat,
)
from client.replies import Gate


class NameMalformed(BadRequest):
    """A model name outside the grammar."""


class AliasMalformed(BadRequest):
    """An alias outside the grammar, or reserved."""


class ReferenceMalformed(BadRequest):
    """Neither a version number nor an alias."""


class ParameterMalformed(BadRequest):
    """A query parameter that cannot be read."""


class BodyMalformed(BadRequest):
    """Bytes that are not what their content type says."""


class HostRefused(BadRequest):
    """The service does not answer to the host name of this URL."""


class IdempotencyKeyMalformed(BadRequest):
    """A key that is empty, too long or not printable ASCII."""


class ScopeMissing(Forbidden):
    """The token lacks the scope that this needs."""


class ModelForbidden(Forbidden):
    """The token is limited to other models."""


class ModelNotFound(NotFound):
    """There is no such model."""


class VersionNotFound(NotFound):
    """There is no such version, or it is archived."""


class AliasNotFound(NotFound):
    """There is no such alias."""


class HoldoutNotFound(NotFound):
    """The model has no holdout."""


class TokenNotFound(NotFound):
    """There is no such token."""


class NotAcceptable(ProblemReply):
    """406: no answer in a format that was asked for."""


class FormatUnsupported(UnsupportedFormat):
    """A content type or an artifact format that the service does not take."""


class CodingUnsupported(FormatUnsupported):
    """The body has a content coding that the service does not decode."""


class NameTaken(Conflict):
    """A model of that name, but for upper and lower case, is there."""


class ModelArchived(Conflict):
    """The model is archived."""


class VersionNotReady(Conflict):
    """The version cannot answer."""


class VersionHasAlias(Conflict):
    """The version cannot be archived while an alias points at it."""


class ExpectedVersionConflict(Conflict):
    """The alias does not point at what was expected."""


class NothingToRollBackTo(Conflict):
    """The alias has never pointed anywhere else."""


class VersionNotLoadable(Conflict):
    """The version could not be loaded and warmed; the one before serves on."""


class LastAdminToken(Conflict):
    """Without this token nobody could administer the service."""


class IdempotencyKeyReused(Conflict):
    """The key stood for another request."""


class GateFailed(Conflict):
    """A condition of the promotion does not hold; nothing has changed."""

    @property
    def gates(self) -> list[Gate]:
        """Every condition with its figures, those that hold as well."""
        gates = self.problem.get("gates")
        return cast(list[Gate], gates) if isinstance(gates, list) else []


class ChampionMoved(Conflict):
    """What the gates are measured against changed again and again meanwhile."""


class BodyRefused(Refused):
    """A body with keys or values that are not asked."""


class MetadataRefused(Refused):
    """What an upload says of its artifact cannot be."""


class ArtifactRefused(Refused):
    """The artifact cannot be served."""


class GateMalformed(Refused):
    """A condition that is not understood."""


class GateRefused(Refused):
    """A condition that this model cannot have, such as a metric of another task."""


class HoldoutRefused(Refused):
    """A table that versions of the model cannot be measured on."""


class InputRefused(Refused):
    """Rows that do not fit the model's signature."""


class NoProbabilities(Refused):
    """The model has no probabilities to give."""


class PredictionRefused(Refused):
    """The model itself cannot answer these rows."""


class PredictionTimedOut(Refused):
    """The model took longer for these rows than the service allows."""


class TokenRefused(Refused):
    """A token with such scopes or such an expiry cannot be made."""


class RateLimited(TooManyRequests):
    """One token, too many requests."""


class TooManyFailures(TooManyRequests):
    """One address, too many tokens that are not valid."""


class DatabaseBusy(Unavailable):
    """Another writer holds the database."""


class DatabaseUnavailable(Unavailable):
    """The database cannot be read or written."""


class StorageUnavailable(Unavailable):
    """The disk cannot be read or written."""


class BlobsBusy(Unavailable):
    """A backup or a removal of unused bytes is under way."""


class IntakeUnavailable(Unavailable):
    """The process that inspects uploads is not there."""


class IntakeBusy(Unavailable):
    """As many uploads as can be are being inspected."""


class ModelProcessUnavailable(Unavailable):
    """The process that answers for this version is not there."""


class ScoringBusy(Unavailable):
    """As many versions as can be are being measured."""


class VersionLoading(Unavailable):
    """The version is being loaded."""


class VersionUnavailable(Unavailable):
    """The version could not be loaded; the service tries again from time to time."""


class NotReady(Unavailable):
    """This worker cannot take traffic yet."""


class Draining(Unavailable):
    """The service is being stopped."""


class Overloaded(Unavailable):
    """More requests at once than the service takes."""


class BodyUnfinished(Unavailable):
    """The worker stopped before the body had arrived."""


class OpenFilesExhausted(Unavailable):
    """The operating system lets the worker open no more files."""


class WorkerFull(Unavailable):
    """The worker decodes as many large bodies as its memory for them allows."""


class BlobUnavailable(Unavailable):
    """The artifact's bytes cannot be read."""


class BlobMissing(BlobUnavailable):
    """The artifact's bytes are not there."""


class BlobDamaged(BlobUnavailable):
    """The artifact's bytes are not those that were uploaded."""


_BY_STATUS: dict[int, type[ProblemReply]] = {
    400: BadRequest,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    406: NotAcceptable,
    409: Conflict,
    413: TooLarge,
    415: UnsupportedFormat,
    422: Refused,
    429: TooManyRequests,
    503: Unavailable,
    507: StorageFull,
}


def problem_reply(
    problem: Mapping[str, Any], status: int, retry_after: float | None = None
) -> ProblemReply:
    """The error for ``problem``: the class of its type, else that of its status."""
    plain = _BY_STATUS.get(status, ProblemReply)
    slug = str(problem.get("type", "")).rstrip("/").rpartition("/")[2]
    named = BY_SLUG.get(slug, plain)
    kind = named if issubclass(named, plain) else plain
    return kind(problem, status, retry_after=retry_after)


def _kinds(base: type[ProblemReply]) -> Iterator[type[ProblemReply]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)


BY_SLUG = {
    re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower(): kind for kind in _kinds(ProblemReply)
}
"""Every class by the last part of its type."""
