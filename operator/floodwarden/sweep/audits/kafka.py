"""An audit of Kafka's brokers: one survey of topics and nodes, the repairs, then the looks beyond topics' settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from floodwarden.brokers.base import BrokerError, SettingsBroker
from floodwarden.core.assess import Gap
from floodwarden.core.delivery.audit import Findings, audit
from floodwarden.core.delivery.ledger import Resource
from floodwarden.core.delivery.owned import KafkaTopic, named
from floodwarden.core.delivery.survey import Change, Survey, TopicFound
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from floodwarden.sweep import clock
from floodwarden.sweep.audits.base import Asked, Outcomes
from floodwarden.sweep.ledger import BrokerLedger
from floodwarden.sweep.link import Link
from floodwarden.sweep.looks import all_looks
from floodwarden.sweep.looks.base import Look, Round, looked
from floodwarden.sweep.repairs import repaired
from floodwarden.sweep.services import Services
from floodwarden.sweep.store import Key


class KafkaAudit:
    """See ``base.Audit``."""

    def __init__(self, services: Services, ledger: BrokerLedger, link: Link[SettingsBroker], key: Key) -> None:
        self._services = services
        self._ledger = ledger
        self._link = link
        self._key = key
        self._looks: Sequence[Look] = all_looks(services, ledger)
        self.requests = 0

    async def outcomes(self, asked: Asked) -> Outcomes:
        """See ``Audit.outcomes``."""
        self.requests = 0
        adapter = await self._link.adapter()
        if isinstance(adapter, Gap):
            return asked.all(adapter)
        kafka_topics = await self._owners(asked)
        owners = {topic: named(held) for topic, held in kafka_topics.items()}
        sent, settings = adapter.requests, self._settings(asked.wishes)
        try:
            survey = await adapter.survey(self._wanted(asked), settings)
            foreign = self._ledger.foreign(survey.cluster)
            if foreign is not None:
                asked.hold(Gap(Reason.LEFT_CHANGED, foreign.message))
            beside = asked.beside(self._key, survey.cluster)

            async def judge(found: Survey) -> Mapping[str, Findings]:
                return audit(found, asked.wishes, owners, beside)

            async def again(written: Collection[Change]) -> Survey:
                """Topics that were written as they are now, all else as it was: a settled policy costs no second look."""
                topics = {change.name for change in written}
                fresh = await adapter.survey(topics.__contains__, settings)
                before = {name: _gone(topic) if name in topics else topic for name, topic in survey.topics.items()}
                return replace(fresh, topics={**before, **fresh.topics})

            audited = await repaired(survey, judge, lambda wanted: adapter.write(list(wanted)), again, asked.may_act)
        except BrokerError as error:
            return asked.all(Gap(Reason(error.reason.value), str(error)))
        round = Round(
            adapter=adapter,
            survey=survey,
            policies=asked.wishes,
            findings={name: one.findings for name, one in audited.items()},
            at=clock.wall().timestamp(),
            owners=owners,
            kafka_topics=kafka_topics,
            resources=asked.policies,
            may_act=asked.may_act,
            may_undo=asked.may_undo,
            paused=asked.paused,
        )
        seen = [await looked(look, round) for look in self._looks] if foreign is None else []
        self.requests = adapter.requests - sent
        return asked.complete(audited, seen)

    async def close(self) -> None:
        """See ``Audit.close``."""
        await self._link.close()

    def _wanted(self, asked: Asked) -> Callable[[str], bool]:
        """Which topics are to be surveyed: also those that were changed for a while, whoever asked for it."""
        changed = {entry.name for entry in self._ledger.entries if entry.resource is Resource.TOPIC}
        return lambda name: name in changed or asked.matches(name)

    def _settings(self, wishes: Collection[Wishes]) -> set[str]:
        return {
            *(setting for one in wishes for setting in one.settings),
            *(entry.setting for entry in self._ledger.entries if entry.resource is Resource.TOPIC),
            *(setting for look in self._looks for setting in look.settings(wishes)),
        }

    async def _owners(self, asked: Asked) -> Mapping[str, Sequence[KafkaTopic]]:
        """Who else has topics; asked for where something may be written, which is held where nobody can tell."""
        found = await self._services.topic_owners.read() if any(one.acts for one in asked.wishes) else {}
        if isinstance(found, str):
            asked.hold(Gap(Reason.AUDIT_PARTIAL, found))
            return {}
        return found


def _gone(topic: TopicFound) -> TopicFound:
    """A topic that is not there any more when it is read back."""
    return replace(topic, values=Unknown(UnknownReason.TOPIC_MISSING, f"topic {topic.name} is gone since it was written to"))
