"""What one broker tells of itself: its settings, topics, groups, and whether slaves follow it; each a request, known or Unknown.

``settings`` asks. Of a configuration only what is audited is kept: brokers tell passwords as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

from floodwarden.brokers.rocketmq import bodies, requests
from floodwarden.brokers.rocketmq.bodies import BodyError, Pairs
from floodwarden.brokers.rocketmq.commits import Numbers, table_of
from floodwarden.brokers.rocketmq.errors import (
    NOT_FOUND,
    OFFSET_MOVED,
    OK,
    READ_ON,
    TOPIC_NOT_EXIST,
    RequestError,
    from_answer,
    unreadable,
)
from floodwarden.brokers.rocketmq.links import Links
from floodwarden.brokers.rocketmq.stored import Stored, messages
from floodwarden.core.delivery.rocketmq.found import AUDITED, TopicOn
from floodwarden.core.delivery.rocketmq.topics import RETRIES
from floodwarden.core.observation import Unknown, UnknownReason

Committed = Mapping[tuple[str, str], Numbers]  # by group and topic
T = TypeVar("T")
# Attributes are sent as changes, and none is to be changed.
_ATTRIBUTES: Final = "attributes"
# The group as which RocketMQ's own tools read: every broker has it.
_READER: Final = "TOOLS_CONSUMER"
_WITH_SUBSCRIPTION: Final = "4"  # a bit of a pull's flags: what it wants stands in it
_NONE_THERE: Final = (NOT_FOUND, READ_ON, OFFSET_MOVED)


class Configs:
    """Asks brokers by their address; ``who`` is what people call them."""

    def __init__(self, links: Links) -> None:
        self._links = links

    async def settings(self, address: str, who: str) -> Mapping[str, str] | Unknown:
        """The audited part of a configuration, by key, as text."""
        return await self._read(address, requests.GET_BROKER_CONFIG, {}, f"configuration of broker {who}", _properties)

    async def topics(self, address: str, who: str) -> Mapping[str, TopicOn] | Unknown:
        """All topics it has, RocketMQ's own among them."""
        return await self._read(address, requests.GET_ALL_TOPIC_CONFIG, {}, f"topics on broker {who}", _topics)

    async def groups(self, address: str, who: str) -> Mapping[str, Mapping[str, Any]] | Unknown:
        """The configuration of each group that was used on it, or made."""
        what = f"groups on broker {who}"
        return await self._read(address, requests.GET_ALL_SUBSCRIPTIONGROUP_CONFIG, {}, what, _groups)

    async def committed(self, address: str, who: str) -> Committed | Unknown:
        """What every group has committed on it."""
        what = f"the offsets of all groups on broker {who}"
        return await self._read(address, requests.GET_ALL_CONSUMER_OFFSET, {}, what, lambda body: dict(table_of(body)))

    async def following(self, address: str, who: str) -> int | Unknown:
        """How many slaves are in sync with a master; UNSUPPORTED before 5.0."""
        what = f"slaves of broker {who}"
        return await self._read(address, requests.GET_BROKER_HA_STATUS, {}, what, _following)

    async def log_end(self, address: str, who: str) -> int | Unknown:
        """Where its commit log ends, in bytes."""
        return await self._read(address, requests.GET_BROKER_RUNTIME_INFO, {}, f"state of broker {who}", _log_end)

    async def written(self, address: str, who: str, topic: str) -> int | Unknown:
        """How many messages were ever written to a topic there; 0 where it was never made."""
        what = f"topic {topic} on broker {who}"
        try:
            answer = await self._links.send(address, requests.GET_TOPIC_STATS_INFO, {"topic": topic})
            if answer.code == TOPIC_NOT_EXIST:
                return 0
            return _ends(answer.body) if answer.code == OK else from_answer(answer, what)
        except RequestError as error:
            return error.unknown
        except BodyError as error:
            return unreadable(error, what)

    async def read_from(self, address: str, who: str, topic: str, position: int) -> tuple[Sequence[Stored], int] | Unknown:
        """Some messages of a topic's first queue, from this position on, and where to go on. Nothing is committed by it."""
        what = f"messages of {topic} on broker {who}"
        fields = {
            "consumerGroup": _READER,
            "topic": topic,
            "queueId": "0",
            "queueOffset": str(position),
            "maxMsgNums": "32",
            "sysFlag": _WITH_SUBSCRIPTION,
            "commitOffset": "0",
            "suspendTimeoutMillis": "0",
            "subscription": "*",
            "subVersion": "0",
            "expressionType": "TAG",
        }
        try:
            answer = await self._links.send(address, requests.PULL_MESSAGE, fields)
            if answer.code not in (OK, *_NONE_THERE):
                return from_answer(answer, what)
            read = tuple(messages(answer.body)) if answer.code == OK else ()
            return read, bodies.number(answer.fields.get("nextBeginOffset", ""))
        except RequestError as error:
            return error.unknown
        except BodyError as error:
            return unreadable(error, what)

    async def put_back(self, address: str, who: str, topic: str, message: str) -> Unknown | None:
        """Have a message that was given up asked about again; why not, where it refuses. ``message`` is its id on that broker."""
        fields = {"topic": topic, "msgId": message}
        try:
            answer = await self._links.send(address, requests.RESUME_CHECK_HALF_MESSAGE, fields)
        except RequestError as error:
            return error.unknown
        return None if answer.code == OK else from_answer(answer, f"a half message on broker {who}")

    async def write(self, address: str, who: str, settings: Mapping[str, str]) -> Unknown | None:
        """Set these of a broker's own settings; why not, where it refuses. Its success proves nothing: read back."""
        body = "".join(f"{key}={value}\n" for key, value in sorted(settings.items())).encode()
        return await self._tell(address, requests.UPDATE_BROKER_CONFIG, body, f"configuration of broker {who}")

    async def write_group(self, address: str, who: str, config: Mapping[str, Any]) -> Unknown | None:
        """Set all of a group's configuration."""
        told = {name: value for name, value in config.items() if name != _ATTRIBUTES}
        what = f"group {config.get('groupName')} on broker {who}"
        return await self._tell(address, requests.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, json.dumps(told).encode(), what)

    async def _read(
        self, address: str, code: int, fields: Mapping[str, str], what: str, read: Callable[[bytes], T]
    ) -> T | Unknown:
        try:
            answer = await self._links.send(address, code, fields)
            return read(answer.body) if answer.code == OK else from_answer(answer, what)
        except RequestError as error:
            return error.unknown
        except BodyError as error:
            return unreadable(error, what)

    async def _tell(self, address: str, code: int, body: bytes, what: str) -> Unknown | None:
        try:
            answer = await self._links.send(address, code, {}, body)
        except RequestError as error:
            return error.unknown
        if answer.code == OK:
            return None
        refused = from_answer(answer, what)
        if refused.reason is not UnknownReason.AUTHORIZATION_FAILED:
            return refused
        return Unknown(refused.reason, f"{refused.detail}; writing takes an administrator (admin: true, or userType Super)")


