"""The installed ``floodwarden check`` against real brokers: what it tells, how it ends, and that it changes nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path

import pytest

from floodhack.waiting import until
from floodwarden.brokers.kafka import KafkaSettings
from floodwarden.core.observation import Unknown
from tests.contract.kafka.real_kafka import RealKafka

INSTALLED = Path(sys.executable).with_name("floodwarden")
REPLICATION = "{factor: 3, minInSync: 2, uncleanElection: false}"


def policy(topic: str, *, name: str = "orders", mode: str = "Audit", replication: str = REPLICATION) -> str:
    """A policy on one topic, whose MessageBroker is default/main."""
    return f"""---
apiVersion: floodwarden.dev/v1alpha1
kind: DeliveryPolicy
metadata: {{name: {name}}}
spec:
  brokerRef: {{name: main}}
  mode: {mode}
  match: {{names: [{topic}]}}
  replication: {replication}
"""


def broker(kafka: RealKafka, protocol: str, security: str) -> str:
    """A MessageBroker on one listener."""
    return f"""---
apiVersion: floodwarden.dev/v1alpha1
kind: MessageBroker
metadata: {{name: main}}
spec:
  type: Kafka
  kafka:
    bootstrapServers: {json.dumps(kafka.facts["bootstrap"][protocol])}
    security: {{protocol: {protocol}, {security}}}
