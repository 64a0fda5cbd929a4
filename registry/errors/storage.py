"""The database, the disk and the blob store."""

from registry.errors.base import Conflict, RegistryError, Unavailable


class DatabaseBusy(Unavailable):
    title = "Database busy"
    retry_after = 1

    def __init__(self) -> None:
        super().__init__(
            "The database is locked by another writer; nothing was changed. Try again."
        )


class DatabaseUnavailable(Unavailable):
    title = "Database unavailable"

    def __init__(self) -> None:
        # After a failure during a commit it is unknown whether the commit took effect.
        super().__init__(
            "The database cannot be reached. Try again; use the same Idempotency-Key if the "
            "request must not take effect twice."
        )


class DatabaseReadOnly(Unavailable):
    title = "Database read-only"
    retry_after = 10

    def __init__(self) -> None:
        super().__init__(
            "The database accepts no changes (it is a standby, or default_transaction_read_only is "
            "on); nothing was changed. Let HOTSWAP_DATABASE_URL name the primary server."
        )


class StorageUnavailable(Unavailable):
    title = "Storage unavailable"
    retry_after = 30

    def __init__(self, reason: str) -> None:
        super().__init__(f"The service cannot use its disk ({reason}); nothing was changed.")


class BucketUnavailable(StorageUnavailable):
    title = "Bucket unavailable"

    def __init__(self, reason: str) -> None:
        Unavailable.__init__(
            self,
            f"The service cannot use the bucket of its artifacts ({reason}); nothing was changed.",
        )


class BucketMissing(BucketUnavailable):
    title = "Bucket missing"

    def __init__(self) -> None:
        super().__init__("the bucket does not exist")


class UploadExpired(Unavailable):
    title = "Upload expired"
    retry_after = 1

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"The upload took more than {seconds / 3600:.0f} hours, after which its bytes may be "
            "removed as unused; nothing was changed. Upload again."
        )


class BucketForeign(Conflict):
    title = "Bucket of another registry"

    def __init__(self, count: int) -> None:
        super().__init__(
            f"The bucket has {count} old objects, and the database names none of its objects: "
            "nothing was removed. Check that HOTSWAP_BLOBS_URL belongs to HOTSWAP_DATABASE_URL."
        )


class BlobsElsewhere(Conflict):
    title = "Blobs of another registry"

    def __init__(self, place: str, looked_for: int) -> None:
        super().__init__(
            f"The database names artifacts, and none of {looked_for} that were looked for is in "
            f"{place}. Other hosts could not load what this one would store there. Set "
            "HOTSWAP_BLOBS_URL as on the other hosts, or bring the artifacts there with 'hotswap "
            "blobs move' or 'hotswap restore'."
        )


class StorageFull(RegistryError):
    title = "Storage full"

    def __init__(self) -> None:
        super().__init__("The disk of the service is full; nothing was changed.")


class SchemaMismatch(RegistryError):
    title = "Database of another release"


class NetworkFileSystem(RegistryError):
    title = "Database on a network file system"

    def __init__(self, type_: str) -> None:
        super().__init__(
            f"The SQLite database would be on a network file system ({type_}), where its locks are "
            "unreliable and it can be corrupted. Point HOTSWAP_DATA at a folder on a local disk, "
            "or HOTSWAP_DATABASE_URL at a PostgreSQL server; with PostgreSQL the artifacts may "
            "stay on the network."
        )


class HistoryBroken(RegistryError):
    """``seq`` is the number of the first event that is wrong or missing."""

    title = "History broken"

    def __init__(self, detail: str, seq: int) -> None:
        super().__init__(detail)
        self.seq = seq


class BlobsBusy(Unavailable):
    title = "Blobs busy"
    retry_after = 60

    def __init__(self) -> None:
        super().__init__(
            "A backup or another garbage collection is using the blobs; nothing was changed. Try "
            "again when it has finished."
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

    def __init__(self, digest: str, *, in_bucket: bool = False) -> None:
        aside = "" if in_bucket else " They were put aside;"
        super().__init__(
            f"The bytes stored as SHA-256 {digest} no longer have that hash.{aside} "
            f"{'U' if in_bucket else 'u'}pload the same file again to restore it."
        )
