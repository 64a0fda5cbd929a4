"""Everything that can go wrong in the registry, one class for each.

    RegistryError
    ├── Malformed                 the request is not of the form it claims
    │   ├── NameMalformed             a model name outside the grammar
    │   ├── AliasMalformed            an alias outside the grammar, or reserved
    │   ├── ReferenceMalformed        neither a version number nor an alias
    │   ├── ParameterMalformed        a query parameter that cannot be read
    │   ├── BodyMalformed             bytes that are not what their content type says
    │   ├── HostRefused               a Host header that is missing, malformed or not ours
    │   └── IdempotencyKeyMalformed
    ├── Unauthenticated           no token, or none that is valid
    ├── Forbidden
    │   ├── ScopeMissing
    │   └── ModelForbidden
    ├── NotFound
    │   ├── ModelNotFound
    │   ├── VersionNotFound
    │   ├── AliasNotFound
    │   ├── HoldoutNotFound
    │   └── TokenNotFound
    ├── NotAcceptable             no answer in a format that the caller takes
    ├── BodyTooSlow               a body that takes too long to arrive
    ├── LengthRequired            a body of unknown length, which this server cannot check
    ├── TooLarge
    ├── FormatUnsupported
    │   └── CodingUnsupported         a content coding that is not decoded
    ├── Conflict
    │   ├── NameTaken
    │   ├── ModelArchived
    │   ├── VersionNotReady
    │   ├── VersionHasAlias
    │   ├── ExpectedVersionConflict
    │   ├── NothingToRollBackTo
    │   ├── VersionNotLoadable
    │   ├── GateFailed                a gate keeps the version from being promoted
    │   ├── ChampionMoved             what the gates compared with kept changing
    │   ├── IdempotencyKeyReused
    │   ├── LastAdminToken            without it nobody could make another
    │   ├── BackupRefused             no backup can be made there, or not of this
    │   └── DataDirectoryRefused      nothing can be restored or served there
    ├── Refused                   well-formed, but not acceptable
    │   ├── BodyRefused               a request body with keys or values that are not asked
    │   ├── MetadataRefused
    │   ├── ArtifactRefused
    │   ├── GateMalformed             a condition that is not of the language of gates
    │   ├── GateRefused               a condition that this model can never meet
    │   ├── HoldoutRefused            a table that no version can be measured on
    │   ├── InputRefused
    │   ├── NoProbabilities
    │   ├── PredictionRefused
    │   ├── BackupDamaged             a backup that is not what it says of itself
    │   └── TokenRefused
    ├── TooManyRequests           slow down
    │   ├── RateLimited               one token, too many requests
    │   └── TooManyFailures           one address, too many tokens that are not valid
    ├── Unavailable               try again later
    │   ├── DatabaseBusy
    │   ├── DatabaseUnavailable
    │   ├── StorageUnavailable
    │   ├── IntakeUnavailable
    │   ├── BlobsBusy                 a backup and a removal of unused blobs exclude each other
    │   ├── IntakeBusy
    │   ├── ModelProcessUnavailable
    │   ├── PredictionTimedOut        a batch took longer than one request may
    │   ├── ScoringBusy
    │   ├── VersionLoading
    │   ├── VersionUnavailable
    │   ├── NotReady
    │   ├── Draining
    │   ├── Overloaded
    │   ├── BodyUnfinished            a body that was arriving when its worker stopped
    │   ├── OpenFilesExhausted        the operating system lets this worker open no more
    │   ├── WorkerFull                the bodies being decoded take all the memory for them
    │   └── BlobUnavailable
    │       ├── BlobMissing
    │       └── BlobDamaged
    ├── StorageFull
    ├── SchemaMismatch            the database belongs to another release
    ├── NetworkFileSystem         SQLite where it cannot be trusted
    └── HistoryBroken             the hash chain does not hold

Each class builds its own message; what it becomes over HTTP is the API's business.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One field at fault: where it is (``instances[3].income``) and what is wrong with it."""

    at: str
    message: str


