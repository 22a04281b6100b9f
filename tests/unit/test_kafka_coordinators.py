"""What coordinators tell of transactions: hung is only what none can know; whatever hinders that speaks against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from floodwarden.brokers.kafka import protocol
from floodwarden.brokers.kafka.errors import RequestError, failed
from floodwarden.brokers.kafka.nodes import Nodes
from floodwarden.brokers.kafka.transactions import STATE, Coordinators
from floodwarden.core.delivery.transactions import Coordinated, Forgotten, OpenTransaction, Standing
from floodwarden.core.observation import Partition, Unknown, UnknownReason

LOADING, DENIED, NOT_FOUND, NO_AUTHORIZER, NO_TOPIC = 14, 29, 105, 54, 3
STRAY = OpenTransaction(Partition("orders", 0), 7, 100, 0)
LED = {0: (1, 5), 1: (2, 5)}  # partitions of the state, each with leader and epoch
Answer = Any


def some(**fields: Any) -> Answer:
    return SimpleNamespace(**fields)


def state(leaders: Mapping[int, tuple[int, int]], code: int = 0) -> Answer:
    partitions = [some(partition_index=at, leader_id=node, leader_epoch=epoch) for at, (node, epoch) in leaders.items()]
    return some(topics=[some(name=STATE, error_code=code, partitions=partitions)])


def listed(ids: Mapping[str, int], code: int = 0) -> Answer:
    return some(error_code=code, transaction_states=[some(transactional_id=name, producer_id=ids[name]) for name in ids])


def described(name: str = "billing", *, code: int = 0, partitions: Sequence[int] = (0,)) -> Answer:
    topics = [some(topic="orders", partitions=list(partitions))] if partitions else []
    return some(
        transaction_states=[
            some(
                transactional_id=name,
                error_code=code,
                transaction_state="Ongoing",
                transaction_start_time_ms=5000,
                topics=topics,
            )
        ]
    )


class Cluster:
    """Nodes 1 and 2 coordinate; ``answers`` replaces what a request of that name, on that node or on any, is answered."""

    def __init__(self, answers: Mapping[tuple[str, int | None], Any]) -> None:
        self._answers = {
            ("Metadata", None): [state(LED)],
            ("ListTransactions", 1): [listed({})],
            ("ListTransactions", 2): [listed({})],
            ("DescribeAcls", None): [some(error_code=0, resources=[])],
            **{about: answer if isinstance(answer, list) else [answer] for about, answer in answers.items()},
        }
        self.asked: list[str] = []

    def label(self, node: int) -> str:
        return str(node)

    async def send(self, node: int, request: Any) -> Answer:
        return self._answer(request, node)

    async def send_any(self, request: Any) -> Answer:
        return self._answer(request, None)

    def _answer(self, request: Any, node: int | None) -> Answer:
        name = protocol.name(request)
        self.asked.append(name)
        if (name, node) == ("DescribeTransactions", None) and (name, node) not in self._answers:  # are any of these hidden?
            return some(
                transaction_states=[some(transactional_id=one, error_code=NOT_FOUND) for one in request.transactional_ids]
            )
        answers = self._answers[name, node]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, RequestError):
            raise answer
        return answer


async def standing_on(cluster: Cluster) -> Standing:
    told = await Coordinators(cast(Nodes, cluster)).ask({STRAY.producer})
    return told.standing(STRAY)


async def test_nobody_knows_it() -> None:
    """All have answered, and nothing is hidden."""
    assert await standing_on(Cluster({})) == Forgotten()


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param({("Metadata", None): state({}, NO_TOPIC)}, id="there never was a coordinator"),
        pytest.param({("DescribeAcls", None): some(error_code=NO_AUTHORIZER)}, id="brokers without ACLs"),
        pytest.param(
            {("ListTransactions", 2): listed({"billing": 7}), ("DescribeTransactions", 2): described(partitions=[1, 2])},
            id="its producer is known, with a transaction elsewhere",
        ),
        pytest.param(
            {("ListTransactions", 2): listed({"billing": 7}), ("DescribeTransactions", 2): described(partitions=[])},
            id="its producer is known, without a transaction",
        ),
    ],
)
async def test_it_is_hung(answers: Mapping[tuple[str, int | None], Answer]) -> None:
    """Nobody will ever end it."""
    assert await standing_on(Cluster(answers)) == Forgotten()


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param({}, id="all answer"),
        pytest.param({("ListTransactions", 1): failed(UnknownReason.TIMEOUT, "too late")}, id="another does not answer"),
    ],
)
async def test_a_coordinator_knows_it(beside: Mapping[tuple[str, int | None], Answer]) -> None:
    """Whatever the others say; then nobody needs to be asked about ACLs."""
    known: dict[tuple[str, int | None], Answer] = {
        ("ListTransactions", 2): listed({"billing": 7}),
        ("DescribeTransactions", 2): described(),
    }
    cluster = Cluster({**known, **beside})
    assert await standing_on(cluster) == Coordinated("billing", "Ongoing", 5.0)
    assert "DescribeAcls" not in cluster.asked


@pytest.mark.parametrize(
    ("answers", "reason", "says"),
    [
        pytest.param(
            {("Metadata", None): state({0: (1, 5), 1: (-1, 5)})},
            UnknownReason.COORDINATOR_UNAVAILABLE,
            f"partition {STATE}-1 has no leader",
            id="one has no coordinator",
        ),
        pytest.param(
            {("Metadata", None): [state(LED), state({0: (1, 5), 1: (1, 6)})]},
            UnknownReason.COORDINATOR_UNAVAILABLE,
            "have just moved",
            id="one has moved meanwhile",
        ),
        pytest.param(
            {("Metadata", None): [state(LED), state({0: (1, 5), 1: (2, 6)})]},
            UnknownReason.COORDINATOR_UNAVAILABLE,
            "have just moved",
            id="one was elected anew meanwhile",
        ),
        pytest.param(
            {("Metadata", None): state({}, DENIED)},
            UnknownReason.AUTHORIZATION_FAILED,
            f"topic {STATE}: allow Floodwarden's user Describe on it",
            id="who coordinates is hidden",
        ),
        pytest.param({("Metadata", None): some(topics=[])}, UnknownReason.BROKER_ERROR, "left it out", id="no word of them"),
        pytest.param(
            {("ListTransactions", 1): listed({}, LOADING)},
            UnknownReason.COORDINATOR_UNAVAILABLE,
            "transactions on node 1",
            id="one is loading",
        ),
        pytest.param(
            {("ListTransactions", 2): failed(UnknownReason.TIMEOUT, "too late")},
            UnknownReason.TIMEOUT,
            "too late",
            id="no answer",
        ),
        pytest.param(
            {
                ("ListTransactions", 2): listed({"billing": 7}),
                ("DescribeTransactions", 2): failed(UnknownReason.TIMEOUT, "too late"),
            },
            UnknownReason.TIMEOUT,
            "too late",
            id="no answer to the second question",
        ),
        pytest.param(
            {("ListTransactions", 2): listed({"billing": 7}), ("DescribeTransactions", 2): described(code=NOT_FOUND)},
            UnknownReason.BROKER_ERROR,
            "transaction billing",
            id="it was forgotten between two questions",
        ),
        pytest.param(
            {("ListTransactions", 2): listed({"billing": 7}), ("DescribeTransactions", 2): described("other")},
            UnknownReason.BROKER_ERROR,
            "left some out",
            id="another was described",
        ),
        pytest.param(
            {("DescribeAcls", None): some(error_code=31)},
            UnknownReason.AUTHORIZATION_FAILED,
            "allow Floodwarden's user Describe on the cluster",
            id="ACLs may not be seen",
        ),
        pytest.param(
            {("DescribeTransactions", None): some(transaction_states=[])},
            UnknownReason.AUTHORIZATION_FAILED,
            "allow Floodwarden's user Describe on all transactional ids",
            id="no word of what may be hidden",
        ),
    ],
)
async def test_it_may_be_known(answers: Mapping[tuple[str, int | None], Answer], reason: UnknownReason, says: str) -> None:
    """As long as somebody may know it, it is not hung."""
    standing = await standing_on(Cluster(answers))
    assert isinstance(standing, Unknown), standing
    assert standing.reason is reason
    assert says in standing.detail
