"""Topics that Strimzi has: what differs there is changed in their KafkaTopics. ``core.delivery.owned`` decides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from floodwarden.cluster.kafkatopics import KafkaTopicProblem, TopicOwners, denied
from floodwarden.core.conditions import Notice
from floodwarden.core.delivery.owned import Handed, KafkaTopic, handed
from floodwarden.core.delivery.seen import Seen
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.violations import Violation
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.reasons import Reason
from floodwarden.sweep.looks.base import Round
from floodwarden.sweep.looks.patience import Deed, Patience

PATCHES_AT_MOST: Final = 100  # of one audit; the others follow with the next ones

_log = structlog.get_logger(__name__)


@dataclass
class _Done:
    """What one audit has done so far: each setting of a topic once, whoever asks, and none more once the right is missing."""

    done: dict[tuple[str, str], str] = field(default_factory=dict)
    patches: int = 0
    denied: bool = False


class KafkaTopicsLook:
    """Asks nothing of anybody unless a policy that acts matches a topic that a KafkaTopic has."""

    def __init__(self, owners: TopicOwners) -> None:
        self._owners = owners
        self._patience = Patience()

    def settings(self, policies: Collection[Wishes]) -> Collection[str]:
        """See ``Look.settings``."""
        return ()

    async def look(self, round: Round) -> Mapping[str, Seen]:
        """See ``Look.look``."""
        self._patience.forget_but({(name, policy.metadata.generation) for name, policy in round.resources.items()})
        so_far = _Done()
        return {
            wishes.name: await self._of_policy(wishes, round, so_far)
            for wishes in round.policies
            if round.findings[wishes.name].owned
        }

    async def _of_policy(self, wishes: Wishes, round: Round, so_far: _Done) -> Seen:
        findings = round.findings[wishes.name]
        by_topic: dict[str, list[Change]] = defaultdict(list)
        for change in findings.owned:
            by_topic[change.name].append(change)
        reasons: dict[tuple[str, str], str] = {}
        notices: list[Notice] = []
        needs = {need.setting: need for need in wishes.requirements}
        for topic, changes in by_topic.items():
            fresh = [change for change in changes if (topic, change.setting) not in so_far.done]
            plan = handed(round.kafka_topics[topic], round.survey.topics[topic].id, fresh, needs)
            said = await self._carry_out(wishes, plan, fresh, round, so_far, notices)
            so_far.done.update({(topic, setting): why for setting, why in said.items()})
            reasons.update({(f"topic {topic}", change.setting): so_far.done[topic, change.setting] for change in changes})
        return Seen(violations=tuple(_retold(findings.violations, reasons)), notices=tuple(notices))

    async def _carry_out(
        self, wishes: Wishes, plan: Handed, changes: Sequence[Change], round: Round, so_far: _Done, notices: list[Notice]
    ) -> dict[str, str]:
        """What is said of each setting of one topic, once what may be written is written."""
        said, target = dict(plan.reasons), plan.target
        if target is None or not plan.patch:
            return said
        generation = round.resources[wishes.name].metadata.generation
        deeds = {setting: Deed(wishes.name, generation, target.uid, setting) for setting in plan.patch}
        patch = {setting: value for setting, value in plan.patch.items() if not self._patience.exhausted(deeds[setting])}
        put_back = f"{target} was changed twice and put back each time: change it where it comes from, such as a repository"
        said.update({setting: put_back for setting in plan.patch if setting not in patch})
        if not patch:
            return said
        changed, why = await self._patched(wishes, target, patch, round, so_far)
        said.update(dict.fromkeys(patch, why))
        if changed:
            for setting in patch:
                self._patience.did(deeds[setting])
            notices.extend(_told(target, change, patch) for change in changes if change.setting in patch)
        return said

    async def _patched(
        self, wishes: Wishes, target: KafkaTopic, patch: Mapping[str, object], round: Round, so_far: _Done
    ) -> tuple[bool, str]:
        """Whether it was changed, and what is said of it."""
        if so_far.denied:
            return False, denied(target)
        if so_far.patches >= PATCHES_AT_MOST or not round.may_act(wishes.name):
            return False, f"{target} is changed with one of the next audits"
        so_far.patches += 1
        problem = await self._owners.patch(target, patch)
        if isinstance(problem, KafkaTopicProblem):
            so_far.denied = problem.denied
            return False, problem.message
        _log.info("KafkaTopic changed", policy=wishes.name, kafka_topic=str(target), settings=sorted(patch))
        return True, f"{target} has this topic and was changed: Strimzi's topic operator carries it out"


def _told(target: KafkaTopic, change: Change, patch: Mapping[str, object]) -> Notice:
    text = f"{change.setting} of topic {change.name} is {change.before}; {target} was changed to {patch[change.setting]}"
    return Notice(False, Reason.KAFKA_TOPIC_PATCHED, text)


def _retold(violations: Sequence[Violation], reasons: Mapping[tuple[str, str], str]) -> Iterator[Violation]:
    return (replace(one, reason=reasons[one.key]) for one in violations if one.key in reasons)
