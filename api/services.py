"""What the views work with: one of each for a process, made by the app factory."""

from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

from config import Settings
from registry.blobs.local import LocalBlobStore
from registry.database import Database
from registry.intake.inspector import Inspector
from registry.serving.loading import loader
from registry.serving.pool import Pool

_KEY = "hotswap"


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators of the operations."""

    settings: Settings
    database: Database
    blobs: LocalBlobStore
    inspector: Inspector
    pool: Pool

    @classmethod
    def build(cls, settings: Settings) -> "Services":
        """Nothing is opened or started here; each does so at its first use."""
        blobs = LocalBlobStore(settings.data / "blobs")
        return cls(
            settings=settings,
            database=Database(settings.effective_database_url),
            blobs=blobs,
            inspector=Inspector(),
            pool=Pool(loader(blobs), settings.model_cache_mb * 2**20),
        )

    def close(self) -> None:
        """End what was started and close what was opened."""
        self.inspector.close()
        self.database.dispose()


def attach(app: Flask, services: Services) -> None:
    """Give ``app`` its services."""
    app.extensions[_KEY] = services


def services() -> Services:
    """The services of the app that answers the present request."""
    return cast("Services", current_app.extensions[_KEY])
