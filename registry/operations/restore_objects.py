"""Put the artifacts of a backup into the bucket, where its database looks for them."""

from pathlib import Path

from registry.backups.dumped_tables import opened_dump
from registry.backups.dumps import Programs
from registry.backups.manifest import DATABASE, DUMP, Manifest
from registry.blobs.bucket import Bucket
from registry.blobs.places import all_keys
from registry.blobs.s3 import is_intact
from registry.errors import BackupRefused, BucketUnavailable
from registry.storage.database import frozen


def restore_objects(bucket: Bucket, folder: Path, manifest: Manifest, programs: Programs) -> None:
    """Store every artifact of the verified backup in ``folder`` under the key that its database
    has for it, unless the object has its bytes already. Nothing is removed.

    Raises BackupRefused where the database has no key for one, BackupDamaged, BucketUnavailable.
    """
    source = opened_dump(folder / DUMP, programs) if manifest.is_dump else frozen(folder / DATABASE)
    with source as session:
        keys = all_keys(session)
    if homeless := sum(1 for entry in manifest.blobs if entry.sha256 not in keys):
        raise BackupRefused.not_of_a_bucket(folder, homeless)
    for entry in manifest.blobs:
        key = keys[entry.sha256]
        if is_intact(bucket, key, entry.sha256):
            continue
        bucket.put(key, folder / entry.path)
        if not is_intact(bucket, key, entry.sha256):
            raise BucketUnavailable("it does not return what was stored")
