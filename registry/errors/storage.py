"""The database, the disk and the blob store."""

from registry.errors.base import RegistryError, Unavailable


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


class BlobsBusy(Unavailable):
    title = "Blobs busy"
    retry_after = 60

    def __init__(self) -> None:
        super().__init__(
            "A backup or another collection of garbage is at work on the blobs; nothing was "
            "changed. Try again when it is done."
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