class RegistryError(Exception):
    """Base of all. ``title`` is the same for every instance, ``detail`` says what happened."""

    title: ClassVar[str] = "The registry refused"

    def __init__(self, detail: str, faults: Iterable[Fault] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return self.detail


class Malformed(RegistryError):
    title = "Malformed request"


class NameMalformed(Malformed):
    title = "Malformed model name"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{shown(name)} is no model name: 1 to 128 letters, digits, '.', '_' or '-', "
            "the first a letter or digit."
        )


class AliasMalformed(Malformed):
    title = "Malformed alias"

    def __init__(self, alias: str, why: str) -> None:
        super().__init__(f"{shown(alias)} cannot be an alias: {why}.")


class ReferenceMalformed(Malformed):
    title = "Malformed version reference"

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"{shown(reference)} is no version: give a number from 1, an alias or 'latest'."
        )


class ParameterMalformed(Malformed):
    title = "Malformed query parameter"

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(
            f"The query parameter '{parameter}': {message}", [Fault(parameter, message)]
        )


class BodyMalformed(Malformed):
    title = "Malformed body"


class HostRefused(Malformed):
    title = "Host refused"

    def __init__(self, host: str) -> None:
        if host:
            super().__init__(
                f"This service does not answer for the host {shown(host)}. An operator can add it "
                "to HOTSWAP_ALLOWED_HOSTS."
            )
        else:
            super().__init__("The request names no host: send one Host header.")


class IdempotencyKeyMalformed(Malformed):
    title = "Malformed idempotency key"

    def __init__(self) -> None:
        super().__init__("An Idempotency-Key is 1 to 200 printable ASCII characters.")


class Unauthenticated(RegistryError):
    title = "Authentication needed"

    @classmethod
    def missing(cls) -> "Unauthenticated":
        return cls("This needs a token: send 'Authorization: Bearer hsw_…'.")

    @classmethod
    def invalid(cls) -> "Unauthenticated":
        return cls("The token is not valid: unknown, expired or revoked.")


class Forbidden(RegistryError):
    title = "Not allowed"


class ScopeMissing(Forbidden):
    title = "Scope missing"

    def __init__(self, scope: str) -> None:
        super().__init__(f"The token lacks the scope '{scope}'. Ask an admin for one that has it.")


class ModelForbidden(Forbidden):
    title = "Model not allowed"

    def __init__(self, model: str) -> None:
        super().__init__(f"The token is limited to other models than {shown(model)}.")


class NotFound(RegistryError):
    title = "Not found"


class ModelNotFound(NotFound):
    title = "Model not found"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no model {shown(name)}.")


class VersionNotFound(NotFound):
    title = "Version not found"

    def __init__(self, model: str, reference: object) -> None:
        super().__init__(f"Model '{model}' has no version {shown(str(reference))}.")

    @classmethod
    def archived(cls, model: str, number: int) -> "VersionNotFound":
        error = cls(model, number)
        error.detail = f"Version {number} of '{model}' is archived: it can be read, not used."
        return error


class AliasNotFound(NotFound):
    title = "Alias not found"

    def __init__(self, model: str, alias: str) -> None:
        super().__init__(f"Model '{model}' has no alias {shown(alias)}.")


class HoldoutNotFound(NotFound):
    title = "Holdout not found"

    def __init__(self, model: str) -> None:
        super().__init__(f"Model '{model}' has no holdout.")


class TokenNotFound(NotFound):
    title = "Token not found"

    def __init__(self, token_id: object) -> None:
        super().__init__(f"There is no token with the id {token_id}.")


class NotAcceptable(RegistryError):
    title = "Not acceptable"

    def __init__(self, offered: Iterable[str]) -> None:
        super().__init__(f"The answer can be had as {', '.join(offered)}; Accept takes none.")


