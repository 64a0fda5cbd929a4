"""The HTTP API in Flask. Never decides what the registry should do."""

from api.app import create_app

__all__ = ["create_app"]
