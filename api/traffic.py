"""The predictions of a model's versions over time, and the thread that stores them."""

import logging
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from api.access import allows
from api.blueprints import Blueprint
from api.schemas.traffic import TrafficQuerySchema, TrafficSchema
from api.services import Services
from api.sessions import db
from api.telemetry import NoTelemetry, Telemetry
from registry.errors import RegistryError
from registry.operations.record_traffic import record_traffic
from registry.reading.queries import find_model
from registry.reading.views import View
from registry.storage.tables import utc_now
from registry.watching.recorded_traffic import traffic_of
from registry.watching.traffic import TrafficSampler

logger = logging.getLogger(__name__)

blueprint = Blueprint("traffic", __name__, description="Predictions over time")

_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_SECONDS = 1.0
"""Between two looks at the clock: a minute is recorded within this time of its end."""


@blueprint.route("/models/<name>/traffic", methods=["GET"])
@allows("any")
@blueprint.arguments(TrafficQuerySchema, location="query")
@blueprint.response(200, TrafficSchema)
def get_traffic(query: dict[str, Any], name: str) -> View:
    """Show the predictions of each version: how many, their outcomes and durations.

    Recorded once a minute, so the last minute is missing. Versions without requests in the window
    are not listed.
    """
    session = db.session()
    find_model(session, name)
    # Arithmetic with the first and last years would overflow; nothing was recorded in either.
    until = min(max(query.get("until", utc_now()), _FIRST), _LAST)
    return traffic_of(session, name, query["window"], until, query.get("version"))


def record_predictions(telemetry: Telemetry | NoTelemetry, services: Services) -> None:
    """Store what ``telemetry`` counts of predictions once a minute, in a thread that ends with
    it."""
    if isinstance(telemetry, NoTelemetry):
        return
    sampler = TrafficSampler(
        telemetry.folder.path,
        telemetry.predictions.totals,
        partial(record_traffic, services.database),
    )

    def sample() -> None:
        try:
            sampler.sample(utc_now())
        except (RegistryError, SQLAlchemyError, OSError) as error:
            logger.warning("the predictions of a minute are not stored yet: %s", error)

    telemetry.repeat(sample, _SECONDS, last=sampler.close)
