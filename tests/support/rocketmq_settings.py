"""What brokers of a ``FakeCluster`` are set to: each with settings, topics and groups that a test changes as it likes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from floodwarden.brokers.rocketmq import requests
from floodwarden.brokers.rocketmq.frames import Frame
from tests.support.rocketmq_server import Answer, ok, refused

DEFAULTS = {"brokerRole": "ASYNC_MASTER", "fileReservedTime": "72", "flushDiskType": "ASYNC_FLUSH", "inSyncReplicas": "1"}
NOT_SUPPORTED = 3


@dataclass
class SetBroker:
    """One broker. It takes every key that it is given, as real ones say that they do, and keeps those in ``config``."""

    config: dict[str, str] = field(default_factory=lambda: dict(DEFAULTS))
    topics: dict[str, tuple[int, int, int]] = field(default_factory=dict)  # perm, queues that are read, and written
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    following: int | None = 1  # None: it is too old to tell
    log_end: int = 1000
    deaf: bool = False  # says that it has written what it was given, and has not

    def answer(self, request: Frame) -> Answer:
        """What it answers to what ``FakeCluster`` does not know; None to all else."""
        match request.code:
            case requests.GET_BROKER_CONFIG:
                return ok("".join(f"{key}={value}\n" for key, value in self.config.items()))
            case requests.UPDATE_BROKER_CONFIG:
                given = dict(line.split("=", 1) for line in request.body.decode().splitlines())
                if not self.deaf:
                    self.config.update({key: value for key, value in given.items() if key in self.config})
                return ok()
            case requests.GET_ALL_TOPIC_CONFIG:
                told = {
                    name: {"perm": perm, "readQueueNums": read, "topicName": name, "writeQueueNums": write}
                    for name, (perm, read, write) in self.topics.items()
                }
                return ok(json.dumps({"dataVersion": {"counter": 1}, "topicConfigTable": told}))
            case requests.GET_ALL_SUBSCRIPTIONGROUP_CONFIG:
                return ok(json.dumps({"dataVersion": {"counter": 1}, "subscriptionGroupTable": self.groups}))
            case requests.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP:
                config = json.loads(request.body)
                self.groups[config["groupName"]] = config
                return ok()
            case requests.GET_BROKER_HA_STATUS:
                if self.following is None:
                    return refused(NOT_SUPPORTED, " request type 907 not supported")
                return ok(json.dumps({"haConnectionInfo": [], "inSyncSlaveNums": self.following, "master": True}))
            case requests.GET_BROKER_RUNTIME_INFO:
                return ok(json.dumps({"table": {"brokerVersionDesc": "V5_5_0", "commitLogMaxOffset": str(self.log_end)}}))
        return None