class TooLarge(RegistryError):
    title = "Too large"

    def __init__(self, what: str, limit: str, setting: str | None = None) -> None:
        advice = f" An operator can raise {setting}." if setting else ""
        super().__init__(f"{what} is larger than the {limit} that are allowed.{advice}")


class BodyTooSlow(RegistryError):
    title = "Body too slow"

    def __init__(self, bytes_per_second: int, seconds: float) -> None:
        super().__init__(
            f"The body arrived with less than {bytes_per_second} bytes a second for {seconds:g} s."
        )


class LengthRequired(RegistryError):
    title = "Length required"

    def __init__(self) -> None:
        super().__init__(
            "This server cannot check that a body in chunks is whole. Send a Content-Length. An "
            "operator can install a C compiler and then the service again."
        )


class FormatUnsupported(RegistryError):
    title = "Format not supported"


class CodingUnsupported(FormatUnsupported):
    """``accepted`` are the codings that a body may have."""

    title = "Content coding not supported"

    def __init__(self, coding: str, accepted: Iterable[str]) -> None:
        self.accepted = tuple(accepted)
        super().__init__(
            f"The Content-Encoding must be one of {', '.join(self.accepted)} or be left out; it is "
            f"{shown(coding)}."
        )


class Conflict(RegistryError):
    title = "Conflict"


class NameTaken(Conflict):
    title = "Name taken"

    def __init__(self, name: str, holder: str) -> None:
        super().__init__(
            f"The name '{name}' is taken by '{holder}': names are unique whatever the case."
        )


class ModelArchived(Conflict):
    title = "Model archived"

    def __init__(self, name: str) -> None:
        super().__init__(f"Model '{name}' is archived; its name stays taken.")


class VersionNotReady(Conflict):
    title = "Version not ready"

    def __init__(self, model: str, number: int, status: str) -> None:
        super().__init__(f"Version {number} of '{model}' is {status}, not ready.")


class VersionHasAlias(Conflict):
    title = "Version has an alias"

    def __init__(self, model: str, number: int, aliases: Iterable[str]) -> None:
        named = ", ".join(f"'{alias}'" for alias in aliases)
        super().__init__(
            f"Version {number} of '{model}' is live as {named}: move or delete that alias first."
        )


class ExpectedVersionConflict(Conflict):
    title = "Alias has moved"

    def __init__(self, alias: str, expected: int | None, actual: int | None) -> None:
        is_at = f"points at version {actual}" if actual is not None else "does not exist"
        wanted = f"version {expected} was expected" if expected is not None else "none was expected"
        super().__init__(f"The alias '{alias}' {is_at}; {wanted}. Look again before you decide.")


class NothingToRollBackTo(Conflict):
    title = "Nothing to roll back to"

    def __init__(self, alias: str, to_version: int | None = None) -> None:
        if to_version is None:
            super().__init__(f"The alias '{alias}' has no earlier version in its history.")
        else:
            super().__init__(
                f"The alias '{alias}' never pointed at version {to_version}: promote it instead."
            )

    @classmethod
    def moved(cls, alias: str) -> "NothingToRollBackTo":
        error = cls(alias)
        error.detail = f"The alias '{alias}' was moved by somebody else meanwhile. Look again."
        return error


class VersionNotLoadable(Conflict):
    title = "Version cannot be loaded"

    def __init__(self, model: str, number: int, why: str) -> None:
        super().__init__(f"Version {number} of '{model}' cannot be loaded and warmed: {why}")


class GateFailed(Conflict):
    """``outcomes``: what became of every gate, as JSON."""

    title = "Gate failed"

    def __init__(self, model: str, number: int, outcomes: Sequence[Mapping[str, Any]]) -> None:
        shut = [outcome for outcome in outcomes if not outcome["passed"]]
        first = shut[0]
        why = f" ({first['reason']})" if first.get("reason") else ""
        more = f" and {len(shut) - 1} more" if len(shut) > 1 else ""
        super().__init__(
            f"Version {number} of '{model}' does not pass the gate {first['gate']!r}{why}{more}; "
            "nothing was changed."
        )
        self.outcomes = tuple(outcomes)


