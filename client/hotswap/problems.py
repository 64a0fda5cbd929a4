"""A class for each type of problem that the service has, under the class of its status.

Each is named after the service's type: ``/problems/version-not-found`` is VersionNotFound. An
unknown type becomes the class of its status.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from hotswap.errors import (
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
from hotswap.replies import Gate


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
    """The service does not serve the host name of this URL."""


class IdempotencyKeyMalformed(BadRequest):
    """A key that is empty, too long or not printable ASCII."""


class RequestKeyMalformed(BadRequest):
    """An X-Request-Key that is empty or too long."""


class ScopeMissing(Forbidden):
    """The token lacks the scope that this needs."""


class ModelForbidden(Forbidden):
    """The token is limited to other models."""


class VerdictNotFound(NotFound):
    """The gates were not evaluated since something that they depend on changed."""


class ModelNotFound(NotFound):
    """There is no such model."""


class VersionNotFound(NotFound):
    """There is no such version, or it is archived."""


class FormNotFound(NotFound):
    """The version has no compiled form of this name."""


class PlotNotFound(NotFound):
    """The evaluation of the version has no data for the plot."""


class AliasNotFound(NotFound):
    """There is no such alias."""


class SplitNotFound(NotFound):
    """The alias is not split."""


class HoldoutNotFound(NotFound):
    """The model has no holdout."""


class RolloutNotFound(NotFound):
    """There was no rollout under this alias."""


class RolloutActive(Conflict):
    """A rollout of another version, or by another plan, is in progress."""


class SplitInTheWay(Conflict):
    """The alias is split, so no rollout can start."""


class RolloutCoolingDown(Conflict):
    """The version was rolled back under this alias recently."""


class RolloutStateConflict(Conflict):
    """The state of the rollout does not allow this."""


class RolloutChanged(Conflict):
    """The rollout is not at the expected revision."""


class RolloutRefused(Refused):
    """The alias points at the version already."""


class PlanMalformed(Refused):
    """A plan with invalid parts; ``errors`` names each."""


class WebhookNotFound(NotFound):
    """No such webhook."""


class DeliveryNotFound(NotFound):
    """No such message to the webhook."""


class WebhookRefused(Refused):
    """A webhook with an address or patterns that are not acceptable; ``errors`` names each."""


class WebhookDisabled(Conflict):
    """Nothing is sent to a webhook that is disabled."""


class TooManyWebhooks(Conflict):
    """There are as many webhooks as there may be."""


class AlertNotFound(NotFound):
    """No such alert, or of a model that the token does not cover."""


class TokenNotFound(NotFound):
    """There is no such token."""


class HostNotFound(NotFound):
    """No such host uses the database."""


class NotAcceptable(ProblemReply):
    """406: no response in an accepted format."""


class FormatUnsupported(UnsupportedFormat):
    """A content type or an artifact format that the service does not accept."""


class CodingUnsupported(FormatUnsupported):
    """The body has a content coding that the service does not decode."""


class NameTaken(Conflict):
    """A model exists whose name differs only in upper and lower case."""


class VersionNumberTaken(Conflict):
    """The model has had a version of this or a larger number."""


class AliasTaken(Conflict):
    """The model has an alias whose name differs only in upper and lower case."""


class ModelArchived(Conflict):
    """The model is archived."""


class VersionNotReady(Conflict):
    """The version cannot serve."""


class VersionHasAlias(Conflict):
    """The version cannot be archived while an alias points at it."""


class ExpectedVersionConflict(Conflict):
    """The alias does not point at what was expected."""


class ExpectedGenerationConflict(Conflict):
    """An alias of the model was changed since the generation that was expected."""


class SplitActive(Conflict):
    """The alias is split, and the promoted version is none of those that it is split over."""


class HistoryBroken(Conflict):
    """The hash chain of the history does not verify."""


class NothingToRollBackTo(Conflict):
    """The alias has never pointed anywhere else."""


class VersionNotLoadable(Conflict):
    """The version could not be loaded and warmed; the previous one keeps serving."""


class LastAdminToken(Conflict):
    """Without this token, the service could not be administered."""


class IdempotencyKeyReused(Conflict):
    """The key was used for another request."""


class GateFailed(Conflict):
    """A gate of the promotion fails; nothing has changed."""

    @property
    def gates(self) -> list[Gate]:
        """Every gate with its figures, including those that pass."""
        gates = self.problem.get("gates")
        return cast(list[Gate], gates) if isinstance(gates, list) else []


class ChampionMoved(Conflict):
    """The champion, the policy or the holdout changed repeatedly during the measurement."""


class PromotionAbandoned(Conflict):
    """The promotion was prepared for too long, or was ended meanwhile; nothing has changed."""


class BodyRefused(Refused):
    """A body with unknown keys or invalid values."""


class MetadataRefused(Refused):
    """The metadata of an upload is invalid."""


class ArtifactRefused(Refused):
    """The artifact cannot be served."""


class GateMalformed(Refused):
    """A gate that cannot be parsed."""


class GuardMalformed(Refused):
    """A guard that cannot be parsed."""


class GateRefused(Refused):
    """A gate that this model cannot have, such as a metric of another task."""


class SplitRefused(Refused):
    """Weights that an alias cannot be split by."""


class HoldoutRefused(Refused):
    """Data that versions of the model cannot be measured on."""


class InputRefused(Refused):
    """Rows that do not fit the model's signature."""


