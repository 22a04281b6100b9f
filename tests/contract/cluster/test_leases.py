"""``cluster.leases`` against a real API server: one writer wins, and what others wrote is never overwritten unseen."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from floodwarden.cluster.leases import Lease, LeaseClient, LeaseProblem, LeaseProblemReason
from floodwarden.cluster.rest import Rest
from tests.contract.cluster.conftest import Limited
from tests.contract.cluster.gate import Gate
from tests.support.kubectl import Kubectl

WANTED = Lease("share", "MessageBroker shop/main", "one", seconds=15)


@pytest.fixture
def leases(rest: Rest, namespace: str) -> LeaseClient:
    """A release's Leases in a namespace of its own."""
    return LeaseClient(rest, namespace, "floodwarden")


def lease_of(answer: Lease | LeaseProblem | None) -> Lease:
    assert isinstance(answer, Lease), answer
    return answer


def reason_of(answer: object) -> LeaseProblemReason:
    assert isinstance(answer, LeaseProblem), answer
    return answer.reason


async def test_written_read_and_deleted(leases: LeaseClient, kubectl: Kubectl, namespace: str) -> None:
    """What was written is read alike, and kubectl shows the holder; every write has a version of its own."""
    assert await leases.list() == []
    assert await leases.read("share") is None
    first = lease_of(await leases.write(WANTED, None))
    assert replace(first, version="") == WANTED
    assert await leases.read("share") == first
    second = lease_of(await leases.write(replace(WANTED, holder="two", seconds=None), first))
    assert await leases.list() == [second]
    assert (second.holder, second.seconds, second.transitions) == ("two", None, 1)
    assert second.version != first.version
    assert kubectl.get("lease", "share", namespace=namespace)["spec"]["holderIdentity"] == "two"
    assert await leases.delete(second) is None
    assert await leases.delete(second) is None
    assert await leases.list() == []


async def test_only_the_newest_state_is_written_over(leases: LeaseClient) -> None:
    """Of several that saw the same state one wins; whoever saw an older one changes and deletes nothing."""
    made = await asyncio.gather(*(leases.write(replace(WANTED, holder=str(n)), None) for n in range(5)))
    (first,) = [lease for lease in made if isinstance(lease, Lease)]
    assert {reason_of(lease) for lease in made if lease is not first} == {LeaseProblemReason.CONFLICT}
    taken = await asyncio.gather(*(leases.write(replace(first, holder=f"next-{n}"), first) for n in range(5)))
    (second,) = [lease for lease in taken if isinstance(lease, Lease)]
    assert reason_of(await leases.write(replace(first, holder="late"), first)) is LeaseProblemReason.CONFLICT
    assert reason_of(await leases.delete(first)) is LeaseProblemReason.CONFLICT
    assert await leases.read("share") == second
    assert await leases.delete(second) is None


async def test_a_deleted_one_is_made_anew_by_the_next_write(leases: LeaseClient) -> None:
    """As the API server does it for Leases: so a renewal outlives that somebody deleted what it renews."""
    first = lease_of(await leases.write(WANTED, None))
    assert await leases.delete(first) is None
    assert lease_of(await leases.write(WANTED, first)).version != first.version
    assert reason_of(await leases.write(WANTED, first)) is LeaseProblemReason.CONFLICT


async def test_releases_do_not_see_each_other(rest: Rest, leases: LeaseClient, namespace: str) -> None:
    """Two releases in one namespace share nothing."""
    await leases.write(WANTED, None)
    assert await LeaseClient(rest, namespace, "another").list() == []


async def test_without_the_right(limited: Limited, namespace: str) -> None:
    """A service account that may not write them is told which right is missing."""
    leases = LeaseClient(await limited(), namespace, "floodwarden")
    for answer in (await leases.list(), await leases.read("share"), await leases.write(WANTED, None)):
        assert reason_of(answer) is LeaseProblemReason.FORBIDDEN
        assert isinstance(answer, LeaseProblem)
        assert "grant" in answer.message


async def test_without_an_api_server(gated: Rest, gate: Gate, namespace: str) -> None:
    """No answer is not "no Lease"."""
    leases = LeaseClient(gated, namespace, "floodwarden")
    gate.shut()
    for answer in (await leases.list(), await leases.read("share"), await leases.write(WANTED, None)):
        assert reason_of(answer) is LeaseProblemReason.UNREACHABLE
