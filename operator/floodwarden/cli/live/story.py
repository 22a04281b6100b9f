"""``floodwarden explain backlogpolicy/NAME``: why there is a backlog and what is done, in a paragraph with a chart. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from floodwarden.api.backlogpolicy import BacklogPolicy, BacklogPolicyStatus
from floodwarden.cli.live.cluster import Told
from floodwarden.cli.live.words import PHRASES, count, rate, seconds
from floodwarden.core.diagnosis.cause import Cause, Confidence
from floodwarden.core.reasons import ADVICE, Reason
from floodwarden.core.text import plain
from floodwarden.sim.chart import EIGHTHS

BAR: Final = 32  # columns of the longest bar
LINE_BYTES: Final = 1200
EIGHTHS_OF_A_COLUMN: Final = " ▏▎▍▌▋▊▉"
SURE: Final = {Confidence.HIGH: "that is sure", Confidence.MEDIUM: "that is likely", Confidence.LOW: "that is a guess"}


def story(policy: BacklogPolicy, events: Sequence[Told], now: datetime) -> str:
    """All of it: the paragraph, the chart, and what was told."""
    parts = [" ".join(plain(sentence, LINE_BYTES) for sentence in _sentences(policy, now) if sentence)]
    bars = list(chart(policy))
    if bars:
        parts.append("\n".join(bars))
    if events:
        width = max(len(event.reason) for event in events)
        lines = (f"  {event.at}  {plain(event.reason, 128):<{width}}  {plain(event.message, LINE_BYTES)}" for event in events)
        parts.append("\n".join(["What was told, in UTC:", *lines]))
    return "\n\n".join(parts)


def _sentences(policy: BacklogPolicy, now: datetime) -> Iterator[str]:
    meta, status = policy.metadata, policy.status
    name = f"{meta.namespace}/{meta.name}"
    if status.observed_generation is None:
        yield f"{name} has no status yet: Floodwarden does not run, or does not watch this namespace. Look at its pods' logs."
        return
    yield f"{name}: {_waiting(policy, now)}"
    cause = status.cause
    if cause is None or cause.type is Cause.NONE:
        over = status.over_since is not None
        yield "Why is not told yet." if over else "There is no backlog to explain."
    else:
        lasted = seconds((now - cause.since).total_seconds())
        told = SURE[cause.confidence] if cause.type is not Cause.NOT_KNOWN else "so far"
        yield f"The reason: {PHRASES[cause.type]} ({cause.type}, {told}; for {lasted})."
        yield f"In numbers: {cause.message.rstrip('.')}."
        yield ADVICE[Reason(cause.type.value)].partition(". ")[2]  # what it means was just said
    yield from _done(status)


def _waiting(policy: BacklogPolicy, now: datetime) -> str:
    status, lag = policy.status, policy.status.lag
    limits = policy.wishes(1.0).limits
    if lag is None:
        return f"how much waits is not known ({status.message or status.state or 'no reading'}); the limit is {limits}."
    at_least = "" if lag.exact else "at least "
    age = f", the oldest for {seconds(lag.seconds)}" if lag.seconds else ""
    since = f", passed {seconds((now - status.over_since).total_seconds())} ago" if status.over_since else ""
    return f"{at_least}{count(lag.messages)} messages wait{age}; the limit is {limits}{since}."


def _done(status: BacklogPolicyStatus) -> Iterator[str]:
    replicas = status.replicas
    scaling = next((one for one in status.conditions if one.type == "Scaling"), None)
    if replicas is not None and scaling is not None:
        why = f"{scaling.reason}: {scaling.message.rstrip('.')}"
        yield f"Replicas: {count(replicas.current)} of at most {count(replicas.ceiling)} ({why})."
    if status.drain_eta is not None:
        yield f"At the present rates the backlog is gone in {seconds(status.drain_eta.seconds)}."


def chart(policy: BacklogPolicy) -> Iterator[str]:
    """Bars: what arrives beside what usually does and what is consumed, and what waits beside its limit."""
    status = policy.status
    rates, usual = status.rates, status.usual
    usually = sum(one.produced for one in usual.topics) if usual is not None and usual.topics else None
    flows = [
        ("arriving", rates.produced if rates else None),
        ("usually", usually),
        ("consumed", rates.consumed if rates else None),
    ]
    yield from _bars("messages/s", [(name, value, rate(value)) for name, value in flows])
    lag, limit = status.lag, policy.spec.max_lag
    if limit.messages is not None:
        waits = [("waiting", lag.messages if lag else None), ("limit", limit.messages)]
        yield from _bars("messages", [(name, value, count(value)) for name, value in waits])
    if limit.seconds is not None:
        ages = [("oldest", lag.seconds if lag else None), ("limit", limit.seconds)]
        yield from _bars("seconds", [(name, value, count(value)) for name, value in ages])


def _bars(unit: str, given: Sequence[tuple[str, float | None, str]]) -> Iterator[str]:
    """One bar for each value that is known, all on the axis of the largest."""
    top = max((value for _, value, _ in given if value is not None), default=None)
    if top is None:
        return
    for index, (name, value, shown) in enumerate(given):
        drawn = bar((value or 0.0) / top if top else 0.0)
        yield f"  {unit if index == 0 else '':<10}  {name:<8}  {drawn:<{BAR}}  {shown:>10}"


def bar(share: float) -> str:
    """A bar of so many of BAR columns, in eighths; what is not zero still shows."""
    eighths = round(min(1.0, share) * BAR * 8)
    if share > 0:
        eighths = max(1, eighths)
    whole, part = divmod(eighths, 8)
    return EIGHTHS[8] * whole + (EIGHTHS_OF_A_COLUMN[part] if part else "")
