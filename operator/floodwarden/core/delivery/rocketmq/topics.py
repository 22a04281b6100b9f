"""Topics on RocketMQ's brokers that lose messages by their shape, and how often groups get a message again. ``judging`` asks."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from floodwarden.core.delivery.rocketmq.found import BrokerSet, TopicOn
from floodwarden.core.delivery.violations import Action, Violation, listed
from floodwarden.core.delivery.wishes import Relation, Requirement, Wishes
from floodwarden.core.observation import Unknown

RETRIES: Final = "retryMaxTimes"
PERM: Final = "perm"
QUEUES: Final = "queues"
READ: Final = 4
WRITE: Final = 2
# As in RocketMQ's TopicValidator and MixAll; retry and dead letter topics belong to groups.
_SYSTEM: Final = re.compile(
    r"(?i:rmq_sys_).*|%RETRY%.*|%DLQ%.*|TBW102|SCHEDULE_TOPIC_XXXX|BenchmarkTest|TRANS_CHECK_MAX_TIME_TOPIC|SELF_TEST_TOPIC"
    r"|OFFSET_MOVED_EVENT|DefaultHeartBeatSyncerTopic|.*_REPLY_TOPIC"
)
_SYSTEM_GROUP: Final = re.compile(
    r"CID_(RMQ_SYS|SYS_RMQ|ONSAPI)_?.*|TOOLS_CONSUMER|SELF_TEST_C_GROUP|__MONITOR_CONSUMER|FILTERSRV_CONSUMER"
)


def is_system(topic: str) -> bool:
    """Whether a topic is RocketMQ's own, of which no policy speaks."""
    return _SYSTEM.fullmatch(topic) is not None


def views(policies: Collection[Wishes], sets: Sequence[BrokerSet]) -> dict[str, tuple[BrokerSet, ...]]:
    """What each policy, by its name, is about: the sets that hold a topic that it speaks of, each with these topics alone, and
    those of which the topics are not known."""
    known = {some.name: some.topics for some in sets if not isinstance(some.topics, Unknown)}
    names = {name for topics in known.values() for name in topics if not is_system(name)}
    found: dict[str, tuple[BrokerSet, ...]] = {}
    for wishes in policies:
        speaks_of = sorted(wishes.among(names))
        on = {where: {name: topics[name] for name in speaks_of if name in topics} for where, topics in known.items()}
        limited = (replace(some, topics=on[some.name]) if some.name in known else some for some in sets)
        found[wishes.name] = tuple(some for some in limited if some.topics)
    return found


def held(some: BrokerSet) -> Mapping[str, TopicOn]:
    """The topics on a set; none where they are not known."""
    return {} if isinstance(some.topics, Unknown) else some.topics


def of_topics(sets: Sequence[BrokerSet]) -> Iterator[Violation]:
    """What is told of topics, and never changed."""
    places: dict[str, dict[str, TopicOn]] = defaultdict(dict)
    for some in sets:
        for name, topic in held(some).items():
            places[name][some.name] = topic
    for name, on in sorted(places.items()):
        yield from _of_perm(name, on)
        yield from _of_queues(name, on)


def _of_perm(name: str, on: Mapping[str, TopicOn]) -> Iterator[Violation]:
    shut = {broker: topic for broker, topic in on.items() if not topic.perm & READ or not topic.perm & WRITE}
    if not shut:
        return
    blind = any(not topic.perm & READ for topic in shut.values())
    reason = (
        "what was written there cannot be read" if blind else "nothing can be written there, and fewer brokers take all of it"
    )
    found = listed([f"{topic.perm} on {broker}" for broker, topic in sorted(shut.items())])
    text = f"{reason}; see mqadmin updateTopicPerm"
    yield Violation(f"topic {name}", PERM, "6 (read, write)", found, "topic", Action.REPORT, text)


def _of_queues(name: str, on: Mapping[str, TopicOn]) -> Iterator[Violation]:
    unread = {broker: topic for broker, topic in on.items() if topic.readable < topic.writable}
    if unread:
        found = listed(
            [f"{topic.readable} read, {topic.writable} written on {broker}" for broker, topic in sorted(unread.items())]
        )
        reason = "nobody reads what is written to the others; see mqadmin updateTopic -r -w"
        yield Violation(f"topic {name}", QUEUES, "all that are written are read", found, "topic", Action.REPORT, reason)
    elif len({(topic.readable, topic.writable) for topic in on.values()}) > 1:
        found = listed([f"{topic.writable} on {broker}" for broker, topic in sorted(on.items())])
        reason = "producers go round the queues, so brokers with more of them take more; see mqadmin updateTopic -r -w"
        yield Violation(f"topic {name}", QUEUES, "as many on each broker", found, "topic", Action.REPORT, reason)


def retries_asked(wishes: Wishes) -> Requirement | None:
    """How often a message may come back; None where nobody asks."""
    limit = wishes.reading.delivery_limit
    return None if limit is None else Requirement(RETRIES, Relation.AT_MOST, str(limit))


def group_retries(sets: Sequence[BrokerSet]) -> dict[str, dict[str, int]]:
    """retryMaxTimes of the groups that read a matched topic: group → set."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for some in sets:
        if isinstance(some.readers, Unknown) or isinstance(some.retries, Unknown):
            continue
        for topic in held(some):
            for group in some.readers.get(topic, ()):
                if group in some.retries and not _SYSTEM_GROUP.fullmatch(group):
                    found[group][some.name] = some.retries[group]
    return dict(found)
