"""Everything that can go wrong in the registry, one class for each. Import them from here.

    RegistryError
    ├── Malformed                 the request does not have the form that it claims
    │   ├── NameMalformed             a model name outside the grammar
    │   ├── AliasMalformed            an alias outside the grammar, or reserved
    │   ├── ReferenceMalformed        neither a version number nor an alias
    │   ├── ParameterMalformed        a query parameter that cannot be read
    │   │   └── SearchMalformed           a filter or an order of a search
    │   ├── BodyMalformed             bytes that do not match their content type
    │   ├── PathMalformed             a path of an uploaded file
    │   ├── HostRefused               a Host header that is missing, malformed or not allowed
    │   ├── IdempotencyKeyMalformed
    │   └── RequestKeyMalformed       a key that a version of a split cannot be chosen by
    ├── Unauthenticated           no token, or an invalid one
    │   └── SignInRequired            no session of the console, or one that has ended
    ├── Forbidden
    │   ├── CrossSiteRequest          a change that a page of another site sent to the console
    │   ├── SignInLinkRefused         a link that was used, has expired, or was opened elsewhere
    │   ├── ScopeMissing
    │   └── ModelForbidden
    ├── NotFound
    │   ├── ModelNotFound
    │   ├── VersionNotFound
    │   ├── FormNotFound              a compiled form that the version does not have
    │   ├── AliasNotFound
    │   ├── SplitNotFound             an alias that is not split
    │   ├── PlotNotFound
    │   ├── HoldoutNotFound
    │   ├── VerdictNotFound           gates that were not evaluated since something changed
    │   ├── RolloutNotFound
    │   ├── UploadNotFound            a file of another protocol's artifacts
    │   ├── NotServed                 an address of another protocol behind which nothing answers
    │   ├── WebhookNotFound
    │   ├── DeliveryNotFound
    │   ├── AlertNotFound
    │   ├── HostNotFound
    │   └── TokenNotFound
    ├── NotAcceptable             no format of the response that the caller accepts
    ├── BodyTooSlow               a body that takes too long to arrive
    ├── LengthRequired            a body of unknown length, which this server cannot check
    ├── TooLarge
    ├── FormatUnsupported
    │   └── CodingUnsupported         a content coding that is not decoded
    ├── Conflict
    │   ├── NameTaken
    │   ├── VersionNumberTaken        a version of this or a larger number was registered
    │   ├── AliasTaken                an alias that differs only in case is there
    │   ├── ModelArchived
    │   ├── VersionNotReady
    │   ├── VersionHasAlias
    │   ├── ExpectedVersionConflict
    │   ├── ExpectedGenerationConflict
    │   ├── SplitActive               a promotion of a version that is none of the split
    │   ├── NothingToRollBackTo
    │   ├── VersionNotLoadable
    │   ├── HostNotAlone              a host that is to be the only one, beside others
    │   ├── HostReplaced              another service joined as a host of the same name
    │   ├── PromotionAbandoned        prepared for too long, or ended by another process
    │   ├── GateFailed                the version did not pass a gate, so it was not promoted
    │   ├── ChampionMoved             the alias, policy or holdout changed during the evaluation
    │   ├── RolloutActive             a rollout of another version or plan is in progress
    │   ├── SplitInTheWay             a rollout to an alias that is split by hand
    │   ├── RolloutCoolingDown        a version that was rolled back within the last 24 hours
    │   ├── RolloutStateConflict      a verb that the state of the rollout does not allow
    │   ├── RolloutChanged            not the revision that the caller has seen
    │   ├── PolicyConflict            the gates are not those that the caller wants to replace
    │   ├── DescriptionConflict       not the description that the caller wants to replace
    │   ├── UploadsFull               too many uploaded files that are not versions
    │   ├── IdempotencyKeyReused
    │   ├── TokenShown                a repeated request: its value is not stored
    │   ├── LastAdminToken            without it no other could be created
    │   ├── TooManyWebhooks
    │   ├── WebhookDisabled
    │   ├── BucketForeign             a bucket whose objects the database does not know
    │   ├── BlobsElsewhere            a place that has none of the artifacts of the database
    │   ├── BackupRefused             a backup that cannot be written, or not be restored there
    │   ├── MoveRefused               a registry that cannot be moved to that database
    │   └── DataDirectoryRefused      a directory that cannot be served or restored into
    ├── Refused                   well-formed, but not acceptable
    │   ├── BodyRefused               a request body with unknown keys or invalid values
    │   ├── MetadataRefused
    │   ├── ArtifactRefused
    │   ├── GateMalformed             a condition outside the gate language
    │   ├── GuardMalformed            a condition outside the guard language
    │   ├── PlanMalformed             a plan of a rollout that cannot be read
    │   ├── RolloutRefused            a rollout of the version that the alias points at
    │   ├── GateRefused               a condition that this model can never meet
    │   ├── SplitRefused              weights that an alias cannot be split by
    │   ├── HoldoutRefused            a table that no version can be evaluated on
    │   ├── InputRefused
    │   ├── NoProbabilities
    │   ├── InputsRequireCsv
    │   ├── NoScores
    │   ├── NotOffered                a call of another protocol that this service does not have
    │   ├── PredictionRefused
    │   ├── PredictionTimedOut        rows that take longer than one request may
    │   ├── BackupDamaged             a backup that does not match its manifest
    │   ├── WebhookRefused
    │   ├── AddressRefused            an address that webhooks must not reach
    │   └── TokenRefused
    ├── TooManyRequests           slow down
    │   ├── RateLimited               too many requests with one token
    │   └── TooManyFailures           too many invalid tokens from one address
    ├── Unavailable               try again later
    │   ├── DatabaseBusy
    │   ├── DatabaseUnavailable
    │   ├── DatabaseReadOnly          a standby, or a server that is set so
    │   ├── StorageUnavailable
    │   │   └── BucketUnavailable         the bucket of the artifacts does not answer, or refuses
    │   │       └── BucketMissing             there is no such bucket
    │   ├── UploadExpired             bytes that may have been removed before their row was written
    │   ├── IntakeUnavailable
    │   ├── BlobsBusy                 a backup and a removal of unused blobs exclude each other
    │   ├── IntakeBusy
    │   ├── ModelProcessUnavailable
    │   ├── ScoringBusy
    │   ├── VersionLoading
    │   ├── VersionUnavailable
    │   ├── LeaseOver                 a host that does not know what is live at present
    │   ├── NotReady
    │   ├── Draining
    │   ├── Overloaded
    │   ├── BodyUnfinished            a body that was arriving when its worker stopped
    │   ├── OpenFilesExhausted        the operating system lets this worker open no more files
    │   ├── WebhookKeyUnavailable     the key that signs messages cannot be read or written
    │   ├── WorkerFull                the bodies being decoded use all the memory for them
    │   └── BlobUnavailable
    │       ├── BlobMissing
    │       └── BlobDamaged
    ├── StorageFull
    ├── SchemaMismatch            the database belongs to another release
    ├── NetworkFileSystem         SQLite on a file system whose locks are unreliable
    └── HistoryBroken             the hash chain does not verify
        └── HistoryReplaced           the database has lost events that this host has read

Each class builds its own message. The HTTP status is the API's business (``api/problems.py``).
"""

