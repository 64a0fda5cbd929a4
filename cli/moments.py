"""Times on the command line."""

from datetime import UTC, datetime
from typing import Any

import click


class Moment(click.ParamType[datetime]):
    """A date or a time as ISO 8601, in UTC where it has no zone."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is not a time such as 2026-11-21 or 2026-11-21T06:00Z.", param, ctx
            )
        return found if found.tzinfo else found.replace(tzinfo=UTC)
