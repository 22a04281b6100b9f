"""What keeps messages on a virtual host of RabbitMQ, read for an audit; operator policies of ours are written.

Implements ``brokers.base.DeliveryBroker``; ``core.delivery.rabbitmq`` judges. An audit takes ten requests, however many queues,
clients and nodes there are: members of quorum queues and streams come with the queues.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.rabbitmq import answers
from floodwarden.brokers.rabbitmq.access import Access
from floodwarden.brokers.rabbitmq.lately import Lately
from floodwarden.brokers.rabbitmq.management import Management
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.rabbitmq.found import OURS, QUORUM, QueueFound, QueuesFound, Unroutable
from floodwarden.core.delivery.rabbitmq.judging import judge
from floodwarden.core.delivery.rabbitmq.operator_policies import KIND, SETTING, made
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Unknown, UnknownReason

AUDIT_SECONDS: Final = 30.0
SHOWN_SECONDS: Final = 12.0  # queues tell their policies with their statistics, every 5 s
SHOWN_EVERY: Final = 0.5  # seconds
_NO_RATES: Final = Unknown(
    UnknownReason.UNSUPPORTED,
    "nothing tells which channels publish; set management_agent.rates_mode to basic in rabbitmq.conf",
)

T = TypeVar("T")


class RabbitSettings:
    """The settings of a virtual host of a RabbitMQ cluster, reached through the management API of its nodes.

    The user needs the tag monitoring and a permission on the virtual host to read, and the tag administrator to write.
    """

    def __init__(self, access: Access) -> None:
        self._vhost = access.vhost
        self._management = Management(access)
        self._lately = Lately()
        self._wrote = False  # what is read back after a write belongs to the same audit

    @property
    def requests(self) -> int:
        """See ``DeliveryBroker.requests``."""
        return self._management.requests

    async def survey(self, wanted: Callable[[str], bool]) -> QueuesFound:
        """See ``DeliveryBroker.survey``; ends within 30 seconds."""
        self._begin()
        vhost, part = self._vhost, self._part
        queues = await self._queues(wanted)
        nodes = await part(answers.nodes, "nodes", columns=answers.NODES)
        policies = await part(answers.operator_policies, "operator-policies", vhost, columns=answers.OPERATOR_POLICIES)
        given = await part(answers.given_names, "vhosts", vhost, "connections", columns=answers.CONNECTIONS)
        names = None if isinstance(given, Unknown) else given
        consumers = await part(
            partial(answers.consumers, names=names, wanted=queues.__contains__), "consumers", vhost, columns=answers.CONSUMERS
        )
        channels = await part(partial(answers.channels, names=names), "vhosts", vhost, "channels", columns=answers.CHANNELS)
        unroutable = await part(self._counted, "vhosts", columns=answers.VHOSTS)
        about = await part(answers.about, "overview", columns=answers.OVERVIEW)
        self._wrote = False
        now = asyncio.get_running_loop().time()
        if not isinstance(channels, Unknown):
            channels = self._lately.channels(channels, now)
        if isinstance(nodes, Unknown) and nodes.reason is UnknownReason.AUTHORIZATION_FAILED:
            consumers = channels = nodes  # without the tag monitoring a user is shown its own ones only
        if isinstance(about, Unknown):
            channels = about  # whether they tell how much they publish is not known
        version, name, rates = (None, "", True) if isinstance(about, Unknown) else about
        return QueuesFound(
            vhost=vhost,
            queues=self._lately.queues(queues, now),
            operator_policies=policies,
            nodes=nodes,
            exchanges=await part(answers.exchanges, "exchanges", vhost, columns=answers.EXCHANGES),
            bindings=await part(answers.bindings, "bindings", vhost, columns=answers.BINDINGS),
            consumers=consumers,
            channels=channels if rates or isinstance(channels, Unknown) else _NO_RATES,
            unroutable=unroutable,
            version=version,
            cluster=f"{name} {vhost}" if name else "",
        )

    def judge(self, found: QueuesFound, policies: Collection[Wishes], beside: Collection[Wishes] = ()) -> Mapping[str, Findings]:
        """See ``DeliveryBroker.judge``."""
        return judge(found, policies, beside)

    def made(self, found: QueuesFound) -> Mapping[str, Change]:
        """See ``DeliveryBroker.made``."""
        return made(found.operators)

    async def write(self, changes: Collection[Change]) -> Mapping[Change, Unknown]:
        """See ``DeliveryBroker.write``: operator policies of ours only. Ends within 30 seconds."""
        self._begin()
        self._wrote = True
        failed: dict[Change, Unknown] = {}
        for change in changes:
            problem = await self._write(change)
            if problem is not None:
                failed[change] = problem
        # Nobody waits for queues to show what is gone: there is nothing more to be said of them.
        await self._shown([change for change in changes if change not in failed and change.value is not None])
        return failed

    async def close(self) -> None:
        """See ``DeliveryBroker.close``."""
        await self._management.close()

    def _begin(self) -> None:
        self._management.begin(asyncio.get_running_loop().time() + AUDIT_SECONDS)

    async def _queues(self, wanted: Callable[[str], bool]) -> dict[str, QueueFound | Unknown]:
        """Without them there is nothing to say: BrokerError where they cannot be read."""
        answer = await self._management.get("queues", self._vhost, columns=answers.QUEUES)
        try:
            return answers.queues(answer, wanted)
        except ValueError as error:
            why = f"the management API answered what cannot be read ({error}); correct managementURL"
            raise BrokerError(UnknownReason.BROKER_ERROR, why) from None

    async def _part(self, read: Callable[[Any], T], *segments: str, columns: str) -> T | Unknown:
        """What one answer says, or why it could not be had."""
        try:
            return read(await self._management.get(*segments, columns=columns))
        except BrokerError as error:
            return Unknown(error.reason, str(error))
        except ValueError as error:
            return Unknown(UnknownReason.BROKER_ERROR, f"what RabbitMQ tells of {segments[-1]} cannot be read ({error})")

    def _counted(self, answer: Any) -> Unroutable:
        now = asyncio.get_running_loop().time()
        return self._lately.unroutable(answers.unroutable(answer, self._vhost), now, again=self._wrote)

    async def _write(self, change: Change) -> Unknown | None:
        """Why a change was refused, or may not have arrived."""
        if (change.kind, change.setting) != (KIND, SETTING) or not change.name.startswith(OURS):
            return Unknown(UnknownReason.UNSUPPORTED, f"{change.setting} of {change.resource} is not Floodwarden's to write")
        try:
            if change.value is None:
                await self._management.delete("operator-policies", self._vhost, change.name)
            else:
                body = answers.operator_policy(change.value)
                await self._management.put("operator-policies", self._vhost, change.name, body=body)
        except BrokerError as error:
            return Unknown(error.reason, str(error))
        return None

    async def _shown(self, changes: Collection[Change]) -> None:
        """Wait until queues show what was accepted, which they do some seconds later."""
        clock = asyncio.get_running_loop()
        until = clock.time() + SHOWN_SECONDS
        while changes and clock.time() < until:
            try:
                queues = await self._queues(lambda _: True)
            except BrokerError:
                return  # whoever reads it back will say so
            known = [queue for queue in queues.values() if isinstance(queue, QueueFound)]
            if all(_shows(queue, change) for change in changes for queue in known):
                return
            await asyncio.sleep(SHOWN_EVERY)


def _shows(queue: QueueFound, change: Change) -> bool:
    """Whether a queue shows an operator policy as it is now: its limit, that of another one, or that it is gone."""
    if change.value is None:
        return queue.operator_policy != change.name
    if queue.kind != QUORUM or isinstance(queue.effective, Unknown):
        return True
    body = answers.operator_policy(change.value)
    if re.search(body["pattern"], queue.name) is None:
        return queue.operator_policy != change.name
    # A policy of the application may have a lower limit, which stays.
    lower = all(_at_most(queue.effective.get(key), value) for key, value in body["definition"].items())
    return queue.operator_policy is not None and (queue.operator_policy != change.name or lower)


def _at_most(found: object, limit: int) -> bool:
    return type(found) is int and found <= limit
