"""A host without a lease: it answers as long as it is the only one of its database."""

import logging
from collections.abc import Callable

from registry.errors import HostNotAlone
from registry.live.lease import Lease

logger = logging.getLogger(__name__)

ENDLESS = 2**63 - 1
"""When the lease of such a host ends: only others that use its database end it."""


class Alone:
    """``note`` notes in the database that this host is the only one; raises HostNotAlone where it
    is not, and the Unavailable errors. All workers answer by ``lease``."""

    def __init__(self, note: Callable[[], None], lease: Lease) -> None:
        self._note = note
        self.lease = lease

    def look(self) -> None:
        """Look for other hosts. Where there are some, the workers answer no more, until a later
        call finds none; a database that cannot be reached changes nothing.

        Raises what ``note`` raises.
        """
        try:
            self._note()
        except HostNotAlone:
            if self.lease.valid_until:
                logger.critical("this host answers no more while others use its database")
            self.lease.valid_until = 0
            raise
        if not self.lease.valid_until:
            logger.info("this host answers: it is the only one of its database")
        self.lease.valid_until = ENDLESS
