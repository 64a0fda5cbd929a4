"""Alerts."""

from registry.errors.base import NotFound


class AlertNotFound(NotFound):
    title = "Alert not found"

    def __init__(self, alert: object) -> None:
        super().__init__(f"There is no alert {alert} of a model that the token covers.")
