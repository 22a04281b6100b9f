"""The guard on top of ``KafkaUnread``, against real topics: extended, put back, told, and with few requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import cast
from uuid import uuid4

import pytest

from floodwarden.brokers.kafka import KafkaSettings
from floodwarden.cluster.ledger import LedgerClient, Page
from floodwarden.core.delivery.ledger import loaded
from floodwarden.core.delivery.seen import Seen
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.reasons import Reason
from floodwarden.sweep.ledger import BrokerLedger
from floodwarden.sweep.looks.base import Round
from floodwarden.sweep.looks.guarding import Guarding
from tests.contract.cluster.eventually import eventually
from tests.contract.kafka.old_messages import DAY, HOUR, delete_records, now, produce_at
from tests.contract.kafka.real_kafka import NODES, RealKafka
from tests.contract.kafka.test_settings import opened as opened
from tests.contract.kafka.test_settings import own_of, surveyed
from tests.contract.kafka.test_settings import settings as settings
from tests.contract.kafka.test_unread import kept_topic
from tests.support.delivery import the, wishes


class Pages:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.text = ""

    async def read(self, about: str) -> Page:
        return Page(about, self.text)

    async def write(self, page: Page, text: str) -> Page:
        self.text = text
        return Page(page.about, text, "1")


@dataclass
class Guarded:
    """The guard of one adapter."""

    settings: KafkaSettings
    look: Guarding
    pages: Pages
    requests: int = 0

    async def audit(self, *policies: Wishes) -> Mapping[str, Seen]:
        wanted = self.look.settings(policies)
        survey = await self.settings.survey(lambda name: any(one.matches(name) for one in policies), wanted)
        before = self.settings.requests
        round = Round(self.settings, survey, policies, {}, now() / 1000, may_act=lambda _: True, may_undo=lambda: True)
        seen = await self.look.look(round)
        self.requests = self.settings.requests - before
        return seen


@asynccontextmanager
async def _guarded(settings: KafkaSettings) -> AsyncIterator[Guarded]:
    pages = Pages()
    ledger = BrokerLedger(cast(LedgerClient, pages), "test")
    await ledger.read()
    yield Guarded(settings, Guarding(ledger), pages)


@pytest.fixture
async def guarded(settings: KafkaSettings) -> AsyncIterator[Guarded]:
    async with _guarded(settings) as one:
        yield one


def guard(topic: str, extend_to: int | None = 7 * DAY) -> Wishes:
    return replace(wishes(names=[topic]), guarded=True, extend_to=extend_to)


async def test_the_guard(kafka: RealKafka, guarded: Guarded, group: str) -> None:
    """For a group that is late a topic keeps its messages for longer until it has caught up: then all is as it was before."""
    topic, at = kept_topic(kafka), now()
    produce_at(kafka, topic, [at - 20 * HOUR, at - 10 * HOUR])
    kafka.commit(group, topic, {0: 0})
    await surveyed(guarded.settings, topic)
    policy = guard(topic)
    seen = (await guarded.audit(policy))[policy.name]
    assert [notice.reason for notice in seen.notices] == [Reason.RETENTION_EXTENDED]
    violation = the(seen.violations)
    assert violation.resource == f"topic {topic}, group {group}"
    # The two are in one segment, so neither goes before the newer one is a day old: 14 hours; what the messages say is less.
    assert violation.found == "1 in partition 0 expire in 6d at the earliest"
    assert own_of(kafka, topic) == {"retention.ms": str(7 * DAY)}
    again = (await guarded.audit(policy))[policy.name]
    assert again.notices == ()
    kafka.commit(group, topic, {0: 2})
    done = await eventually(lambda: guarded.audit(policy), lambda found: bool(found[policy.name].notices))
    assert [notice.reason for notice in done[policy.name].notices] == [Reason.RETENTION_RESTORED]
    assert own_of(kafka, topic) == {"retention.ms": str(DAY)}
    assert not loaded(guarded.pages.text).entries


async def test_the_guard_puts_back_what_was_not_set(kafka: RealKafka, guarded: Guarded, group: str) -> None:
    """A topic that set no retention itself sets none afterwards. Its nodes keep messages for two hours."""
    topic, at = kafka.topic(1), now()
    produce_at(kafka, topic, [at - 100 * 60_000])
    kafka.commit(group, topic, {0: 0})
    await surveyed(guarded.settings, topic)
    policy = guard(topic, 6 * HOUR)
    await guarded.audit(policy)
    assert own_of(kafka, topic) == {"retention.ms": str(6 * HOUR)}
    kafka.commit(group, topic, {0: 1})
    await eventually(lambda: guarded.audit(policy), lambda found: bool(found[policy.name].notices))
    assert own_of(kafka, topic) == {}


async def test_the_guard_tells_of_loss_and_of_bytes(kafka: RealKafka, guarded: Guarded, group: str) -> None:
    """Messages that were deleted unread, by partition; and a log that is nearly full of what is unread."""
    topic = kept_topic(kafka, 2, retention_bytes="20000")
    produce_at(kafka, topic, [now()] * 3, 0, size=10)
    produce_at(kafka, topic, [now()] * 4, 1, size=4500)
    kafka.commit(group, topic, {0: 0, 1: 0})
    delete_records(kafka, topic, {0: 2})
    await surveyed(guarded.settings, topic)
    policy = guard(topic)
    seen = (await guarded.audit(policy))[policy.name]
    found = {violation.setting: violation.found for violation in seen.violations}
    assert found.keys() == {"lost messages", "unread bytes"}
    assert found["lost messages"] == "2 in partition 0"
    assert found["unread bytes"] == "about 17.9 KiB of the 19.5 KiB that are kept in partition 1"


async def test_few_requests(kafka: RealKafka, guarded: Guarded) -> None:
    """By node, not by group or topic."""
    prefix = f"many-{uuid4().hex[:8]}"
    names = [f"{prefix}-{number}" for number in range(30)]
    kafka.one_copy(*names, partitions=3)
    try:
        for name in names:
            kafka.commit(f"group-of-{name}", name, {0: 0, 1: 0, 2: 0})
            kafka.produce(name, {0: 1, 1: 1, 2: 1})
        await surveyed(guarded.settings, *names)
        policy = guard(f"{prefix}-*", None)
        await guarded.audit(policy)
        await guarded.audit(policy)
        # Groups, what they have committed, ends, starts, first messages, sizes (these nodes bound logs): each from every node.
        assert guarded.requests <= 6 * len(NODES)
        await guarded.audit(wishes(names=[f"{prefix}-*"]))
        assert guarded.requests == 0
    finally:
        kafka.delete_topic(*names)
