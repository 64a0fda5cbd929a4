"""Flask-SQLAlchemy on the registry's own tables and engine.

Views read through its session, which ends with the request and sees one state of the database, so
that a page and its total agree. Operations write in their own transactions.
"""

import logging
from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from api.services import services
from registry.storage.tables import Base

logger = logging.getLogger(__name__)


class RequestSessions(SQLAlchemy):
    """Uses the engine that the registry has set up, with its pragmas, instead of a second one."""

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:  # noqa: ARG002 - the extension's own hook
        with app.app_context():
            return services().database.reading_engine

    def _teardown_session(self, exc: BaseException | None) -> None:
        """End the session of a request that is answered. That the server has closed its connection
        since the last statement is no fault of the request."""
        try:
            super()._teardown_session(exc)
        except DBAPIError as error:
            logger.info("a connection was closed before its session ended: %s", error)
            self.session.registry.clear()


db = RequestSessions(model_class=Base, disable_autonaming=True, add_models_to_shell=False)
