"""Who is behind, by what waits in the partitions of each member."""

from __future__ import annotations

from dataclasses import replace

import pytest

from floodwarden.core.assess import Assessment, Gap, PartitionLoad, nothing_known
from floodwarden.core.diagnosis.behind import behind
from floodwarden.core.observation import Group, GroupPhase, Member, Partition
from floodwarden.core.reasons import Reason
from floodwarden.core.target import Pod, Target

NOBODY = nothing_known(Gap(Reason.FIRST_READING, ""))


def seen(*lags: int, hosts: tuple[str, ...] = (), competing: bool = False) -> Assessment:
    """One partition for each lag, and a member for each, whose clients are called c0, c1, …"""
    partitions = [Partition("orders", number) for number in range(len(lags))]
    loads = tuple(PartitionLoad(p, lag, 0.0, True, 1.0, False) for p, lag in zip(partitions, lags, strict=True))
    given = hosts or tuple(f"/10.0.0.{number}" for number in range(len(lags)))
    members = tuple(Member(f"m{n}", f"c{n}", given[n], frozenset({p})) for n, p in enumerate(partitions))
    return replace(NOBODY, loads=loads, group=Group(GroupPhase.STABLE, members), competing=competing)


def target(*addresses: str) -> Target:
    return Target("uid", 4, "app=x", "1", 4, tuple(Pod(f"pod-{n}", address, True) for n, address in enumerate(addresses)))


CASES: dict[str, tuple[Assessment, Target | None, str]] = {
    "no group was read": (NOBODY, None, "the consumers are behind"),
    "one member": (seen(10), None, "the only consumer is behind"),
    "all alike": (seen(90, 100, 80, 95), None, "all 4 members are behind"),
    "most of them": (seen(90, 100, 80, 2), None, "all 4 members are behind"),
    "nothing waits": (seen(0, 0, 0), None, "all 3 members are behind"),
    "one of four": (seen(2, 100, 3, 0), None, "1 of 4 members is behind (c1 at 10.0.0.1)"),
    "two of four": (seen(2, 100, 80, 0), None, "2 of 4 members are behind (c1 at 10.0.0.1, c2 at 10.0.0.2)"),
    "by its pod": (seen(2, 100, 3), target("10.0.0.9", "10.0.0.1"), "1 of 3 members is behind (pod-1)"),
    "by its pod, with a port": (
        seen(2, 100, 3, hosts=("10.0.0.1:1", "10.0.0.12:7", "10.0.0.3:1")),
        target("10.0.0.1", "10.0.0.12"),
        "1 of 3 members is behind (pod-1)",
    ),
    "two pods of one address": (seen(2, 100, 3), target("10.0.0.1", "10.0.0.1"), "1 of 3 members is behind (c1 at 10.0.0.1)"),
    "pods without an address": (seen(2, 100, 3), target("", ""), "1 of 3 members is behind (c1 at 10.0.0.1)"),
    "more than are named": (
        seen(*[0] * 6, *[50] * 5),
        None,
        "5 of 11 members are behind (c6 at 10.0.0.6, c7 at 10.0.0.7, c8 at 10.0.0.8 and 2 more)",
    ),
    "a queue that they share": (seen(100, 100, competing=True), None, "the consumers are behind"),
}


@pytest.mark.parametrize(("given", "of", "says"), CASES.values(), ids=CASES)
def test_who_is_behind(given: Assessment, of: Target | None, says: str) -> None:
    """All, or some by name: the pod's, where its address tells it."""
    assert behind(given, of) == says
