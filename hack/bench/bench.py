"""`make bench`: measures what the project promises in numbers, prints a table and writes .bench/results.json.

The parts are in the neighbours: `spikes`, `cost`, `failover`, `auditing`, `queues`, `groups`, `deciding`, `simulating`;
`bounds` says what must hold.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

import auditing
import cost
import deciding
import failover
import groups
import queues
import simulating
import spikes
from account import account
from bounds import missed, table
from fleet import topics
from ground import ground

from floodhack.errors import HackError
from floodhack.instance import CHECKOUT
from floodhack.progress import say, script

FOLDER = CHECKOUT / ".bench"
LARGE = 5000
LARGE_HEAP = "2g"  # of each Kafka node, for so many partitions
Results = dict[str, float]
Attempt = Callable[[str, Callable[[], Results]], None]


@dataclass(frozen=True)
class Plan:
    """How many policies, and for how long. The promised numbers are those of the defaults."""

    few: int = 100
    many: int = 1000
    failovers: int = failover.ROUNDS
    audited: int = 2000
    groups: int = 500
    times: cost.Times = field(default_factory=cost.Times)


QUICK = Plan(10, 100, 3, 200, 50, cost.Times(requests=10, idle=20, onset=5, busy=20))


def _arguments(parts: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--large", action="store_true", help=f"{LARGE} policies over {10 * LARGE} partitions instead of it all")
    parser.add_argument("--quick", action="store_true", help="a tenth of it all, to see whether the bench itself works")
    parser.add_argument("--only", choices=parts, action="append", help="this part only (may be repeated)")
    return parser.parse_args()


def _on_ground(wanted: set[str], plan: Plan, attempt: Attempt) -> None:
    """The parts that need a cluster and brokers, in an order that lets each find the machine as quiet as can be."""
    with ExitStack() as stack:
        stage = stack.enter_context(ground())
        who = stack.enter_context(account(stage))
        if "spikes" in wanted:
            attempt("spikes", lambda: spikes.run(stage, who))
        if "auditing" in wanted:
            attempt("auditing", lambda: auditing.run(stage, who, plan.audited, plan.times.idle))
        if "queues" in wanted:
            attempt("queues", lambda: queues.run(stage, who, plan.many, plan.times))
        if "groups" in wanted:
            attempt("groups", lambda: groups.run(stage, who, plan.groups, plan.times))
        if wanted & {"cost", "failover"}:
            stack.enter_context(topics(stage, plan.many))
        if "cost" in wanted:
            attempt("requests", lambda: cost.requests(stage, who, plan.few, plan.times))
            attempt("cost", lambda: cost.full(stage, who, plan.many, plan.times))
        if "failover" in wanted:
            attempt("failover", lambda: failover.run(stage, who, plan.many, plan.failovers))


def _large(attempt: Attempt) -> None:
    os.environ.setdefault("FLOODWARDEN_KAFKA_HEAP", LARGE_HEAP)
    with ground() as stage, account(stage) as who, topics(stage, LARGE):
        attempt("large", lambda: cost.full(stage, who, LARGE, cost.Times(idle=0.0)))


def main() -> int:
    """Measure, print, write; status 1 where a part could not be measured. A missed bound is told, and is no failure."""
    parts = ["simulating", "deciding", "spikes", "cost", "failover", "auditing", "queues", "groups"]
    given = _arguments(parts)
    wanted = set(given.only or parts)
    plan = QUICK if given.quick else Plan()
    results: Results = {}
    failures: list[str] = []

    def attempt(what: str, measure: Callable[[], Results]) -> None:
        say(f"{what} …")
        try:
            results.update(measure())
        except HackError as error:
            failures.append(f"{what}: {error}")
            say(failures[-1])

    try:
        if given.large:
            _large(attempt)
        else:
            if "simulating" in wanted:
                attempt("simulating", simulating.run)
            if "deciding" in wanted:
                attempt("deciding", lambda: deciding.run(plan.many))
            if wanted - {"simulating", "deciding"}:
                _on_ground(wanted, plan, attempt)
    except HackError as error:
        failures.append(str(error))
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / ("large.json" if given.large else "quick.json" if given.quick else "results.json")
    path.write_text(json.dumps(results, indent=2) + "\n")
    print(table(results))
    print(f"\nwritten to {path.relative_to(CHECKOUT)}")
    for text in (*failures, *(f"bound missed: {key}" for key in missed(results))):
        print(text, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    script(main)
