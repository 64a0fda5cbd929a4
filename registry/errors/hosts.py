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
            "The promotion was prepared for more than 60 s, or was ended meanwhile; nothing was "
            "changed. Repeat it."
        )


class HistoryShortened(HistoryBroken):
    title = "History shortened"

    def __init__(self, seq: int, known: int) -> None:
        super().__init__(
            f"The history ends at event {seq}, but this host has read event {known}: the database "
            "has lost changes that were answered. Fail over to synchronous standbys only, and "
            "start this host again.",
            seq + 1,
        )
