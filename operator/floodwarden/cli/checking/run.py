"""Asks brokers: one survey for all policies of a MessageBroker, judged together as the operator does. Nothing is ever written."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from floodwarden.api.messagebroker import MessageBroker
from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.secrets import Secrets
from floodwarden.cli.checking.report import Outcome
from floodwarden.core.assess import Gap
from floodwarden.core.delivery.audit import audit
from floodwarden.core.delivery.clients import AUTO_COMMIT, TRANSACTION_TIMEOUT, wanted_of
from floodwarden.core.delivery.seen import Seen, with_seen
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.reasons import Reason
from floodwarden.sweep import clock
from floodwarden.sweep.connect import open_delivery, open_settings
from floodwarden.sweep.looks import broker_looks
from floodwarden.sweep.looks.base import Round, looked

Work = tuple[MessageBroker, Secrets, Collection[Wishes]]


async def ask_all(work: Collection[Work]) -> list[Mapping[str, Outcome]]:
    """For each MessageBroker what was found for each policy, by its name, in the order of the work; all are asked at once."""
    return list(await asyncio.gather(*(ask(*one) for one in work)))


async def ask(broker: MessageBroker, secrets: Secrets, policies: Collection[Wishes]) -> Mapping[str, Outcome]:
    """What was found on one broker for each policy, by its name. Ends within the adapter's time limit."""
    looking = [replace(wishes, acts=False) for wishes in policies]
    if broker.kind.open_settings is None:
        return await _judged(broker, secrets, looking)
    opened = open_settings(broker, secrets)
    if isinstance(opened, Gap):
        return {wishes.name: opened for wishes in looking}
    looks = broker_looks()
    settings = {setting for wishes in looking for setting in wishes.settings}
    settings.update(setting for look in looks for setting in look.settings(looking))
    try:
        survey = await opened.survey(lambda name: any(wishes.matches(name) for wishes in looking), settings)
        found = audit(survey, looking, {})
        round = Round(opened, survey, looking, found, clock.wall().timestamp())
        seen = [await looked(look, round) for look in looks]
    except BrokerError as error:
        return {wishes.name: Gap(Reason(error.reason.value), str(error)) for wishes in looking}
    finally:
        await opened.close()
    apart = {wishes.name: Seen(unproven=tuple(_not_looked_at(wishes))) for wishes in looking}
    return {
        name: with_seen(findings, [apart[name], *(brought[name] for brought in seen if name in brought)])
        for name, findings in found.items()
    }


async def _judged(broker: MessageBroker, secrets: Secrets, looking: Collection[Wishes]) -> Mapping[str, Outcome]:
    """The same of brokers whose adapter judges what it found."""
    opened = open_delivery(broker, secrets)
    if isinstance(opened, Gap):
        return {wishes.name: opened for wishes in looking}
    try:
        return opened.judge(await opened.survey(lambda name: any(wishes.matches(name) for wishes in looking)), looking)
    except BrokerError as error:
        return {wishes.name: Gap(Reason(error.reason.value), str(error)) for wishes in looking}
    finally:
        await opened.close()


def _not_looked_at(wishes: Wishes) -> Iterator[str]:
    """What only the operator looks at: clients' own settings, in the pod templates of workloads."""
    for wanted in wanted_of(wishes):
        if wanted.setting in (AUTO_COMMIT, TRANSACTION_TIMEOUT):
            yield f"{wanted.setting} {wanted.text}: clients set it, and their workloads are not looked at from here"