class NoProbabilities(Refused):
    """The model has no probabilities."""


class InputsRequireCsv(Refused):
    """The rows of a request were required in a reply that is not CSV."""


class NoScores(Refused):
    """The model has no scores: it does not detect outliers."""


class PredictionRefused(Refused):
    """The model cannot predict these rows."""


class PredictionTimedOut(Refused):
    """The model took longer for these rows than the service allows."""


class TokenRefused(Refused):
    """A token with these scopes or this expiry cannot be created."""


class RateLimited(TooManyRequests):
    """Too many requests with one token."""


class TooManyFailures(TooManyRequests):
    """Too many invalid tokens from one address."""


class DatabaseBusy(Unavailable):
    """Another writer holds the database."""


class DatabaseUnavailable(Unavailable):
    """The database cannot be read or written."""


class DatabaseReadOnly(Unavailable):
    """The database accepts no changes: it is a standby, or set to be read only."""


class StorageUnavailable(Unavailable):
    """The disk cannot be read or written."""


class BucketUnavailable(StorageUnavailable):
    """The bucket of the artifacts cannot be read or written."""


class BucketMissing(BucketUnavailable):
    """The bucket of the artifacts does not exist."""


class UploadExpired(Unavailable):
    """The upload took so long that its bytes may have been removed; nothing was registered."""


class LeaseOver(Unavailable):
    """This host does not know what is live: it is still starting, has not reached the database for
    too long, or has to be started again."""


class BlobsBusy(Unavailable):
    """A backup or a garbage collection is in progress."""


class IntakeUnavailable(Unavailable):
    """The process that inspects uploads is not running."""


class IntakeBusy(Unavailable):
    """The limit of uploads inspected at a time is reached."""


class ModelProcessUnavailable(Unavailable):
    """The process that serves this version is not running."""


class ScoringBusy(Unavailable):
    """The limit of versions measured at a time is reached."""


class VersionLoading(Unavailable):
    """The version is being loaded."""


class VersionUnavailable(Unavailable):
    """The version could not be loaded; the service retries periodically."""


class NotReady(Unavailable):
    """This worker is not ready yet."""


class Draining(Unavailable):
    """The service is stopping."""


class Overloaded(Unavailable):
    """More concurrent requests than the service accepts."""


class BodyUnfinished(Unavailable):
    """The worker stopped before the body had arrived."""


class OpenFilesExhausted(Unavailable):
    """The worker has reached its limit of open files."""


class WorkerFull(Unavailable):
    """The worker's memory for decoding large bodies is in use."""


class WebhookKeyUnavailable(Unavailable):
    """The service cannot read or write the key that signs the messages of webhooks."""


class BlobUnavailable(Unavailable):
    """The artifact's bytes cannot be read."""


class BlobMissing(BlobUnavailable):
    """The artifact's bytes are missing."""


class BlobDamaged(BlobUnavailable):
    """The artifact's bytes differ from those that were uploaded."""


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
    class_ = named if issubclass(named, plain) else plain
    return class_(problem, status, retry_after=retry_after)


def reply_of_type(
    name: str, title: str, detail: str, errors: Sequence[Mapping[str, str]]
) -> ProblemReply:
    """The error that the service would answer with for its error ``name``, such as
    ``InputRefused``."""
    slug = _slug(name)
    kind = BY_SLUG.get(slug, Refused)
    status = next(status for status, base in _BY_STATUS.items() if issubclass(kind, base))
    problem = {"type": f"/problems/{slug}", "title": title, "detail": detail, "errors": errors}
    return problem_reply(problem, status)


def _slug(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def _subclasses(base: type[ProblemReply]) -> Iterator[type[ProblemReply]]:
    for class_ in base.__subclasses__():
        yield class_
        yield from _subclasses(class_)


BY_SLUG = {_slug(one.__name__): one for one in _subclasses(ProblemReply)}
"""Every class by the last part of its type."""
