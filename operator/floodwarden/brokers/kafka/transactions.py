"""What Kafka's coordinators know of producers' transactions; ``producers`` asks.

That none knows a transaction is worth something only if all have told all they have: every partition of the topic in which they
keep it has a leader that answered, none has moved meanwhile, and no ACL hides an id. Brokers leave out what a user may not see
without a word, and half of a transaction that goes on would be lost if it were taken for a hung one.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from floodwarden.brokers.kafka import protocol, protocol_producers
from floodwarden.brokers.kafka.errors import RequestError, denied, from_code
from floodwarden.brokers.kafka.nodes import Nodes
from floodwarden.core.delivery.transactions import Coordinated, Forgotten, OpenTransaction, Standing
from floodwarden.core.observation import Partition, Unknown, UnknownReason

STATE: Final = "__transaction_state"
SEE_ALL: Final = "Describe on all transactional ids"

Terms = Mapping[int, tuple[int, int]]
"""Who coordinates: the leader of each partition of STATE, and since which epoch."""


@dataclass(frozen=True, slots=True)
class _Described:
    """A transaction as its coordinator has it, with the partitions in it that still wait for its end."""

    transaction: Coordinated
    partitions: frozenset[Partition]


@dataclass(frozen=True, slots=True)
class Told:
    """What all coordinators told, by producer. ``missing`` says why there may be more; None where this is all."""

    by_producer: Mapping[int, Collection[_Described | Unknown]]
    missing: Unknown | None

    def standing(self, one: OpenTransaction) -> Standing:
        """Where one stands, as Kafka's own tool has it: known where it is among the partitions of its producer's transaction."""
        doubts = [] if self.missing is None else [self.missing]
        for described in self.by_producer.get(one.producer, ()):
            if isinstance(described, Unknown):
                doubts.append(described)
            elif one.partition in described.partitions:
                return described.transaction
        return doubts[0] if doubts else Forgotten()


class Coordinators:
    """Asks the nodes that coordinate transactions."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    async def ask(self, producers: Collection[int]) -> Told:
        """What is known of the transactions of these producers. BrokerError where no node answers."""
        terms = await self._terms()
        if isinstance(terms, Unknown):
            return Told({}, terms)
        nodes = sorted({leader for leader, _ in terms.values()})
        answers = await asyncio.gather(*(self._listed(node, producers) for node in nodes))
        by_producer: dict[int, list[_Described | Unknown]] = defaultdict(list)
        missing: Unknown | None = None
        for answer in answers:
            if isinstance(answer, Unknown):
                missing = answer
                continue
            for producer, described in answer:
                by_producer[producer].append(described)
        if missing is None and not by_producer.keys() >= set(producers):
            missing = await self._hidden()
        if missing is None and await self._terms() != terms:
            missing = Unknown(UnknownReason.COORDINATOR_UNAVAILABLE, "coordinators of transactions have just moved")
        return Told(by_producer, missing)

    async def _terms(self) -> Terms | Unknown:
        answer = await self._nodes.send_any(protocol.metadata([STATE]))
        for topic in answer.topics:
            if topic.error_code == protocol_producers.TOPIC_UNKNOWN:
                return {}  # it is made with the first transaction that a coordinator knows
            if topic.error_code:
                return denied(topic.error_code, f"topic {STATE}", "Describe on it")
            for entry in topic.partitions:
                if entry.leader_id == protocol.NO_NODE:
                    detail = f"partition {STATE}-{entry.partition_index} has no leader, so its transactions have no coordinator"
                    return Unknown(UnknownReason.COORDINATOR_UNAVAILABLE, detail)
            return {entry.partition_index: (entry.leader_id, entry.leader_epoch) for entry in topic.partitions}
        return Unknown(UnknownReason.BROKER_ERROR, f"topic {STATE}: the broker's metadata left it out")

    async def _listed(self, node: int, producers: Collection[int]) -> list[tuple[int, _Described | Unknown]] | Unknown:
        """The transactions that one node coordinates, each with its producer."""
        what = f"transactions on node {self._nodes.label(node)}"
        try:
            listed = await self._nodes.send(node, protocol_producers.list_transactions(producers))
            if listed.error_code:
                return from_code(listed.error_code, what)
            ids = {state.transactional_id: state.producer_id for state in listed.transaction_states}
            if not ids:
                return []
            answer = await self._nodes.send(node, protocol_producers.describe_transactions(ids))
        except RequestError as error:
            return error.unknown
        left_out = Unknown(UnknownReason.BROKER_ERROR, f"{what}: the broker left some out")
        found = {state.transactional_id: _described(state) for state in answer.transaction_states}
        return [(producer, found.get(id_, left_out)) for id_, producer in ids.items()]

    async def _hidden(self) -> Unknown | None:
        """Whether this user may see all transactional ids: those with rules of their own, and any other.

        Rules are about one id, or about all that begin alike; what holds for one such id holds for all of them.
        """
        rules = await self._nodes.send_any(protocol_producers.describe_transactional_acls())
        if rules.error_code == protocol_producers.NO_AUTHORIZER:
            return None
        if rules.error_code:
            operation = f"Describe on the cluster, so that it can tell whether it has {SEE_ALL}"
            return denied(rules.error_code, "ACLs of transactional ids", operation)
        any_other = uuid4().hex
        probes = {any_other}
        for rule in rules.resources:
            everything = rule.resource_name == protocol_producers.EVERYTHING
            prefix = rule.pattern_type == protocol_producers.PREFIXED
            probes.add(rule.resource_name + any_other if prefix or everything else rule.resource_name)
        # Whether a node coordinates an id or not, it looks at the rights first.
        answer = await self._nodes.send_any(protocol_producers.describe_transactions(probes))
        codes = {state.transactional_id: state.error_code for state in answer.transaction_states}
        if all(codes.get(probe, protocol_producers.NOT_ALLOWED) != protocol_producers.NOT_ALLOWED for probe in probes):
            return None
        return denied(protocol_producers.NOT_ALLOWED, "some transactions are hidden", SEE_ALL)


def _described(state: protocol.Response) -> _Described | Unknown:
    if state.error_code:
        return denied(state.error_code, f"transaction {state.transactional_id}", SEE_ALL)
    began = state.transaction_start_time_ms
    since = began / 1000 if began != protocol_producers.NO_TIME else None
    return _Described(
        Coordinated(state.transactional_id, state.transaction_state, since),
        frozenset(Partition(topic.topic, index) for topic in state.topics for index in topic.partitions),
    )
