"""Abort the rollouts that nobody watches and whose plans say so."""

import logging

from registry.errors import RegistryError, RolloutChanged, RolloutNotFound, RolloutStateConflict
from registry.operations.move_rollout import RolloutMove, move_rollout
from registry.operations.preparing import Prepare
from registry.operations.promote import EvaluateGates
from registry.storage.database import Database
from registry.storage.tables import utc_now
from registry.watching.rollouts import active_rollouts, is_watched, plan_of

logger = logging.getLogger(__name__)

_ACTOR = "hotswap"


def abort_unwatched(database: Database, prepare: Prepare, *, evaluate_gates: EvaluateGates) -> None:
    """Give all requests back to the champions of the rollouts that no keeper of any host has looked
    at for a minute, if their plans have ``"unwatched": "abort"``.

    A worker calls this, since the keepers are gone then. A rollout that somebody else changes at
    the same time is left to them. A failure is logged, and the next call tries again; the other
    rollouts are aborted all the same.

    Raises DatabaseBusy, DatabaseUnavailable.
    """
    now = utc_now()
    with database.read() as session:
        unwatched = [row for row in active_rollouts(session) if not is_watched(row, now)]
    for row in unwatched:
        seconds = (now - row.evidence_at).total_seconds()
        reason = f"No keeper has looked at it for {seconds:.0f} s, and its plan says abort."
        move = RolloutMove(
            actor=_ACTOR,
            alias=row.alias,
            reason=reason,
            rollout=row.id,
            expected_revision=row.revision,
        )
        try:
            if plan_of(row).unwatched != "abort":
                continue
            move_rollout(database, prepare, row.model, "abort", move, evaluate_gates=evaluate_gates)
        except (RolloutChanged, RolloutNotFound, RolloutStateConflict):
            continue  # somebody else has changed it
        except RegistryError as error:
            logger.warning("the rollout of %s was not aborted: %s", row.model, error.detail)
        except ValueError:
            logger.warning("the rollout of %s was not aborted: it cannot be read", row.model)
        else:
            logger.warning("the rollout of %s was aborted: %s", row.model, reason)