from registry.errors.access import (
    CrossSiteRequest,
    LastAdminToken,
    ModelForbidden,
    RateLimited,
    ScopeMissing,
    SignInLinkRefused,
    SignInRequired,
    TokenNotFound,
    TokenRefused,
    TokenShown,
    TooManyFailures,
)
from registry.errors.alerts import AlertNotFound
from registry.errors.backups import BackupDamaged, BackupRefused, DataDirectoryRefused
from registry.errors.base import (
    BodyTooSlow,
    Conflict,
    Fault,
    Forbidden,
    FormatUnsupported,
    LengthRequired,
    Malformed,
    NotAcceptable,
    NotFound,
    Refused,
    RegistryError,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from registry.errors.hosts import HistoryReplaced, HostReplaced, PromotionAbandoned
from registry.errors.leases import HostNotAlone, HostNotFound, LeaseOver
from registry.errors.models import (
    AliasMalformed,
    AliasNotFound,
    AliasTaken,
    ArtifactRefused,
    DescriptionConflict,
    FormNotFound,
    MetadataRefused,
    ModelArchived,
    ModelNotFound,
    NameMalformed,
    NameTaken,
    PlotNotFound,
    ReferenceMalformed,
    VersionHasAlias,
    VersionNotFound,
    VersionNotReady,
    VersionNumberTaken,
)
from registry.errors.moves import MoveRefused
from registry.errors.predictions import (
    InputRefused,
    InputsRequireCsv,
    ModelProcessUnavailable,
    NoProbabilities,
    NoScores,
    PredictionRefused,
    PredictionTimedOut,
    VersionLoading,
    VersionUnavailable,
)
from registry.errors.promotions import (
    ChampionMoved,
    ExpectedGenerationConflict,
    ExpectedVersionConflict,
    GateFailed,
    GateMalformed,
    GateRefused,
    GuardMalformed,
    HoldoutNotFound,
    HoldoutRefused,
    NothingToRollBackTo,
    PolicyConflict,
    VerdictNotFound,
    VersionNotLoadable,
)
from registry.errors.quoting import printable, shown
from registry.errors.requests import (
    BodyMalformed,
    BodyRefused,
    CodingUnsupported,
    HostRefused,
    IdempotencyKeyMalformed,
    IdempotencyKeyReused,
    NotOffered,
    NotServed,
    ParameterMalformed,
    PathMalformed,
    RequestKeyMalformed,
    SearchMalformed,
    UploadNotFound,
    UploadsFull,
)
from registry.errors.rollouts import (
    PlanMalformed,
    RolloutActive,
    RolloutChanged,
    RolloutCoolingDown,
    RolloutNotFound,
    RolloutRefused,
    RolloutStateConflict,
    SplitInTheWay,
)
from registry.errors.splits import SplitActive, SplitNotFound, SplitRefused
from registry.errors.storage import (
    BlobDamaged,
    BlobMissing,
    BlobsBusy,
    BlobsElsewhere,
    BlobUnavailable,
    BucketForeign,
    BucketMissing,
    BucketUnavailable,
    DatabaseBusy,
    DatabaseReadOnly,
    DatabaseUnavailable,
    HistoryBroken,
    NetworkFileSystem,
    SchemaMismatch,
    StorageFull,
    StorageUnavailable,
    UploadExpired,
)
from registry.errors.webhooks import (
    AddressRefused,
    DeliveryNotFound,
    TooManyWebhooks,
    WebhookDisabled,
    WebhookKeyUnavailable,
    WebhookNotFound,
    WebhookRefused,
)
from registry.errors.workers import (
    BodyUnfinished,
    Draining,
    IntakeBusy,
    IntakeUnavailable,
    NotReady,
    OpenFilesExhausted,
    Overloaded,
    ScoringBusy,
    WorkerFull,
)

__all__ = [
    "AddressRefused",
    "AlertNotFound",
    "AliasMalformed",
    "AliasNotFound",
    "AliasTaken",
    "ArtifactRefused",
    "BackupDamaged",
    "BackupRefused",
    "BlobDamaged",
    "BlobMissing",
    "BlobUnavailable",
    "BlobsBusy",
    "BlobsElsewhere",
    "BodyMalformed",
    "BodyRefused",
    "BodyTooSlow",
    "BodyUnfinished",
    "BucketForeign",
    "BucketMissing",
    "BucketUnavailable",
    "ChampionMoved",
    "CodingUnsupported",
    "Conflict",
    "CrossSiteRequest",
    "DataDirectoryRefused",
    "DatabaseBusy",
    "DatabaseReadOnly",
    "DatabaseUnavailable",
    "DeliveryNotFound",
    "DescriptionConflict",
    "Draining",
    "ExpectedGenerationConflict",
    "ExpectedVersionConflict",
    "Fault",
    "Forbidden",
    "FormNotFound",
    "FormatUnsupported",
    "GateFailed",
    "GateMalformed",
    "GateRefused",
    "GuardMalformed",
    "HistoryBroken",
    "HistoryReplaced",
    "HoldoutNotFound",
    "HoldoutRefused",
    "HostNotAlone",
    "HostNotFound",
    "HostRefused",
    "HostReplaced",
    "IdempotencyKeyMalformed",
    "IdempotencyKeyReused",
    "InputRefused",
    "InputsRequireCsv",
    "IntakeBusy",
    "IntakeUnavailable",
    "LastAdminToken",
    "LeaseOver",
    "LengthRequired",
    "Malformed",
    "MetadataRefused",
    "ModelArchived",
    "ModelForbidden",
    "ModelNotFound",
    "ModelProcessUnavailable",
    "MoveRefused",
    "NameMalformed",
    "NameTaken",
    "NetworkFileSystem",
    "NoProbabilities",
    "NoScores",
    "NotAcceptable",
    "NotFound",
    "NotOffered",
    "NotReady",
    "NotServed",
    "NothingToRollBackTo",
    "OpenFilesExhausted",
    "Overloaded",
    "ParameterMalformed",
    "PathMalformed",
    "PlanMalformed",
    "PlotNotFound",
    "PolicyConflict",
    "PredictionRefused",
    "PredictionTimedOut",
    "PromotionAbandoned",
    "RateLimited",
    "ReferenceMalformed",
    "Refused",
    "RegistryError",
    "RequestKeyMalformed",
    "RolloutActive",
    "RolloutChanged",
    "RolloutCoolingDown",
    "RolloutNotFound",
    "RolloutRefused",
    "RolloutStateConflict",
    "SchemaMismatch",
    "ScopeMissing",
    "ScoringBusy",
    "SearchMalformed",
    "SignInLinkRefused",
    "SignInRequired",
    "SplitActive",
    "SplitInTheWay",
    "SplitNotFound",
    "SplitRefused",
    "StorageFull",
    "StorageUnavailable",
    "TokenNotFound",
    "TokenRefused",
    "TokenShown",
    "TooLarge",
    "TooManyFailures",
    "TooManyRequests",
    "TooManyWebhooks",
    "Unauthenticated",
    "Unavailable",
    "UploadExpired",
    "UploadNotFound",
    "UploadsFull",
    "VerdictNotFound",
    "VersionHasAlias",
    "VersionLoading",
    "VersionNotFound",
    "VersionNotLoadable",
    "VersionNotReady",
    "VersionNumberTaken",
    "VersionUnavailable",
    "WebhookDisabled",
    "WebhookKeyUnavailable",
    "WebhookNotFound",
    "WebhookRefused",
    "WorkerFull",
    "printable",
    "shown",
]
