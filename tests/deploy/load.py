"""Swaps versions under load, and prints what the clients got as a line of JSON.

    python -m tests.deploy.load URL TOKEN [--certificate FILE]

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


def swap_under_load(target: Target) -> Verdict:
    """Upload two versions, and move the alias between them while clients predict."""
    answers: dict[int, object] = {
        upload(target, target.model, constant_model(value)): value for value in (100.0, 200.0)
    }
    replies, moves = swap(
        target,
        answers,
        MOVES,
        CONNECTIONS,
        pause=0.05,
        steady=STEADY_SECONDS,
        client_pause=PAUSE_SECONDS,
    )
    found = check(replies, moves, answers)
    # A reply whose parts disagree, or that is older than an earlier one, is stale in some part.
    stale = [*found.torn, *found.stale, *found.backwards]
    shown = [str(reply) for reply in [*found.failed, *stale][:SHOWN]]
    return Verdict(len(moves) - 1, found.replies, len(found.failed), len(stale), shown)


def main() -> None:
    """Print the verdict on the service at an address."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("--certificate")
    given = parser.parse_args()
    target = Target(given.url, given.token, certificate=given.certificate)
    sys.stdout.write(json.dumps(asdict(swap_under_load(target))) + "\n")


if __name__ == "__main__":
    main()