class ChampionMoved(Conflict):
    title = "Champion has moved"

    def __init__(self, alias: str) -> None:
        super().__init__(
            f"While the gates of '{alias}' were being measured, the alias, the policy or the "
            "holdout changed again and again; nothing was changed. Look again and repeat."
        )


class IdempotencyKeyReused(Conflict):
    title = "Idempotency key reused"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used for a different request. Use a new key for a new one."
        )


class LastAdminToken(Conflict):
    title = "Last admin token"

    def __init__(self) -> None:
        super().__init__(
            "No other token with the scope 'admin' and without a limit to models is valid for a "
            "day or for as long as this one. Make such a token first, then revoke this one."
        )


class BackupRefused(Conflict):
    title = "No backup made"

    @classmethod
    def other_database(cls) -> "BackupRefused":
        return cls(
            "This backup covers SQLite only. For PostgreSQL run pg_dump, and after it copy the "
            "folder 'blobs' of the data directory; let no 'hotswap gc' run in between."
        )

    @classmethod
    def taken(cls, target: Path) -> "BackupRefused":
        return cls(
            f"{target} is there already. A backup makes a folder of its own: name a new one."
        )

    @classmethod
    def unwritable(cls, target: Path, error: OSError) -> "BackupRefused":
        why = error.strerror or type(error).__name__
        return cls(f"The backup {target} could not be written ({why}); nothing of it was left.")

    @classmethod
    def full(cls, target: Path) -> "BackupRefused":
        return cls(f"There is no room for the backup {target}; nothing of it was left.")

    @classmethod
    def incomplete(cls, versions: Iterable[str]) -> "BackupRefused":
        return cls(
            f"Bytes are damaged or missing of: {', '.join(dict.fromkeys(versions))}. Upload the "
            "same files again or bring the bytes back from an earlier backup; --incomplete backs "
            "up the rest."
        )


class DataDirectoryRefused(Conflict):
    title = "Data directory refused"

    @classmethod
    def not_empty(cls, data: Path, found: Iterable[str]) -> "DataDirectoryRefused":
        return cls(
            f"{data} is not empty (it has {', '.join(sorted(found)[:5])}). A backup is restored "
            "into an empty or a new folder: move the old one away first."
        )

    @classmethod
    def served(cls, data: Path, workers: int) -> "DataDirectoryRefused":
        return cls(
            f"A service with {workers} workers serves {data}. Stop it, move the folder away, and "
            "restore into a new one."
        )

    @classmethod
    def being_restored(cls, data: Path) -> "DataDirectoryRefused":
        return cls(f"Another 'hotswap restore' is at work on {data}.")

    @classmethod
    def unfinished(cls, data: Path) -> "DataDirectoryRefused":
        return cls(
            f"A backup was being restored into {data} and that has not ended. Run 'hotswap "
            "restore' again, or wait for it."
        )

    @classmethod
    def writable_by_all(cls, path: Path) -> "DataDirectoryRefused":
        return cls(
            f"Every user of this machine may write to {path}, and its mode could not be changed. "
            f"Run 'chmod go-rwx {path}' as its owner, or use another data directory."
        )

    @classmethod
    def shared(cls, data: Path) -> "DataDirectoryRefused":
        return cls(
            f"All users of this machine share {data}, and nothing was changed there. Use a folder "
            "of its own as the data directory."
        )

    @classmethod
    def foreign(cls, data: Path, found: Iterable[str]) -> "DataDirectoryRefused":
        return cls(
            f"{data} has no registry, but other files ({', '.join(sorted(found)[:5])}). Nothing "
            "was changed there. Use an empty or a new folder as the data directory."
        )

    @classmethod
    def unwritable(cls, data: Path, error: OSError) -> "DataDirectoryRefused":
        why = error.strerror or type(error).__name__
        return cls(f"{data} could not be written ({why}); nothing was left there.")


