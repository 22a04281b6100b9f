"""Causes that are concluded from how much came and went: a skew, a rise of production, a fall of consumption.

``diagnose`` asks once nothing was seen as such; ``balance`` keeps the account.
"""

from __future__ import annotations

from floodwarden.core.diagnosis.balance import Balance, balance
from floodwarden.core.diagnosis.behind import behind
from floodwarden.core.diagnosis.case import ENOUGH, MOST, TROUBLES, Case, pods_say, some
from floodwarden.core.diagnosis.cause import Cause, Confidence, Finding
from floodwarden.core.memory import Phase
from floodwarden.core.need import at_least
from floodwarden.core.outlook import HOT, SURE

NEARLY_ALL = 0.8  # of the backlog that a conclusion must explain to be sure
CLEARLY = 3.0  # times its opposite that it must explain
A_HALF_OFF = 1.5  # times the usual level, or its inverse, that the rate must be
LEARNT_WELL = 300.0  # seconds for which the usual level must have been watched
LEARNT_LITTLE = 120.0  # seconds of watching below which it is a guess


def by_rates(case: Case) -> Finding | None:
    """The conclusion, if there is evidence for one."""
    account = _account(case)
    return _skewed(case, account) or _risen_or_fallen(case, account)


def _account(case: Case) -> Balance | None:
    """What came and went since all was well; None where a part of it is not known."""
    if not case.whole or not case.decision.over:
        return None
    usual, target, hand = case.memory.usual, case.target, case.memory.hand_scaled_at
    by_hand = usual is not None and hand is not None and hand >= usual.at
    # What somebody else took away is missing; after a step of ours only what is left can be expected to work.
    replicas = None if target is None or by_hand else target.replicas
    return balance(case.history, usual, replicas, case.now)


def _skewed(case: Case, account: Balance | None) -> Finding | None:
    """One partition in which most of the backlog is, because clearly more arrives there than in the others of its topic."""
    seen, hot = case.seen, case.decision.hot
    if seen.competing or len(seen.loads) < 2 or not (case.whole or hot):
        return None
    worst = max(seen.loads, key=lambda load: load.lag)
    others = [load.arrival for load in seen.loads if load.partition.topic == worst.partition.topic and load is not worst]
    if not others or worst.lag < MOST * max(1, case.lag):
        return None
    mean = sum(others) / len(others)
    if worst.partition not in hot and (
        at_least(worst.arrival, SURE) <= HOT * mean or account is None or account.shortfall > account.excess
    ):
        return None
    text = (
        f"{worst.partition} gets {worst.arrival:.1f} messages/s, the others of its topic {mean:.1f} on average, "
        f"and {worst.lag:,} of the {seen.lag:,} messages that wait are in it"
    )
    return Finding(Cause.SKEWED, text, Confidence.HIGH if worst.partition in hot else Confidence.MEDIUM)


def _risen_or_fallen(case: Case, account: Balance | None) -> Finding | None:
    """Production or consumption, whichever explains more of the backlog, if that is beyond chance."""
    if account is None:
        return None
    rose = account.excess >= account.shortfall
    more, less = (account.excess, account.shortfall) if rose else (account.shortfall, account.excess)
    level = account.usual if rose else account.expected
    if more <= account.chance(max(level, account.expected)) or more < ENOUGH * case.lag:
        return None
    now, off = (account.produced, account.produced > level) if rose else (account.consumed, True)
    low, high = sorted((now, level))
    clear = off and high >= A_HALF_OFF * low and more >= CLEARLY * less and account.learnt >= LEARNT_WELL
    if not off or more < MOST * case.lag or account.learnt < LEARNT_LITTLE:
        sure = Confidence.LOW
    else:
        sure = Confidence.HIGH if clear and more >= NEARLY_ALL * case.lag else Confidence.MEDIUM
    if rose:
        return Finding(Cause.PRODUCTION_ROSE, _rise(case, account), sure)
    return _fall(case, account, sure)


def _rise(case: Case, account: Balance) -> str:
    """Which topic, and by how much. Of a single topic its newest rate is known, which leaves out what was before the rise."""
    top, others = account.topics[0], account.topics[1:]
    rate = max(top.produced, case.seen.produced or 0.0) if not others else top.produced
    numbers = f"usually {top.usual:.1f}" if top.usual else "usually none"
    if top.usual and rate >= top.usual:
        numbers += f", {rate / top.usual:.1f} times as much"
    elif top.usual:
        numbers = f"lately {top.lately:.1f}; usually {top.usual:.1f}"
    also = [one.topic for one in others if one.excess >= MOST * top.excess]
    more = f"; {some(also)} rose too" if also else ""
    return f"{top.topic} gets {rate:.1f} messages/s, {numbers}: {account.excess:,.0f} more in {account.seconds:.0f} s{more}"


def _fall(case: Case, account: Balance, sure: Confidence) -> Finding:
    """Who consumes less. Pods that the API server knows to be in trouble are why, and are named instead."""
    target = case.target
    numbers = f"{account.consumed:.1f} messages/s consumed in the last {account.seconds:.0f} s, {account.expected:.1f} before"
    if target is not None:
        for trouble, cause, doing in TROUBLES:
            pods = target.in_trouble(trouble)
            if pods:
                return Finding(cause, f"{pods_say(pods, target, doing)}; {numbers}", Confidence.MEDIUM)
        settling = case.memory.step is not None and case.memory.step.phase is Phase.SETTLING
        if target.ready is not None and target.ready < target.replicas and not settling:
            text = f"{target.ready} of {target.replicas} pods are ready; {numbers}"
            return Finding(Cause.CONSUMERS_MISSING, text, Confidence.MEDIUM)
    hand = case.memory.hand_scaled_at
    by_hand = "; the replicas were changed by hand" if hand is not None and case.now - hand <= account.seconds else ""
    return Finding(Cause.CONSUMPTION_FELL, f"{behind(case.seen, target)}: {numbers}{by_hand}", sure)
