"""Swaps versions under load, and prints what the clients got as a line of JSON.

    python -m tests.deploy.load URL TOKEN [--certificate FILE] [--hosts] [--pause SECONDS]

The tests run it on the machine of a deployment; benchmarks/swap.py makes and checks the requests.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass

from benchmarks.service import upload
from benchmarks.swap import Target, constant_model, swap
from benchmarks.swap_record import check

MOVES = 40
CONNECTIONS = 6
MOVE_SECONDS = 0.05
PAUSE_SECONDS = 0.005
STEADY_SECONDS = 1.0
SHOWN = 3


@dataclass(frozen=True)
class Verdict:
    """The number of replies, of those that failed and of those that were stale, and the first of
    both."""

    moves: int
    replies: int
    failed: int
    stale: int
    shown: list[str]

    def __add__(self, other: "Verdict") -> "Verdict":
        """Of two loads, one after the other."""
        return Verdict(
            self.moves + other.moves,
            self.replies + other.replies,
            self.failed + other.failed,
            self.stale + other.stale,
            [*self.shown, *other.shown][:SHOWN],
        )


def swap_under_load(target: Target, *, hosts: bool = False, pause: float = MOVE_SECONDS) -> Verdict:
    """Upload two versions, and move the alias between them while clients predict.

    ``hosts``: a proxy sends the requests of a client to several hosts, of which one may see a move
    that is in progress before another one. ``pause``: seconds after each move.
    """
    answers: dict[int, object] = {
        upload(target, target.model, constant_model(value)): value for value in (100.0, 200.0)
    }
    replies, moves = swap(
        target,
        answers,
        MOVES,
        CONNECTIONS,
        pause=pause,
        steady=STEADY_SECONDS,
        client_pause=PAUSE_SECONDS,
    )
    found = check(replies, moves, answers)
    # A reply whose parts disagree, or that is older than an earlier one, is stale in some part.
    stale = [*found.torn, *found.stale, *(() if hosts else found.backwards)]
    shown = [str(reply) for reply in [*found.failed, *stale][:SHOWN]]
    return Verdict(len(moves) - 1, found.replies, len(found.failed), len(stale), shown)


def main() -> None:
    """Print the verdict on the service at an address."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("--certificate")
    parser.add_argument("--hosts", action="store_true")
    parser.add_argument("--pause", type=float, default=MOVE_SECONDS)
    given = parser.parse_args()
    target = Target(given.url, given.token, certificate=given.certificate)
    verdict = swap_under_load(target, hosts=given.hosts, pause=given.pause)
    sys.stdout.write(json.dumps(asdict(verdict)) + "\n")


if __name__ == "__main__":
    main()