class Refused(RegistryError):
    title = "Refused"


class BodyRefused(Refused):
    title = "Body refused"


class MetadataRefused(Refused):
    title = "Metadata refused"


class ArtifactRefused(Refused):
    title = "Artifact refused"


class GateMalformed(Refused):
    title = "Malformed gate"

    def __init__(self, message: str, faults: Iterable[Fault] = ()) -> None:
        super().__init__(f"A gate is not understood: {message}.", faults)


class GateRefused(Refused):
    title = "Gate refused"


class HoldoutRefused(Refused):
    title = "Holdout refused"


class InputRefused(Refused):
    title = "Input refused"


class NoProbabilities(Refused):
    title = "No probabilities"

    def __init__(self, model: str, number: int) -> None:
        super().__init__(f"Version {number} of '{model}' has no probabilities to give.")


class PredictionRefused(Refused):
    title = "No prediction"


class PredictionTimedOut(Refused):
    """It is no 503: the same rows take as long again, so a caller should not repeat them."""

    title = "Prediction took too long"

    def __init__(self, seconds: float, rows: int) -> None:
        super().__init__(
            f"The model took over {seconds:g} s for the rows of this request ({rows}), so it was "
            "stopped. Send fewer rows in a request."
        )


class BackupDamaged(Refused):
    title = "Backup damaged"

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(f"{folder} is not to be trusted as a backup: {why}.")


class TokenRefused(Refused):
    title = "Token refused"


class TooManyRequests(RegistryError):
    """``retry_after`` is in seconds."""

    title = "Too many requests"

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(f"{detail} Try again in {retry_after} s.")
        self.retry_after = retry_after


class RateLimited(TooManyRequests):
    title = "Rate limit reached"

    def __init__(self, per_second: int, retry_after: int) -> None:
        super().__init__(f"The token may send {per_second} requests a second.", retry_after)


class TooManyFailures(TooManyRequests):
    title = "Too many failed authentications"

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            "The token is not valid, and too many that were not came from this address.",
            retry_after,
        )


class Unavailable(RegistryError):
    """Something the service stands on is missing just now; ``retry_after`` is in seconds."""

    title = "Unavailable"
    retry_after: ClassVar[int] = 5


class DatabaseBusy(Unavailable):
    title = "Database busy"
    retry_after = 1

    def __init__(self) -> None:
        super().__init__("Another writer holds the database; nothing was changed. Try again.")


class DatabaseUnavailable(Unavailable):
    title = "Database unavailable"

    def __init__(self) -> None:
        # A fault in the very moment of the commit leaves open whether it happened.
        super().__init__(
            "The database cannot be reached. Try again; where that may not happen twice, with the "
            "same Idempotency-Key."
        )


class StorageUnavailable(Unavailable):
    title = "Storage unavailable"
    retry_after = 30

    def __init__(self, reason: str) -> None:
        super().__init__(f"The service cannot use its disk ({reason}); nothing was changed.")


class BlobsBusy(Unavailable):
    title = "Blobs busy"
    retry_after = 60

    def __init__(self) -> None:
        super().__init__(
            "A backup or another collection of garbage is at work on the blobs; nothing was "
            "changed. Try again when it is done."
        )


class IntakeUnavailable(Unavailable):
    title = "Intake unavailable"
    retry_after = 10

    def __init__(self) -> None:
        super().__init__(
            "The process that inspects uploads could not be started; nothing was changed."
        )


class IntakeBusy(Unavailable):
    title = "Too many uploads at once"
    retry_after = 10

    def __init__(self) -> None:
        super().__init__(
            "This worker inspects as many uploads as it can just now; nothing was changed. "
            "Try again."
        )


class ModelProcessUnavailable(Unavailable):
    title = "Model's process unavailable"
    retry_after = 5

    def __init__(self, why: str) -> None:
        super().__init__(f"The process that answers for this version is not to be had: {why}.")


