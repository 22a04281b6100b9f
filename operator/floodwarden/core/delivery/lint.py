"""What no broker tells: where a policy asks for what it cannot have, or for less than it seems to. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from typing import Final

from floodwarden.core.delivery.effective import effective, held_at_least, told
from floodwarden.core.delivery.producers import UNKNOWN_TO_BROKERS
from floodwarden.core.delivery.survey import BrokerFound, Source, TopicFound, Values
from floodwarden.core.delivery.violations import MIN_IN_SYNC, UNCLEAN, listed
from floodwarden.core.delivery.wishes import RETENTION, TIMESTAMPS, Relation, Requirement, Wishes
from floodwarden.core.observation import Unknown

LIVE: Final = "LogAppendTime can be set while the brokers run"


def lint(wishes: Wishes, topics: Sequence[TopicFound], brokers: Sequence[BrokerFound]) -> Iterator[str]:
    """One sentence for each promise of the policy that its own settings, or the brokers there are, cannot keep."""
    factor, in_sync = wishes.factor, wishes.min_in_sync
    if factor is not None and brokers:
        away = [broker for broker in brokers if broker.rack is None and isinstance(broker.values, Unknown)]
        racks = {broker.rack for broker in brokers if broker.rack is not None}
        if factor > len(brokers):
            yield f"replication.factor {factor} cannot be kept: there are {len(brokers)} brokers"
        elif racks and not away and factor > len(racks):
            yield f"replication.factor {factor} puts copies into the same rack: there are {len(racks)}"
    if factor is not None and in_sync == factor:
        yield f"replication.minInSync {in_sync} equals the factor: writes stop whenever one broker restarts"
    yield from _without_reserve(wishes, topics, brokers)
    yield from unmatched(wishes, {topic.name for topic in topics})
    if wishes.acks in ("Leader", "None"):
        if in_sync is not None and in_sync > 1:
            yield f"acks {wishes.acks} does not wait for replicas: minInSync {in_sync} protects nothing that is written so"
        if wishes.flush in ("Sync", "Replicated"):
            promise = "on disk" if wishes.flush == "Sync" else "on other brokers"
            yield f"flush {wishes.flush} promises messages {promise}, but with acks {wishes.acks} producers do not wait for that"
    if wishes.flush == "Sync" and (in_sync or 1) < 2:
        yield "flush Sync alone keeps messages on one disk: a lost disk loses them; add replication with minInSync 2"
    yield from _doubtful_times(wishes, topics, brokers)


def unmatched(wishes: Wishes, topics: Set[str]) -> Iterator[str]:
    """A sentence about names that none of the topics found has; where none was found at all, that is told elsewhere."""
    missing = sorted(set(wishes.literal) - topics)
    if missing and topics:
        yield f"no topic matches {listed(missing)}: correct spec.match, or create the topic"


def _without_reserve(wishes: Wishes, topics: Sequence[TopicFound], brokers: Sequence[BrokerFound]) -> Iterator[str]:
    """Topics that ask for as many copies in sync as they have, whatever the policy asks for."""
    if wishes.factor is None and wishes.min_in_sync is None:
        return
    names = [
        topic.name
        for topic in topics
        if not isinstance(topic.placements, Unknown)
        and any(1 < len(placement.replicas) == held_at_least(topic, brokers) for placement in topic.placements)
    ]
    if names:
        yield f"{MIN_IN_SYNC} of {listed(names)} equals the replicas there: writes stop whenever one broker restarts"


def _doubtful_times(wishes: Wishes, topics: Sequence[TopicFound], brokers: Sequence[BrokerFound]) -> Iterator[str]:
    if not any(need.setting == RETENTION for need in wishes.requirements):
        return
    need = Requirement(TIMESTAMPS, Relation.EXACTLY, "LogAppendTime")
    found = {topic.name: effective(topic, need, brokers, []) for topic in topics}
    names = [name for name, values in found.items() if values is not None and values.unmet(need)]
    held = found[names[0]] if names else None
    if held is not None:
        unmet = held.unmet(need)
        live = all(one.value.live for one in unmet)
        yield (
            f"{RETENTION} of {listed(names)} counts from the times that producers write ({TIMESTAMPS}: "
            f"{told(TIMESTAMPS, unmet)[1]}): a wrong clock there makes it shorter; "
            f"{LIVE if live else 'set LogAppendTime on the topics, their brokers would need a restart for it'}"
        )


def unproven(wishes: Wishes, topics: Sequence[TopicFound], brokers: Sequence[BrokerFound]) -> Iterator[str]:
    """What is asked for and cannot be told from brokers and topics, a sentence for each."""
    if wishes.acks is not None:
        yield f"acks {wishes.acks}: {UNKNOWN_TO_BROKERS}"
    if not any(need.setting == UNCLEAN for need in wishes.requirements):
        return
    roles = [broker.values.get("process.roles") for broker in brokers if not isinstance(broker.values, Unknown)]
    inherit = [topic.name for topic in topics if not isinstance(topic.values, Unknown) and not _sets(topic.values, UNCLEAN)]
    if inherit and any(role is not None and role.text == "broker" for role in roles):
        yield (
            f"{UNCLEAN} of {listed(inherit)}: where topics do not set it, controllers decide, which are nodes of their own here "
            "and cannot be asked: set it on the topics"
        )


def _sets(values: Values, setting: str) -> bool:
    return setting in values and values[setting].source is Source.TOPIC
