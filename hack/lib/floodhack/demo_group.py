"""The demo's topic and group on RocketMQ: made afresh for each run, and looked at twice a second by clients of the demo's own.

Neighbour: `demo_rocketmq`.
"""

from __future__ import annotations

import re
from functools import partial

from floodhack.demo_broker import UnreadError
from floodhack.demo_plan import Plan
from floodhack.errors import HackError
from floodhack.progress import say
from floodhack.rocketmq_settings import RocketMQSet
from floodhack.rocketmq_wire import SUCCESS, Answer, ask, create_topic, knows_topic
from floodhack.waiting import until

GET_TOPIC_STATS_INFO, GET_CONSUMER_CONNECTION_LIST, GET_CONSUME_STATS = 202, 203, 208
DELETE_SUBSCRIPTIONGROUP, DELETE_TOPIC_IN_BROKER, DELETE_TOPIC_IN_NAMESRV = 207, 215, 216
CONSUMER_NOT_ONLINE = 206
DEADLINE_SECONDS = 30.0


def retry_topic(plan: Plan) -> str:
    """Where messages come again that consumers behind a proxy took and did not acknowledge in time."""
    return f"%RETRY%{plan.group}_{plan.topic}"


def fresh_group(servers: RocketMQSet, plan: Plan) -> None:
    """Delete the group and the topics of an earlier run and make the topic again; HackError when RocketMQ refuses."""
    topics = (plan.topic, retry_topic(plan), f"%RETRY%{plan.group}")
    by, master, name_server = servers.credentials(), servers.port("master"), servers.port("namesrv")
    # The slave follows: asked itself, it fails.
    _must(ask(master, DELETE_SUBSCRIPTIONGROUP, {"groupName": plan.group, "cleanOffset": "true"}, by=by))
    for topic in topics:
        _must(ask(master, DELETE_TOPIC_IN_BROKER, {"topic": topic}, by=by))
        _must(ask(name_server, DELETE_TOPIC_IN_NAMESRV, {"topic": topic}))
    create_topic(master, plan.topic, plan.partitions, by)
    until(partial(knows_topic, name_server, plan.topic), seconds=DEADLINE_SECONDS, what=f"topic {plan.topic} known")
    say(f"  topic {plan.topic}: {plan.partitions} queues on a master, copied to its slave; it confirms what it has in memory")


class GroupLook:
    """Reads the ends of the topic's queues, what the group has got done of them, and who is connected to the proxy."""

    def __init__(self, servers: RocketMQSet, plan: Plan) -> None:
        self.servers = servers
        self.plan = plan

    def read(self) -> dict[str, int]:
        """`produced`, `committed`, `members`, `owners`; raises UnreadError."""
        by, master = self.servers.credentials(), self.servers.port("master")
        topic, group = {"topic": self.plan.topic}, {"consumerGroup": self.plan.group}
        # What is done is read first: messages that arrive between the two readings then count as lag, not against it.
        done = self._body(ask(master, GET_CONSUME_STATS, {**group, **topic}, by=by))
        ends = self._body(ask(master, GET_TOPIC_STATS_INFO, topic, by=by))
        connected = ask(self.servers.port("proxy-remoting"), GET_CONSUMER_CONNECTION_LIST, group, by=by)
        nobody = connected is not None and connected.code == CONSUMER_NOT_ONLINE
        members = 0 if nobody else self._body(connected).count(b'"clientId"')
        # Behind the proxy all of them share all queues.
        return {
            "produced": total(ends, "maxOffset"),
            "committed": total(done, "consumerOffset"),
            "members": members,
            "owners": members,
        }

    def _body(self, answer: Answer | None) -> bytes:
        if answer is None or answer.code != SUCCESS:
            raise UnreadError(answer.remark if answer else "RocketMQ does not answer")
        return answer.body


def total(body: bytes, name: str) -> int:
    """The sum of a field over all queues of an answer, which is no JSON: its maps have objects for keys."""
    return sum(map(int, re.findall(rb'"%s":(\d+)' % name.encode(), body)))


def _must(answer: Answer | None) -> None:
    if answer is None or answer.code != SUCCESS:
        why = "see `hack/brokers status rocketmq` and `hack/brokers logs rocketmq`"
        raise HackError(f"RocketMQ refuses: {answer.remark if answer else 'no answer'}; {why}")
