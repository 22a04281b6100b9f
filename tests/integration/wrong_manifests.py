"""Manifests that the API server must refuse, each with words of the refusal that say what to do instead.

Every case is a good manifest with one thing changed. ``test_crds`` applies them.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Final

Object = dict[str, Any]

BROKER: Final[Object] = {
    "apiVersion": "floodwarden.dev/v1alpha1",
    "kind": "MessageBroker",
    "metadata": {"name": "main", "namespace": "default"},
    "spec": {"type": "Kafka", "kafka": {"bootstrapServers": ["127.0.0.1:9092"]}},
}
QUEUES: Final[Object] = {
    **BROKER,
    "spec": {
        "type": "RabbitMQ",
        "rabbitmq": {"managementURL": "http://rabbitmq:15672", "credentialsSecretRef": {"name": "rabbitmq"}},
    },
}
PROMETHEUS: Final[Object] = {**BROKER, "spec": {"type": "Prometheus", "prometheus": {"url": "http://prometheus:9090"}}}
ROCKET: Final[Object] = {**BROKER, "spec": {"type": "RocketMQ", "rocketmq": {"nameServers": ["rocketmq:9876"]}}}
SASL: Final[Object] = {"protocol": "SASL_SSL", "mechanism": "SCRAM-SHA-512", "credentialsSecretRef": {"name": "kafka"}}
POLICY: Final[Object] = {
    "apiVersion": "floodwarden.dev/v1alpha1",
    "kind": "BacklogPolicy",
    "metadata": {"name": "billing", "namespace": "default"},
    "spec": {
        "brokerRef": {"name": "main"},
        "subscription": {"group": "billing", "topics": ["orders"]},
        "maxLag": {"messages": 10000},
        "consumers": {"targetRef": {"name": "billing"}, "minReplicas": 2},
    },
}
DELIVERY: Final[Object] = {
    "apiVersion": "floodwarden.dev/v1alpha1",
    "kind": "DeliveryPolicy",
    "metadata": {"name": "orders", "namespace": "default"},
    "spec": {
        "brokerRef": {"name": "main"},
        "match": {"names": ["orders*"]},
        "replication": {"factor": 3, "minInSync": 2},
    },
}


class _Removed:
    """Stands for a field that is not there."""


GONE: Final = _Removed()


@dataclass(frozen=True)
class Wrong:
    """A good manifest whose ``field`` (dotted, under spec; empty: spec itself) is set to ``value``; the refusal must hold every
    text of ``says``."""

    name: str
    good: Object
    field: str
    value: Any
    says: tuple[str, ...]

    def manifest(self) -> Object:
        changed = copy.deepcopy(self.good)
        *parents, last = f"spec.{self.field}".rstrip(".").split(".")
        place = changed
        for parent in parents:
            place = place.setdefault(parent, {})
        if isinstance(self.value, _Removed):
            del place[last]
        else:
            place[last] = self.value
        return changed


def _broker(name: str, field: str, value: Any, *says: str) -> Wrong:
    return Wrong(f"broker: {name}", BROKER, field, value, says)


def _prometheus(name: str, field: str, value: Any, *says: str) -> Wrong:
    return Wrong(f"Prometheus: {name}", PROMETHEUS, field, value, says)


def _rabbitmq(name: str, field: str, value: Any, *says: str) -> Wrong:
    return Wrong(f"RabbitMQ: {name}", QUEUES, field, value, says)


def _rocketmq(name: str, field: str, value: Any, *says: str) -> Wrong:
    return Wrong(f"RocketMQ: {name}", ROCKET, field, value, says)


def _policy(name: str, field: str, value: Any, *says: str) -> Wrong:
    return Wrong(f"policy: {name}", POLICY, field, value, says)


def _delivery(name: str, field: str, value: Any, *says: str) -> Wrong:
    return Wrong(f"delivery: {name}", DELIVERY, field, value, says)


_HOST_PORT = "must be host:port without a scheme, the port from 1 to 65535"
_OBJECT_NAME = "must be the name of a Kubernetes object: lower case letters"
_DURATION = "written like 500ms, 30s, 2m or 1h30m"
_SECURITY = "kafka.security"
_OWN: Final[Object] = {"end": "a", "committed": "b"}
_CUSTOM: Final[Object] = {"url": "http://prometheus:9090", "exporter": "Custom", "queries": _OWN}
_LABEL: Final[Object] = {"name": "cluster", "value": "main"}
_TO_ALL: Final[Object] = {"brokerRef": {"name": "main"}, "match": {"names": ["*"]}}

WRONG: Final = (
    _broker("no type", "type", GONE, "spec.type: Required value"),
    _broker(
        "a type to come",
        "type",
        "Pulsar",
        'Unsupported value: "Pulsar": supported values: "Kafka", "RabbitMQ", "RocketMQ", "Prometheus"',
    ),
    _broker("a type in lower case", "type", "kafka", 'supported values: "Kafka"'),
    _broker("no block", "kafka", GONE, "spec.kafka: Required value: type Kafka and the block kafka belong together"),
    _broker("a block to come", "pulsar", {"tenant": "public"}, 'unknown field "spec.pulsar"'),
    _broker("the block of another type", "rabbitmq", QUEUES["spec"]["rabbitmq"], "type RabbitMQ and the block rabbitmq"),
    _rabbitmq("no block", "rabbitmq", GONE, "spec.rabbitmq: Required value: type RabbitMQ and the block rabbitmq"),
    _rabbitmq("no credentials", "rabbitmq.credentialsSecretRef", GONE, "credentialsSecretRef: Required value"),
    _rabbitmq("a URL with a password", "rabbitmq.managementURL", "http://guest:guest@a:15672", "without user, query or fragment"),
    _rabbitmq(
        "a URL of another scheme", "rabbitmq.managementURL", "amqp://rabbitmq:5672", "must be http:// or https:// and a host"
    ),
    _rabbitmq("a URL with a query", "rabbitmq.managementURL", "http://rabbitmq:15672/?a=b", "without user, query or fragment"),
    _rabbitmq("an authority without TLS", "rabbitmq.caSecretRef", {"name": "ca"}, "let managementURL begin with https://"),
    _prometheus("a URL with a user", "prometheus.url", "http://anna@prometheus", "without user, query or fragment"),
    _prometheus("an authority without TLS", "prometheus.caSecretRef", {"name": "ca"}, "let url begin with https://"),
    _prometheus("an exporter to come", "prometheus.exporter", "Burrow", 'supported values: "KafkaExporter", "Kminion", "Custom"'),
    _prometheus("no queries", "prometheus.exporter", "Custom", "belongs to exporter Custom, which needs it"),
    _prometheus("queries beside ready-made ones", "prometheus.queries", _OWN, "belongs to exporter Custom"),
    _prometheus("no position", "prometheus", {**_CUSTOM, "queries": {"end": "a"}}, "needs either committed or lag"),
    _prometheus("two positions", "prometheus", {**_CUSTOM, "queries": {**_OWN, "lag": "c"}}, "needs either committed or lag"),
    _prometheus("labels for queries", "prometheus", {**_CUSTOM, "labels": [_LABEL]}, "only used with the ready-made queries"),
    _prometheus("no label's name", "prometheus.labels", [{**_LABEL, "name": "a-b"}], "must be the name of a label"),
    _prometheus(
        "two proofs",
        "prometheus",
        {"url": "http://prometheus", "credentialsSecretRef": {"name": "a"}, "bearerTokenSecretRef": {"name": "b"}},
        "cannot stand beside credentialsSecretRef",
    ),
    _prometheus("an age of nothing", "prometheus.maxAge", "1s", "must be a duration from 5s to 1h"),
    _rocketmq("no name servers", "rocketmq.nameServers", [], "should have at least 1 items"),
    _rocketmq("a name server without a port", "rocketmq.nameServers", ["a"], "nameServers[0]", _HOST_PORT),
    _rocketmq("an authority without TLS", "rocketmq.caSecretRef", {"name": "ca"}, "or set tls to true"),
    _broker("no addresses", "kafka", {}, "spec.kafka.bootstrapServers: Required value"),
    _broker("empty addresses", "kafka.bootstrapServers", [], "should have at least 1 items"),
    _broker("one address as text", "kafka.bootstrapServers", "a:9092", "must be of type array"),
    _broker("an address without a port", "kafka.bootstrapServers", ["kafka-0"], "bootstrapServers[0]", _HOST_PORT),
    _broker("an address with a scheme", "kafka.bootstrapServers", ["kafka://kafka-0:9092"], "bootstrapServers[0]", _HOST_PORT),
    _broker("a list in one address", "kafka.bootstrapServers", ["a:9092,b:9092"], "bootstrapServers[0]", _HOST_PORT),
    _broker("a port that cannot be", "kafka.bootstrapServers", ["a:9092", "a:99999"], "bootstrapServers[1]", _HOST_PORT),
    _broker("an address twice", "kafka.bootstrapServers", ["a:9092", "a:9092"], 'Duplicate value: "a:9092"'),
    _broker("17 addresses", "kafka.bootstrapServers", [f"a{n}:9092" for n in range(17)], "must have at most 16 items"),
    _broker("a protocol that is none", f"{_SECURITY}.protocol", "TLS", '"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"'),
    _broker(
        "SASL without a mechanism",
        _SECURITY,
        {"protocol": "SASL_SSL", "credentialsSecretRef": {"name": "kafka"}},
        "spec.kafka.security.mechanism: Required value",
        "set it to PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
    ),
    _broker(
        "SASL without credentials",
        _SECURITY,
        {"protocol": "SASL_PLAINTEXT", "mechanism": "PLAIN"},
        "spec.kafka.security.credentialsSecretRef: Required value",
        "name a Secret with the keys username and password",
    ),
    _broker("a mechanism that is none", _SECURITY, {**SASL, "mechanism": "GSSAPI"}, '"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"'),
    _broker(
        "a mechanism without SASL",
        _SECURITY,
        {"protocol": "SSL", "mechanism": "PLAIN"},
        "spec.kafka.security.mechanism: Forbidden",
        "remove it, or set protocol to SASL_SSL or SASL_PLAINTEXT",
    ),
    _broker(
        "credentials without SASL",
        _SECURITY,
        {"credentialsSecretRef": {"name": "kafka"}},
        "spec.kafka.security.credentialsSecretRef: Forbidden",
        "remove it, or set protocol to SASL_SSL or SASL_PLAINTEXT",
    ),
    _broker(
        "an authority without TLS",
        _SECURITY,
        {"protocol": "PLAINTEXT", "caSecretRef": {"name": "ca"}},
        "spec.kafka.security.caSecretRef: Forbidden",
        "remove it, or set protocol to SSL or SASL_SSL",
    ),
    _broker(
        "a client's certificate without TLS",
        _SECURITY,
        {**SASL, "protocol": "SASL_PLAINTEXT", "clientCertificateSecretRef": {"name": "client"}},
        "spec.kafka.security.clientCertificateSecretRef: Forbidden",
        "remove it, or set protocol to SSL or SASL_SSL",
    ),
    _broker(
        "a Secret without a name", _SECURITY, {**SASL, "credentialsSecretRef": {}}, "credentialsSecretRef.name: Required value"
    ),
    _broker(
        "a Secret's name in capitals", _SECURITY, {**SASL, "caSecretRef": {"name": "My_CA"}}, "caSecretRef.name", _OBJECT_NAME
    ),
    _broker(
        "a Secret's key with a slash",
        _SECURITY,
        {**SASL, "caSecretRef": {"name": "ca", "key": "certs/ca.crt"}},
        "caSecretRef.key",
        "must be a key of a Secret's data",
    ),
    _broker("a password in the manifest", f"{_SECURITY}.password", "hunter2", 'unknown field "spec.kafka.security.password"'),
    _broker("sweeps too often", "sweepInterval", "100ms", "must be a duration from 500ms to 5m"),
    _broker("audits too often", "auditInterval", "1s", "spec.auditInterval", "must be a duration from 5s to 24h"),
    _broker("audits too seldom", "auditInterval", "25h", "spec.auditInterval", "must be a duration from 5s to 24h"),
    _broker("sweeps too seldom", "sweepInterval", "10m", "must be a duration from 500ms to 5m"),
    _broker("an interval as a number", "sweepInterval", 5, "sweepInterval in body must be of type string"),
    _broker(
        "a namespace pattern", "allowedNamespaces", ["shop-*"], 'must be the name of a namespace, such as shop, or "*" for all'
    ),
    _broker("all namespaces and one", "allowedNamespaces", ["*", "shop"], '"*" allows every namespace: remove the other entries'),
    _policy("no broker", "brokerRef", GONE, "spec.brokerRef: Required value"),
    _policy("a broker's address for its name", "brokerRef.name", "127.0.0.1:9092", "spec.brokerRef.name", _OBJECT_NAME),
    _policy("a namespace with a dot", "brokerRef.namespace", "shop.prod", "must be the name of a namespace"),
    _policy("no subscription", "subscription", GONE, "spec.subscription: Required value"),
    _policy("neither group nor queues", "subscription", {}, "set group (Kafka, RocketMQ) or queues (RabbitMQ), and not both"),
    _policy("topics without a group", "subscription.group", GONE, "set group (Kafka, RocketMQ) or queues"),
    _policy("a group and queues", "subscription.queues", ["mails"], "and not both"),
    _policy(
        "queues without a bound", "subscription", {"queues": ["mails"]}, "any number of consumers can share a queue: set max"
    ),
    _policy("no queues in the list", "subscription", {"queues": []}, "should have at least 1 items"),
    _policy("an empty group", "subscription.group", "", "subscription.group in body should be at least 1 chars long"),
    _policy("a group with a space", "subscription.group", "billing ", "write the consumer's group.id as it is"),
    _policy("no topics in the list", "subscription.topics", [], "should have at least 1 items"),
    _policy("a topic twice", "subscription.topics", ["orders", "orders"], 'Duplicate value: "orders"'),
    _policy("a topic pattern", "subscription.topics", ["orders.*"], "topics[0]", "must be the name of a Kafka topic"),
    _policy("no limit", "maxLag", {}, "spec.maxLag", "set messages, seconds or both"),
    _policy("a limit of 0", "maxLag.messages", 0, "should be greater than or equal to 1"),
    _policy("a limit as a duration", "maxLag.seconds", "30s", "maxLag.seconds in body must be of type int"),
    _policy("a fraction of a second", "maxLag.seconds", 0.5, "maxLag.seconds in body must be of type int"),
    _policy("a duration in days", "catchUp", "1d", "spec.catchUp", "must be a duration from 1s to 24h", _DURATION),
    _policy("a duration without a unit", "catchUp", "60", "must be a duration from 1s to 24h", _DURATION),
    _policy("a negative duration", "catchUp", "-5s", "must be a duration from 1s to 24h", _DURATION),
    _policy("a duration of 0", "catchUp", "0s", "must be a duration from 1s to 24h", _DURATION),
    _policy("an unknown mode", "mode", "Audit", 'supported values: "Enforce", "DryRun"'),
    _policy("no consumers", "consumers", GONE, "spec.consumers: Required value"),
    _policy("no target", "consumers.targetRef", GONE, "spec.consumers.targetRef: Required value"),
    _policy("a target without a name", "consumers.targetRef", {"kind": "Deployment"}, "targetRef.name: Required value"),
    _policy(
        "a target in another namespace",
        "consumers.targetRef.namespace",
        "x",
        'unknown field "spec.consumers.targetRef.namespace"',
    ),
    _policy("a target kind in lower case", "consumers.targetRef.kind", "deployment", "must be a kind, such as Deployment"),
    _policy(
        "a DaemonSet", "consumers.targetRef.kind", "DaemonSet", "targetRef.kind", "name a Deployment, StatefulSet or another kind"
    ),
    _policy("a Deployment of another group", "consumers.targetRef.apiVersion", "v1", "write apps/v1 or leave it out"),
    _policy("a group without a version", "consumers.targetRef.apiVersion", "apps", "must be group/version, such as apps/v1"),
    _policy("fewer than no replicas", "consumers.minReplicas", -1, "should be greater than or equal to 0"),
    _policy("at most no replicas", "consumers.maxReplicas", 0, "should be greater than or equal to 1"),
    _policy("more at least than at most", "consumers.maxReplicas", 1, "consumers.maxReplicas", "must not be below minReplicas"),
    _policy("a window too long", "consumers.scaleDown.stabilization", "2h", "must be a duration from 0s to 1h"),
    _policy("a throttle, which is to come", "throttle", {"when": "Always"}, 'unknown field "spec.throttle"'),
    _policy("a misspelt field", "consumers.maxReplica", 5, 'unknown field "spec.consumers.maxReplica"'),
    _delivery("no broker", "brokerRef", GONE, "spec.brokerRef: Required value"),
    _delivery("no match", "match", GONE, "spec.match: Required value"),
    _delivery("no names", "match", {"exclude": ["*-tmp"]}, "spec.match.names: Required value"),
    _delivery("empty names", "match.names", [], "spec.match.names", "should have at least 1 items"),
    _delivery("an empty name", "match.names", [""], "spec.match.names[0]", "should be at least 1 chars long"),
    _delivery("a pattern with a space", "match.names", ["orders *"], "spec.match.names[0]", "must be the name of a topic"),
    _delivery("a regular expression", "match.exclude", ["orders", "^tmp"], "spec.match.exclude[1]", "* and ? stand for"),
    _delivery("a pattern twice", "match.names", ["orders*", "orders*"], 'Duplicate value: "orders*"'),
    _delivery("a mode of a BacklogPolicy", "mode", "DryRun", 'supported values: "Audit", "Enforce"'),
    _delivery("acks as Kafka writes it", "acks", "all", 'supported values: "All", "Leader", "None"'),
    _delivery("nothing asked for", "replication", GONE, "spec", "set acks, flush, replication, retention"),
    _delivery("a rate in megabytes", "replication.moveRate", "50MB", "spec.replication.moveRate", "must be a number of bytes"),
    _delivery("a rate of nothing", "replication.moveRate", "0", "spec.replication.moveRate", "must be a number of bytes"),
    _delivery("an acknowledgement first", "consumption.acknowledge", "First", 'supported values: "AfterProcessing"'),
    _delivery("consumption of nothing", "consumption", {}, "spec.consumption", "set acknowledge, deliveryLimit, deadLetter"),
    _delivery(
        "a prefetch without end", "consumption.prefetchAtMost", 0, "spec.consumption.prefetchAtMost", "greater than or equal"
    ),
    _delivery("a transaction of days", "transactions.timeout", "25h", "must be a duration from 1s to 24h"),
    _delivery("an abort of all", "transactions.abort", "All", 'supported values: "Never", "Hung"'),
    _delivery("workloads that are enforced", "workloads", "Enforce", 'supported values: "Audit", "Patch"'),
    _delivery(
        "replicated on one broker",
        "",
        {**_TO_ALL, "flush": {"mode": "Replicated"}, "replication": {"factor": 1}},
        "spec.replication",
        "flush mode Replicated asks for another broker",
    ),
    _delivery(
        "replicated with unclean elections",
        "",
        {**_TO_ALL, "flush": {"mode": "Replicated"}, "replication": {"uncleanElection": True}},
        "spec.replication",
        "flush mode Replicated allows no unclean election",
    ),
    _delivery("an empty replication", "replication", {}, "spec.replication", "set factor, minInSync or uncleanElection"),
    _delivery("no copies", "replication.factor", 0, "replication.factor in body should be greater than or equal to 1"),
    _delivery("a factor as text", "replication.factor", "3", "replication.factor in body must be of type int"),
    _delivery("more in sync than copies", "replication.minInSync", 4, "spec.replication.minInSync", "must not be above factor"),
    _delivery("an election that is a word", "replication.uncleanElection", "no", "uncleanElection in body must be of type bool"),
    _delivery("a flush without a mode", "flush", {"everyMessages": 1}, "spec.flush.mode: Required value"),
    _delivery("a mode of flushing that is none", "flush.mode", "Always", 'supported values: "Sync", "Async", "Replicated"'),
    _delivery(
        "Replicated and everyMessages",
        "flush",
        {"mode": "Replicated", "everyMessages": 1},
        "spec.flush.everyMessages: Forbidden",
        "remove everyMessages and every, or choose Sync or Async",
    ),
    _delivery(
        "Replicated and every",
        "flush",
        {"mode": "Replicated", "every": "1s"},
        "spec.flush",
        "remove everyMessages and every, or choose Sync or Async",
    ),
    _delivery(
        "Replicated with one in sync",
        "",
        {**_TO_ALL, "flush": {"mode": "Replicated"}, "replication": {"minInSync": 1}},
        "spec.replication: Invalid value",
        "raise minInSync to 2 or more, or choose another mode",
    ),
    _delivery("a flush after no message", "flush", {"mode": "Sync", "everyMessages": 0}, "should be greater than or equal to 1"),
    _delivery("a flush too seldom", "flush", {"mode": "Async", "every": "25h"}, "must be a duration from 1ms to 24h"),
    _delivery("an empty retention", "retention", {}, "spec.retention", "set atLeast or guard"),
    _delivery("a retention in words", "retention.atLeast", "7 days", "written like 7d, 36h, 90m or 1d12h"),
    _delivery("a retention that keeps nothing", "retention.atLeast", "0d", "must be a duration longer than nothing"),
    _delivery("a guard until forever", "retention.guard.extendTo", "forever", "written like 7d, 36h, 90m or 1d12h"),
)