"""


def secret(name: str, **values: bytes) -> str:
    data = {key: base64.b64encode(value).decode() for key, value in values.items()}
    return f"---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\ndata: {json.dumps(data)}\n"


def check(manifests: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it with the manifests on standard input; it speaks on standard output alone, without colour."""
    done = subprocess.run(
        [INSTALLED, "check", "-f", "-", *options],
        input=manifests,
        env={**os.environ, "TERM": "xterm-256color", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "\x1b" not in done.stdout + done.stderr
    return done


def plainly(kafka: RealKafka) -> tuple[str, str]:
    """The options for the plain listener."""
    return "--bootstrap-servers", ",".join(kafka.bootstrap)


def settings_of(kafka: RealKafka, topic: str) -> str:
    return kafka.tool("kafka-configs", "--describe", "--all", "--entity-type", "topics", "--entity-name", topic)


def make(kafka: RealKafka, *, on: list[list[int]] | None = None, **changed: str) -> str:
    """A topic with these settings, of which every node has heard: a check asks the first that answers."""
    topic = kafka.topic(on=on)
    settings = {name.replace("_", "."): value for name, value in changed.items()}
    for name, value in settings.items():
        change = ("--alter", "--add-config", f"{name}={value}")
        kafka.tool("kafka-configs", *change, "--entity-type", "topics", "--entity-name", topic)
    for address in kafka.bootstrap:
        until(lambda: asyncio.run(knows(address, topic, settings)), seconds=30, what=f"{address} knows {topic}")  # noqa: B023
    return topic


async def knows(address: str, topic: str, settings: Mapping[str, str]) -> bool:
    """Whether a node has a topic with these settings."""
    node = KafkaSettings([address])
    try:
        found = (await node.survey(topic.__eq__, settings)).topics.get(topic)
    finally:
        await node.close()
    if found is None or isinstance(found.values, Unknown):
        return False
    return all(found.values[name].text == value for name, value in settings.items())


def test_what_is_as_asked_for(kafka: RealKafka) -> None:
    """Exit status 0; the last line says so."""
    topic = make(kafka)
    done = check(policy(topic), *plainly(kafka))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.splitlines()[0] == f"default/orders  {topic} on default/main: 1 topic, 3 brokers"
    assert done.stdout.splitlines()[-1] == "compliant: 1 policy as asked for"


def test_a_violation_is_told_and_left(kafka: RealKafka) -> None:
    """Exit status 1 with what differs; not even mode Enforce writes from here."""
    topic = make(kafka, on=[[0], [0]], unclean_leader_election_enable="true")
    before = settings_of(kafka, topic)
    done = check(policy(topic, mode="Enforce", replication="{factor: 2, uncleanElection: false}"), *plainly(kafka), COLUMNS="200")
    assert (done.returncode, done.stderr) == (1, "")
    rows = [" ".join(line.split()) for line in done.stdout.splitlines() if f"topic {topic} " in line]
    advice = "mode Enforce would raise it by reassignment; it is never lowered"
    assert rows == [
        f"topic {topic} replication factor ≥ 2 1 topic Repair: {advice}",
        f"topic {topic} unclean.leader.election.enable false true topic Repair: mode Enforce would write it",
    ]
    assert settings_of(kafka, topic) == before


def test_machines_read_the_same(kafka: RealKafka) -> None:
    """JSON, SARIF and JUnit of one check of two policies that disagree."""
    topic = make(kafka, min_insync_replicas="1")
    manifests = policy(topic) + policy(topic, name="strict", replication="{factor: 3, minInSync: 3}")
    said = {output: check(manifests, *plainly(kafka), "--output", output) for output in ("json", "sarif", "junit")}
    assert [done.returncode for done in said.values()] == [1, 1, 1]
    found = json.loads(said["json"].stdout)
    about = [
        [
            (one["setting"], one["wanted"], one["found"], one["action"])
            for one in each["violations"]
            if one["resource"] == f"topic {topic}"
        ]
        for each in found["policies"]
    ]
    assert about == [[("min.insync.replicas", wanted, "1", "Conflict")] for wanted in ("≥ 2", "≥ 3")]
    number = sum(len(each["violations"]) for each in found["policies"])
    (run,) = json.loads(said["sarif"].stdout)["runs"]
    assert len([one for one in run["results"] if one["level"] == "error"]) == number
    lines = {one["locations"][0]["physicalLocation"]["region"]["startLine"] for one in run["results"]}
    assert lines == {2, 11}
    failed = [
        text for end in ElementTree.fromstring(said["junit"].stdout).iter("failure") for text in (end.text or "").splitlines()
    ]
    assert len(failed) == number


def test_nobody_answers() -> None:
    """Exit status 2, and who was asked."""
    done = check(policy("orders"), "--bootstrap-servers", "127.0.0.1:1")
    assert done.returncode == 2
    assert "could not tell (BrokerUnreachable): no broker could be read: 127.0.0.1:1 refused the connection" in done.stdout
    assert done.stdout.splitlines()[-1] == "could not tell: 1 policy not known"


def test_no_topic_matches(kafka: RealKafka) -> None:
    """Nothing that was looked at is nothing that is fine."""
    done = check(policy("no-such-topic-*"), *plainly(kafka))
    assert done.returncode == 2
    assert "could not tell (NoTopicMatches)" in done.stdout


BY_SECRET = "mechanism: SCRAM-SHA-512, credentialsSecretRef: {name: credentials}"


def test_what_is_denied_is_not_known(kafka: RealKafka) -> None:
    """Exit status 2 with the right that is missing; the password from the environment is nowhere to be seen."""
    topic = make(kafka)
    user = kafka.facts["scram"]
    environment = {"FLOODWARDEN_USERNAME": user["username"], "FLOODWARDEN_PASSWORD": user["password"]}
    manifests = broker(kafka, "SASL_PLAINTEXT", BY_SECRET) + policy(topic)
    assert check(manifests, **environment).returncode == 0
    # With one right granted, every other one on the topic is denied.
    granted = ("--allow-principal", f"User:{user['username']}", "--operation", "Describe")
    kafka.tool("kafka-acls", "--add", *granted, "--topic", topic)
    last: list[subprocess.CompletedProcess[str]] = []

    def told() -> bool:
        last[:] = [check(manifests, **environment)]
        return last[0].returncode == 2

    until(told, seconds=30, what="the ACL has reached every broker")
    assert "could not tell (AuthorizationFailed)" in last[0].stdout
    assert f"topic {topic}: allow Floodwarden's user DescribeConfigs on the topic (Kafka ACLs)" in last[0].stdout
    assert user["password"] not in last[0].stdout + last[0].stderr


@pytest.mark.parametrize("output", ["table", "json", "sarif", "junit"])
def test_a_wrong_password_is_told_and_not_shown(kafka: RealKafka, output: str) -> None:
    """Exit status 2, in every format."""
    wrong = secret("credentials", username=kafka.facts["scram"]["username"].encode(), password=b"hunter2-canary")
    done = check(broker(kafka, "SASL_PLAINTEXT", BY_SECRET) + wrong + policy("orders"), "--output", output)
    assert done.returncode == 2
    assert "refused user floodwarden with SCRAM-SHA-512" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


@pytest.mark.parametrize("from_files", [True, False], ids=["secrets in the files", "secrets in the environment"])
def test_over_tls_with_a_certificate(kafka: RealKafka, from_files: bool) -> None:
    """The authority and the client's certificate as the MessageBroker asks for them."""
    security = "caSecretRef: {name: authority}, clientCertificateSecretRef: {name: client}"
    manifests = broker(kafka, "SSL", security) + policy(make(kafka))
    environment = {
        "FLOODWARDEN_CA_FILE": kafka.facts["ca"],
        "FLOODWARDEN_CERT_FILE": kafka.facts["client_certificate"],
        "FLOODWARDEN_KEY_FILE": kafka.facts["client_key"],
    }
    if from_files:
        manifests += secret("authority", **{"ca.crt": kafka.pem("ca")})
        manifests += secret("client", **{"tls.crt": kafka.pem("client_certificate"), "tls.key": kafka.pem("client_key")})
        environment = {}
    done = check(manifests, **environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