class ScoringBusy(Unavailable):
    title = "Too many evaluations at once"
    retry_after = 10

    def __init__(self) -> None:
        super().__init__(
            "This worker measures as many versions as it can just now; nothing was changed. "
            "Try again."
        )


class VersionLoading(Unavailable):
    title = "Version is being loaded"
    retry_after = 5

    def __init__(self, model: str, number: int) -> None:
        super().__init__(f"Version {number} of '{model}' is still being loaded. Try again.")


class VersionUnavailable(Unavailable):
    """``why`` is what loading it came to; it is tried again from time to time."""

    title = "Version unavailable"
    retry_after = 30

    def __init__(self, model: str, number: int, why: str) -> None:
        self.why = why
        super().__init__(f"Version {number} of '{model}' cannot be loaded: {why}")


class NotReady(Unavailable):
    title = "Not ready"
    retry_after = 1

    def __init__(self, missing: Iterable[tuple[str, int]]) -> None:
        named = ", ".join(f"{model}/{number}" for model, number in missing)
        super().__init__(f"This worker has yet to load what is live: {named}.")


class Draining(Unavailable):
    title = "Stopping"
    retry_after = 1

    def __init__(self) -> None:
        super().__init__("This service is about to stop; it takes no new traffic.")


class Overloaded(Unavailable):
    title = "Too much at once"
    retry_after = 2

    def __init__(self) -> None:
        super().__init__("This worker receives as many of your bodies as it can. Try again.")


class BodyUnfinished(Unavailable):
    title = "Worker stopped"
    retry_after = 1

    def __init__(self) -> None:
        super().__init__("This worker stopped before the body had arrived. Send it again.")


class OpenFilesExhausted(Unavailable):
    title = "Too many open files"
    retry_after = 2

    def __init__(self) -> None:
        super().__init__(
            "This worker, or its machine, has as many files open as the operating system allows. "
            "Try again."
        )


class WorkerFull(Unavailable):
    title = "Too many large bodies at once"
    retry_after = 1

    def __init__(self) -> None:
        super().__init__(
            "This worker decodes as many large bodies as its memory for them allows"
            " (HOTSWAP_DECODING_MB). Try again."
        )


class BlobUnavailable(Unavailable):
    title = "Artifact unavailable"
    retry_after = 30


class BlobMissing(BlobUnavailable):
    title = "Artifact missing"

    def __init__(self, digest: str) -> None:
        super().__init__(f"The bytes with SHA-256 {digest} are missing from the blob store.")


class BlobDamaged(BlobUnavailable):
    title = "Artifact damaged"

    def __init__(self, digest: str) -> None:
        super().__init__(
            f"The bytes stored as SHA-256 {digest} no longer have that hash. They are put aside; "
            "upload the same file again to mend it."
        )


class StorageFull(RegistryError):
    title = "Storage full"

    def __init__(self) -> None:
        super().__init__("The service has no room left on its disk; nothing was changed.")


class SchemaMismatch(RegistryError):
    title = "Database of another release"


class NetworkFileSystem(RegistryError):
    title = "Database on a network file system"

    def __init__(self, type_: str) -> None:
        super().__init__(
            f"The SQLite database would stand on a network file system ({type_}), where its locks "
            "do not hold and it gets damaged. Point HOTSWAP_DATA at a folder on a local disk, or "
            "HOTSWAP_DATABASE_URL at a PostgreSQL server; with PostgreSQL the artifacts may stay "
            "on the network."
        )


class HistoryBroken(RegistryError):
    title = "History broken"


def shown(value: str, limit: int = 60) -> str:
    """A caller's own text, quoted and cut so that it is safe and short in a message."""
    return repr(value if len(value) <= limit else value[: limit - 1] + "…")


def printable(text: str, limit: int = 10_000) -> str:
    """The first ``limit`` letters of what an enemy may have written, fit for a line of a log."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:limit])
