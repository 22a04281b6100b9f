"""The look at topics of Strimzi: each KafkaTopic is changed once, by a policy that may, and nobody is asked for nothing."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import cast
from uuid import UUID

import pytest

from floodwarden.api.deliverypolicy import DeliveryPolicy
from floodwarden.brokers.base import SettingsBroker
from floodwarden.cluster.kafkatopics import GROUP, TopicOwners
from floodwarden.core.delivery.audit import audit
from floodwarden.core.delivery.owned import named
from floodwarden.core.delivery.seen import Seen
from floodwarden.core.delivery.violations import MIN_IN_SYNC, UNCLEAN, Action
from floodwarden.core.reasons import Reason
from floodwarden.sweep.looks.base import Round
from floodwarden.sweep.looks.kafkatopics import PATCHES_AT_MOST, KafkaTopicsLook
from tests.support.api import FewObjects, Object
from tests.support.delivery import survey, topic

SAFE: Object = {"mode": "Enforce", "replication": {"minInSync": 2, "uncleanElection": False}}


def policy(name: str = "safe", *, spec: Object = SAFE, generation: int = 1) -> DeliveryPolicy:
    """A DeliveryPolicy for all topics."""
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "generation": generation}
    return DeliveryPolicy.parse(
        {"metadata": metadata, "spec": {"brokerRef": {"name": "main"}, "match": {"names": ["*"]}, **spec}}
    )


class Site:
    """KafkaTopics whose topics have one copy in sync and may lose messages in an election, and the look at them."""

    def __init__(self, topics: int = 1) -> None:
        self.api = FewObjects()
        self.names = [f"orders-{number}" for number in range(topics)]
        for number, name in enumerate(self.names):
            said = base64.urlsafe_b64encode(UUID(int=number + 1).bytes).decode().rstrip("=")
            status = {"topicId": said, "observedGeneration": 1}
            self.api.put(self.path(name), {"spec": {"config": {MIN_IN_SYNC: 1, "flush.ms": 5}}, "status": status})
        self._owners = TopicOwners(self.api, ["kafka"])
        self._look = KafkaTopicsLook(self._owners)

    def path(self, name: str) -> str:
        return f"/apis/{GROUP}/v1/namespaces/kafka/kafkatopics/{name}"

    def config(self, name: str = "orders-0") -> Object:
        return dict(self.api.objects[self.path(name)]["spec"]["config"])

    async def look(self, *policies: DeliveryPolicy, may_act: Sequence[str] = ("shop/safe", "shop/other")) -> dict[str, Seen]:
        """One audit, as the audit loop makes it."""
        read = await self._owners.read()
        assert not isinstance(read, str), read
        owners = {name: named(held) for name, held in read.items()}
        wishes = [one.wishes for one in policies]
        found = survey(
            *(
                replace(topic(name, {MIN_IN_SYNC: "1", UNCLEAN: "true"}), id=str(UUID(int=number + 1)))
                for number, name in enumerate(self.names)
            )
        )
        self.api.requests.clear()
        made = Round(
            adapter=cast(SettingsBroker, None),  # it is never asked
            survey=found,
            policies=wishes,
            findings=audit(found, wishes, owners),
            at=0.0,
            owners=owners,
            kafka_topics=read,
            resources={one.wishes.name: one for one in policies},
            may_act=lambda name: name in may_act,
        )
        return dict(await self._look.look(made))


@pytest.fixture
def site() -> Site:
    return Site()


def reasons(seen: Seen) -> set[str]:
    """What is said of the topics' differences."""
    return {one.reason for one in seen.violations}


async def test_one_patch_for_a_topic(site: Site) -> None:
    """With all that differs, told once for each setting; what else it sets stays."""
    seen = (await site.look(policy()))["shop/safe"]
    assert site.api.requests == [f"PATCH {site.path('orders-0')}"]
    assert site.config() == {MIN_IN_SYNC: 2, UNCLEAN: False, "flush.ms": 5}
    assert {one.reason for one in seen.notices} == {Reason.KAFKA_TOPIC_PATCHED}
    assert {one.key for one in seen.violations} == {("topic orders-0", MIN_IN_SYNC), ("topic orders-0", UNCLEAN)}
    assert {one.action for one in seen.violations} == {Action.OWNER}
    assert reasons(seen) == {"KafkaTopic kafka/orders-0 has this topic and was changed: Strimzi's topic operator carries it out"}


async def test_it_is_not_done_again_while_strimzi_does_not_follow(site: Site) -> None:
    """The topic itself still differs: that is told, and nothing is sent."""
    await site.look(policy())
    seen = (await site.look(policy()))["shop/safe"]
    assert site.api.requests == []
    assert seen.notices == ()
    assert all("look at its status" in reason for reason in reasons(seen))


async def test_a_policy_that_only_looks_asks_nothing(site: Site) -> None:
    """What differs is told by the audit; there is nothing to add."""
    assert await site.look(policy(spec={**SAFE, "mode": "Audit"})) == {}
    assert site.api.requests == []


async def test_what_may_not_act_writes_nothing(site: Site) -> None:
    """It was edited meanwhile, or another replica has the share."""
    seen = (await site.look(policy(), may_act=()))["shop/safe"]
    assert site.api.requests == []
    assert reasons(seen) == {"KafkaTopic kafka/orders-0 is changed with one of the next audits"}


async def test_two_policies_that_agree(site: Site) -> None:
    """One of them changes it; both say so, and the Event is the one's that did."""
    seen = await site.look(policy(), policy("other"))
    assert len(site.api.requests) == 1
    assert reasons(seen["shop/safe"]) == reasons(seen["shop/other"])
    assert [len(one.notices) for one in seen.values()] == [2, 0]


async def test_a_missing_right_is_asked_for_once(site: Site) -> None:
    """However many topics there are: one request, and each difference names the value that grants it."""
    site = Site(5)
    site.api.denied.append(("PATCH", "kafkatopics"))
    seen = (await site.look(policy()))["shop/safe"]
    assert len(site.api.requests) == 1
    assert len(seen.violations) == 10
    assert all("set the chart's value rbac.patchKafkaTopics" in reason for reason in reasons(seen))
    assert seen.notices == ()


async def test_very_many_topics_take_several_audits() -> None:
    """So that no audit takes for ever; the others say that their turn comes."""
    site = Site(PATCHES_AT_MOST + 5)
    seen = (await site.look(policy()))["shop/safe"]
    assert len(site.api.requests) == PATCHES_AT_MOST
    assert len([one for one in seen.violations if "one of the next audits" in one.reason]) == 10
    await site.look(policy())
    assert len(site.api.requests) == 5


async def test_who_puts_it_back_is_left(site: Site) -> None:
    """Two changes, and no third; an edited policy tries again."""
    path = site.path("orders-0")
    before = site.api.objects[path]
    for _ in range(2):
        assert (await site.look(policy()))["shop/safe"].notices
        site.api.put(path, before)
    seen = (await site.look(policy()))["shop/safe"]
    assert site.api.requests == []
    assert all("put back each time" in reason for reason in reasons(seen))
    assert (await site.look(policy(generation=2)))["shop/safe"].notices
