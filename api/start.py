"""Preparation before the first request: the tables, the admin token, interrupted uploads."""

import logging

from api.stores import Stores
from registry.errors import TokenRefused
from registry.operations.check_blobs import check_blobs
from registry.operations.ensure_admin import ensure_admin
from registry.operations.restore import check_restored
from registry.operations.stay_alone import check_no_host_is_alone
from registry.storage.durable import make_directory
from registry.storage.file_modes import close_to_others
from registry.storage.schema import upgrade

logger = logging.getLogger(__name__)

ADMIN_TOKEN_FILE = "admin.token"  # noqa: S105 - a file's name


def prepare(stores: Stores) -> str | None:
    """Prepare the data directory; return the admin token if this start created it.

    Raises DataDirectoryRefused, SchemaMismatch, HostNotAlone, BlobsElsewhere, TokenRefused for a
    configured admin token that is not valid, and the Unavailable errors.
    """
    _prepare_tables(stores)
    check_shared_blobs(stores)
    return _enter(stores)


def _prepare_tables(stores: Stores) -> None:
    settings = stores.settings
    make_directory(settings.data)
    check_restored(settings.data)
    if upgrade(stores.database):
        logger.info("the database was migrated to this release")


def _enter(stores: Stores) -> str | None:
    settings = stores.settings
    check_hosts(stores)
    close_to_others(settings.data)
    if swept := stores.blobs.sweep().count:
        logger.info("removed %d interrupted uploads", swept)
    stores.uploads.remove_old()
    return ensure_admin(stores.database, settings.data / ADMIN_TOKEN_FILE, settings.admin_token)


def check_hosts(stores: Stores) -> None:
    """Note that this host has no lease, if so, and check that the others expect that.

    Raises HostNotAlone, and the Unavailable errors.
    """
    settings, database = stores.settings, stores.database
    if stores.alone is not None:
        stores.alone.look()
    elif not database.is_sqlite:
        check_no_host_is_alone(database, settings.effective_host_name)


def check_shared_blobs(stores: Stores) -> None:
    """Raise BlobsElsewhere where this host lacks the artifacts of a database that others may share.

    Raises the Unavailable errors.
    """
    settings, database = stores.settings, stores.database
    if not database.is_sqlite:
        place = settings.blobs_url or str(settings.data.absolute() / "blobs")
        check_blobs(database, stores.blobs, place)


def prepare_worker(stores: Stores) -> str | None:
    """As ``prepare``, for each worker; all but the first find nothing to do.

    A configured admin token that is not valid is only logged, and artifacts are not looked for: the
    token may have been revoked and artifacts been lost while the service runs, which continues when
    one of its workers is replaced.

    Raises DataDirectoryRefused, SchemaMismatch, and the Unavailable errors.
    """
    _prepare_tables(stores)
    try:
        return _enter(stores)
    except TokenRefused as error:
        logger.warning("the configured admin token is not accepted: %s", error.detail)
        return None
