"""Several hosts on one database."""

from registry.errors.base import Conflict
from registry.errors.storage import HistoryBroken


class HostReplaced(Conflict):
    title = "Host replaced"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"Another service has joined as host '{host}' since this one did. Give each host a "
            "name of its own (HOTSWAP_HOST_NAME) and start this one again."
        )


class PromotionAbandoned(Conflict):
    title = "Promotion abandoned"

    def __init__(self) -> None:
        super().__init__(
            "Nothing had been heard of the promotion for 60 s, and another one ended it; nothing "
            "was changed. Repeat it."
        )


class HistoryReplaced(HistoryBroken):
    title = "History replaced"

    def __init__(self, last: int, known: int) -> None:
        super().__init__(
            f"The history ends at event {last}, and does not have the event {known} that this host "
            "has read: the database was restored, or has lost changes that were answered. Fail "
            "over to synchronous standbys only.",
            min(last + 1, known),
        )