def _properties(body: bytes) -> dict[str, str]:
    try:
        lines = body.decode().splitlines()
    except UnicodeDecodeError as error:
        raise BodyError(f"a body is no UTF-8 at byte {error.start}") from None
    pairs = (line.partition("=") for line in lines)
    found = {key.strip(): value.strip() for key, mark, value in pairs if mark and key.strip() in AUDITED}
    if not found:
        raise BodyError("a configuration has none of a broker's settings")
    return found


def _topics(body: bytes) -> dict[str, TopicOn]:
    return {
        _name(name): TopicOn(
            perm=bodies.member(config, "perm", int),
            readable=bodies.member(config, "readQueueNums", int),
            writable=bodies.member(config, "writeQueueNums", int),
        )
        for name, config in _table(body, "topicConfigTable")
    }


def _groups(body: bytes) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for name, config in _table(body, "subscriptionGroupTable"):
        bodies.member(config, RETRIES, int)
        found[_name(name)] = config
    return found


def _table(body: bytes, name: str) -> Collection[tuple[Any, Any]]:
    """A table that must be there: without it the answer is one to another question."""
    return list(bodies.entries(bodies.member(bodies.read(body), name, (dict, Pairs))))


def _name(key: Any) -> str:
    if not isinstance(key, str):
        raise BodyError("a body has something else where a name belongs")
    return key


def _following(body: bytes) -> int:
    return bodies.member(bodies.read(body), "inSyncSlaveNums", int)  # type: ignore[no-any-return]


def _log_end(body: bytes) -> int:
    return bodies.number(bodies.member(bodies.member(bodies.read(body), "table", dict), "commitLogMaxOffset", str))


def _ends(body: bytes) -> int:
    ends: list[int] = [bodies.member(offsets, "maxOffset", int) for _, offsets in bodies.table(body, "offsetTable")]
    return sum(ends)
