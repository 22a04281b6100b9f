"""``cluster.ledger`` against a real API server: what was written is read, and never written over unseen."""

from __future__ import annotations

import pytest

from floodwarden.cluster.ledger import KEY, LedgerClient, LedgerProblem, Page
from floodwarden.cluster.rest import Rest
from tests.contract.cluster.conftest import Limited
from tests.contract.cluster.gate import Gate
from tests.support.kubectl import Kubectl

ABOUT = "broker shop/main"


@pytest.fixture
def ledgers(rest: Rest, namespace: str) -> LedgerClient:
    """A release's ledgers in a namespace of its own."""
    return LedgerClient(rest, namespace, "floodwarden")


def page_of(answer: Page | LedgerProblem) -> Page:
    assert isinstance(answer, Page), answer
    return answer


async def test_written_and_read(ledgers: LedgerClient, kubectl: Kubectl, namespace: str) -> None:
    """Nothing stands there at first; kubectl shows what was written, and what it is about."""
    empty = page_of(await ledgers.read(ABOUT))
    assert (empty.text, empty.version) == ("", "")
    first = page_of(await ledgers.write(empty, "one"))
    second = page_of(await ledgers.write(first, "two"))
    assert await ledgers.read(ABOUT) == second
    assert second.text == "two"
    (found,) = [one for one in kubectl.objects("configmaps", namespace=namespace) if KEY in (one.get("data") or {})]
    assert found["data"] == {KEY: "two"}
    assert found["metadata"]["annotations"]["floodwarden.dev/about"] == ABOUT


async def test_only_the_newest_is_written_over(ledgers: LedgerClient) -> None:
    """Whoever saw an older one, or none, writes nothing."""
    empty = page_of(await ledgers.read(ABOUT))
    first = page_of(await ledgers.write(empty, "one"))
    assert isinstance(await ledgers.write(empty, "late"), LedgerProblem)
    second = page_of(await ledgers.write(first, "two"))
    assert isinstance(await ledgers.write(first, "late"), LedgerProblem)
    assert await ledgers.read(ABOUT) == second


async def test_others_are_others(rest: Rest, ledgers: LedgerClient, namespace: str) -> None:
    """Another MessageBroker's, and another release's."""
    await ledgers.write(page_of(await ledgers.read(ABOUT)), "one")
    assert page_of(await ledgers.read("broker shop/other")).text == ""
    assert page_of(await LedgerClient(rest, namespace, "another").read(ABOUT)).text == ""


async def test_without_the_right(limited: Limited, namespace: str) -> None:
    """Which one is missing is told, and where."""
    ledgers = LedgerClient(await limited(), namespace, "floodwarden")
    problem = await ledgers.read(ABOUT)
    assert isinstance(problem, LedgerProblem)
    assert f"namespace {namespace}" in problem.message
    assert "grant get, create and update on configmaps" in problem.message


async def test_an_api_server_that_is_away(gated: Rest, gate: Gate, namespace: str) -> None:
    """It is a problem like any other: nothing is raised."""
    gate.shut()
    assert isinstance(await LedgerClient(gated, namespace, "floodwarden").read(ABOUT), LedgerProblem)
