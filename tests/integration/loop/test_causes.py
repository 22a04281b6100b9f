"""Why a backlog grows, with real brokers, pods and an API server. All begin at once, because each watches for a minute first."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from floodwarden.api.durations import duration_seconds
from floodwarden.core.diagnosis.usual import KNOWN_AFTER
from tests.conftest import Cluster
from tests.contract.kafka.real_kafka import RealKafka
from tests.contract.kafka.real_transactions import Transaction
from tests.integration.loop.shop import POLICY, Shop
from tests.integration.loop.stream import Stream
from tests.support.kubectl import Kubectl, Object
from tests.support.operator_process import PROGRAM, OperatorProcess

USUAL = 20.0  # messages per second that arrive in each shop; its one replica does twice that
ONE = {"minReplicas": 1, "maxReplicas": 1}


@dataclass(frozen=True)
class Story:
    shop: Shop
    stream: Stream


@dataclass(frozen=True)
class Stories:
    spike: Story
    slow: Story
    crash: Story
    homeless: Story
    replay: Story
    held: Story


@pytest.fixture(scope="module")
def stories(kubectl: Kubectl, kafka: RealKafka, operator: OperatorProcess, demo_image: None) -> Iterator[Stories]:
    """Six shops in which all is well, and what is usual in them is known."""
    with ExitStack() as stack:

        def story(**env: str) -> Story:
            shop = stack.enter_context(Shop(kubectl, kafka, operator))
            shop.make_topic(4)
            shop.broker()
            shop.consumers(1, 2 * USUAL, **env)
            shop.policy(maxLag={"messages": 200}, consumers=ONE)
            return Story(shop, stack.enter_context(shop.stream(USUAL)))

        told = Stories(story(), story(), story(), story(), story(), story())
        for one in (told.spike, told.slow, told.crash, told.homeless, told.replay, told.held):
            one.shop.await_pods()
            one.shop.until(lambda shop=one.shop: usual_is_known(shop), "the usual level is known", within=180)  # type: ignore[misc]
        yield told


def usual_is_known(shop: Shop) -> bool:
    """Whether messages come and are read as they will, for long enough. What is usual is written with other things only."""
    status = shop.status()
    topics = status.get("usual", {}).get("topics", [])
    return any(duration_seconds(one["watched"]) >= KNOWN_AFTER for one in topics) and status["lag"]["messages"] < 100


def await_cause(shop: Shop, cause: str, *, within: float = 90.0) -> Object:
    """The cause in the status, once it is this one."""
    status = shop.await_status(lambda s: s.get("cause", {}).get("type") == cause, f"cause {cause}", within=within)
    found: Object = status["cause"]
    return found


def replace_pods(shop: Shop, pod: Object) -> None:
    """Change the pods' template, and let none of the old ones stay."""
    recreate: Object = {"type": "Recreate", "rollingUpdate": None}
    patch = {"spec": {"strategy": recreate, "template": {"spec": pod}}}
    shop.kubectl.run("patch", "deployment", POLICY, "--type=strategic", "-p", json.dumps(patch), "-n", shop.namespace)


def test_production_rose(stories: Stories, cluster: Cluster) -> None:
    """Told in the status, as an Event, as a metric, and by the command line; and it ends with the backlog."""
    shop, stream = stories.spike.shop, stories.spike.stream
    stream.rate = 6 * USUAL  # of four partitions none gets more than the replica can do
    cause = await_cause(shop, "ProductionRose")
    assert f"{shop.topic} gets " in cause["message"]
    assert "usually" in cause["message"]
    assert "times as much" in shop.await_event("ProductionRose")
    assert shop.measure("policy_cause", cause="ProductionRose") == 1
    assert shop.measure("policy_cause") == 1
    said = floodwarden(cluster.kubeconfig, "explain", f"backlogpolicy/{POLICY}", "-n", shop.namespace)
    assert "more arrives than usually does" in said
    assert "OverLimit" in said
    (row,) = json.loads(floodwarden(cluster.kubeconfig, "top", "-n", shop.namespace, "-o", "json"))
    assert (row["name"], row["cause"]) == (POLICY, "ProductionRose")
    wide = shop.kubectl.run("get", "fwbp", POLICY, "-n", shop.namespace, "-o", "wide")
    assert "ProductionRose" in wide
    stream.rate = 0.0
    shop.await_status(lambda s: "cause" not in s, "no cause any more", within=180)
    assert shop.measure("policy_cause", cause="None") == 1
    assert shop.reasons().count("ProductionRose") == 1


def test_consumption_fell(stories: Stories) -> None:
    """The same messages arrive, and the consumer does a quarter of them."""
    shop = stories.slow.shop
    shop.consumers(1, USUAL / 4)
    cause = await_cause(shop, "ConsumptionFell", within=120)
    assert "messages/s consumed in the last" in cause["message"]
    assert "ProductionRose" not in shop.reasons()


def test_consumers_crash(stories: Stories) -> None:
    """Pods whose container ends again and again are named, with how it ended."""
    shop = stories.crash.shop
    replace_pods(shop, {"containers": [{"name": "consumer", "args": ["no_such_module"]}]})
    cause = await_cause(shop, "ConsumersCrashing", within=180)
    assert "exit code 1" in cause["message"]
    assert cause["confidence"] == "High"


def test_pods_find_no_node(stories: Stories) -> None:
    """Pods that no node takes are named with the scheduler's words."""
    shop = stories.homeless.shop
    replace_pods(shop, {"nodeSelector": {"none": "such"}})
    cause = await_cause(shop, "ConsumersUnschedulable", within=180)
    assert "find no node" in cause["message"]


def test_a_replay_is_no_rise_of_production(stories: Stories) -> None:
    """A group set back with Kafka's own tool reads what it had read: nobody produces more, and nobody is said to."""
    shop, stream = stories.replay.shop, stories.replay.stream
    shop.scale(0)
    asked = ("--describe", "--group", shop.group, "--state")
    shop.until(lambda: "Empty" in shop.kafka.tool("kafka-consumer-groups", *asked), "an empty group")
    change = ("--group", shop.group, "--topic", shop.topic, "--reset-offsets", "--to-earliest", "--execute")
    shop.kafka.tool("kafka-consumer-groups", *change)
    cause = await_cause(shop, "Replayed")
    assert "are read again" in cause["message"]
    stream.rate = 0.0
    shop.scale(1)
    shop.await_status(lambda s: "cause" not in s, "no cause any more", within=240)
    assert "ProductionRose" not in shop.reasons()


def test_an_open_transaction(stories: Stories, kafka: RealKafka) -> None:
    """A group that reads committed messages (librdkafka's default) stands where one is open, and goes on once that has ended."""
    shop, stream = stories.held.shop, stories.held.stream
    with Transaction(kafka, shop.topic, 0, 1, 2, 3, timeout=300.0):
        cause = await_cause(shop, "TransactionOpen", within=120)
        assert "a transaction is open" in cause["message"]
    stream.rate = 0.0
    shop.await_status(lambda s: "cause" not in s, "no cause any more", within=180)


def floodwarden(kubeconfig: Path, *arguments: str) -> str:
    """What a command of Floodwarden says."""
    env = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=60, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout
