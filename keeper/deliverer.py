"""Delivers the messages of webhooks, beside the loop: receivers may be slow."""

import logging
import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from registry.deliveries.key_file import KeyFile
from registry.deliveries.payloads import body_of
from registry.deliveries.sending import Outcome, Sender
from registry.deliveries.signing import signed_headers
from registry.deliveries.urls import parse_url
from registry.errors import RegistryError
from registry.operations.claim_deliveries import Claim, claim_deliveries
from registry.operations.fan_out_events import fan_out_events
from registry.operations.finish_delivery import finish_delivery, forget_deliveries
from registry.storage.database import Database

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between two looks for new events and messages that are due."""
REST_SECONDS = 5.0
"""Before the next look after a failure of the database."""
FORGET_SECONDS = 3600.0
LEASE = timedelta(seconds=60)
"""After how long a message is sent again if the process that sent it was killed: longer than an
attempt and the lookup of the name take together."""
MOST_AT_A_TIME = 4
UNEXPECTED = "an unexpected error, which the log has"
OTHER_KEY = (
    "the key that the secret was computed from is not that of this installation; rotate the secret"
)


def in_thread(call: Callable[[], object]) -> None:
    """Call it in a thread that does not keep the process from ending."""
    threading.Thread(target=call, name="delivery", daemon=True).start()


class Deliverer:
    """Sends messages in threads of its own: four at a time, one to each receiving host.

    What it does is in the database, so another process continues where a killed one was: a message
    may then be sent twice, and none is left out.
    """

    def __init__(
        self,
        database: Database,
        sender: Sender,
        keys: KeyFile,
        public_url: str,
        *,
        lease: timedelta = LEASE,
        look_seconds: float = LOOK_SECONDS,
        rest_seconds: float = REST_SECONDS,
        begin: Callable[[Callable[[], object]], object] = in_thread,
    ) -> None:
        self._database = database
        self._sender = sender
        self._keys = keys
        self._public_url = public_url
        self._lease = lease
        self._look_seconds = look_seconds
        self._rest_seconds = rest_seconds
        self._begin = begin
        self._changed = threading.Condition()
        self._busy: set[str] = set()
        self._is_freed = False
        self._stopping = False
        self._forgot = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="deliveries", daemon=True)

    def start(self) -> None:
        """Begin, and return at once."""
        self._thread.start()

    def close(self, seconds: float = 3.0) -> None:
        """Stop, and wait at most ``seconds`` for what is being sent."""
        deadline = time.monotonic() + seconds
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._busy, seconds)
        if self._thread.ident is not None:
            self._thread.join(max(deadline - time.monotonic(), 0.1))

    def _run(self) -> None:
        while not self._stopping:
            pause = self._pause_after_look()
            with self._changed:
                # A host that becomes free ends the pause: its next message may be due.
                self._changed.wait_for(lambda: self._stopping or self._is_freed, pause)
                self._is_freed = False

    def _pause_after_look(self) -> float:
        """Look for work; the seconds until the next look. A failure is logged."""
        try:
            return 0.0 if self._look() else self._look_seconds
        except (RegistryError, SQLAlchemyError, OSError) as error:
            logger.warning("delivering webhooks failed, and is tried again: %s", error)
        except Exception:
            logger.exception("delivering webhooks failed, and is tried again")
        return self._rest_seconds

    def _look(self) -> bool:
        """Create and send what is due; True if there is more to do at once."""
        more = fan_out_events(self._database)
        if time.monotonic() - self._forgot >= FORGET_SECONDS:
            self._forgot = time.monotonic()
            forget_deliveries(self._database)
        with self._changed:
            busy = set(self._busy)
        if len(busy) >= MOST_AT_A_TIME:
            return more
        free = MOST_AT_A_TIME - len(busy)
        for claim in claim_deliveries(self._database, free, busy, self._lease):
            with self._changed:
                self._busy.add(claim.host)
            try:
                self._begin(partial(self._deliver, claim))
            except BaseException:  # the message is sent when the lease ends
                with self._changed:
                    self._busy.discard(claim.host)
                raise
        return more

    def _deliver(self, claim: Claim) -> None:
        try:
            outcome = self._outcome(claim)
            why = finish_delivery(self._database, claim, outcome, random.random)
        except (RegistryError, SQLAlchemyError) as error:
            # The message is sent again when the lease ends.
            logger.warning("message %s: its outcome was not recorded: %s", claim.message_id, error)
        else:
            self._log(claim, outcome, why)
        finally:
            with self._changed:
                self._busy.discard(claim.host)
                self._is_freed = True
                self._changed.notify_all()

    def _outcome(self, claim: Claim) -> Outcome:
        """The outcome of an attempt, which has failed where anything is raised: a message that
        has no outcome would be sent again for ever."""
        began = time.monotonic()
        try:
            return self._send(claim)
        except RegistryError as error:
            return Outcome("failed", time.monotonic() - began, error=error.detail)
        except Exception:
            logger.exception("message %s could not be sent", claim.message_id)
            return Outcome("failed", time.monotonic() - began, error=UNEXPECTED)

    def _send(self, claim: Claim) -> Outcome:
        key = self._keys.read()
        if key is None or key.fingerprint != claim.key:
            return Outcome("failed", 0.0, error=OTHER_KEY)
        secrets = [key.secret(claim.salt, claim.rotation)]
        if claim.previous_salt is not None:
            secrets.append(key.secret(claim.previous_salt, claim.rotation - 1))
        body = body_of(claim.happening, self._public_url)
        headers = signed_headers(secrets, claim.message_id, int(time.time()), body)
        return self._sender.send(parse_url(claim.url), headers, body)

    def _log(self, claim: Claim, outcome: Outcome, why: str | None) -> None:
        # Without the URL, of which a part is a secret with many receivers.
        logger.log(
            logging.INFO if outcome.result == "delivered" else logging.WARNING,
            "message %s to webhook %d, attempt %d: %s",
            claim.message_id,
            claim.webhook_id,
            claim.attempts,
            outcome.error or outcome.status,
        )
        if why is not None:
            logger.warning("webhook %d was disabled: %s", claim.webhook_id, why)
