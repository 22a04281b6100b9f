"""Manifests that no API server has seen: what it would refuse is refused, and nothing of a Secret is quoted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from floodhack.instance import CHECKOUT
from floodwarden.api.crd import object_schema
from floodwarden.api.deliverypolicy import DeliveryPolicy
from floodwarden.api.manifests import ManifestError, documents, parsed
from floodwarden.api.messagebroker import MessageBroker
from floodwarden.api.resource import Resource
from tests.unit.cli.objects import BROKER, POLICY

KINDS: dict[str, type[Resource]] = {"DeliveryPolicy": DeliveryPolicy, "MessageBroker": MessageBroker}
QUEUED = BROKER.replace("type: Kafka", "type: RabbitMQ").replace(
    'kafka: {bootstrapServers: ["kafka:9092"]}',
    "rabbitmq: {managementURL: 'http://rabbitmq:15672', credentialsSecretRef: {name: a}}",
)
ROCKET = BROKER.replace("type: Kafka", "type: RocketMQ").replace("kafka: {bootstrapServers", "rocketmq: {nameServers")
ASKED = BROKER.replace("type: Kafka", "type: Prometheus").replace(
    'kafka: {bootstrapServers: ["kafka:9092"]}', "prometheus: {url: 'http://prometheus:9090'}"
)
SECURE = BROKER.replace('["kafka:9092"]', '["kafka:9092"], security: {%s}')


def refused(text: str) -> str:
    """Why the one object of a text is refused."""
    (document,) = documents(text)
    with pytest.raises(ManifestError) as refusal:
        parsed(KINDS[document.kind], document.body)
    return str(refusal.value)


def with_spec(spec: str) -> str:
    """A policy whose last field is another one."""
    return POLICY.replace("replication: {factor: 3, minInSync: 2}", spec)


# The message of each CEL rule → an object that breaks it, and what is said of it.
RULES = {
    "must be the name of a Kubernetes object": (
        POLICY.replace("brokerRef: {name: main}", "brokerRef: {name: Main}"),
        "spec.brokerRef.name",
    ),
    "must be the name of a namespace: at most": (
        POLICY.replace("brokerRef: {name: main}", "brokerRef: {name: main, namespace: a.b}"),
        "spec.brokerRef.namespace",
    ),
    "must be the name of a topic": (POLICY.replace("orders*", "orders[0-9]"), "spec.match.names[0]"),
    "mode Replicated leaves flushing": (
        with_spec("flush: {mode: Replicated, everyMessages: 1}"),
        "spec.flush: mode Replicated leaves",
    ),
    "must not be above factor": (with_spec("replication: {factor: 1, minInSync: 2}"), "minInSync must not be above factor"),
    "set factor, minInSync or uncleanElection": (with_spec("replication: {}"), "set factor, minInSync or uncleanElection"),
    "set acks, flush, replication": (with_spec("mode: Audit"), "set acks, flush, replication"),
    "set atLeast or guard": (with_spec("retention: {}"), "set atLeast or guard"),
    "set acknowledge, deliveryLimit": (with_spec("consumption: {}"), "set acknowledge, deliveryLimit"),
    "must be a number of bytes": (with_spec("replication: {factor: 3, moveRate: 5M}"), "must be a number of bytes"),
    "flush mode Replicated asks for another broker": (
        with_spec("flush: {mode: Replicated}\n  replication: {factor: 1}"),
        "flush mode Replicated asks for another broker",
    ),
    "flush mode Replicated allows no unclean election": (
        with_spec("flush: {mode: Replicated}\n  replication: {uncleanElection: true}"),
        "flush mode Replicated allows no unclean election",
    ),
    "flush mode Replicated stands on two": (
        with_spec("flush: {mode: Replicated}\n  replication: {minInSync: 1}"),
        "flush mode Replicated stands on two copies",
    ),
    "must be a key of a Secret": (
        SECURE % "protocol: SSL, caSecretRef: {name: a, key: 'a b'}",
        "spec.kafka.security.caSecretRef.key: must be a key",
    ),
    "need a mechanism": (
        SECURE % "protocol: SASL_SSL, credentialsSecretRef: {name: a}",
        "security.mechanism: protocol SASL_SSL needs it",
    ),
    "need credentials": (SECURE % "protocol: SASL_SSL, mechanism: PLAIN", "credentialsSecretRef: protocol SASL_SSL needs it"),
    "only used with SASL": (
        SECURE % "protocol: SSL, credentialsSecretRef: {name: a}",
        "credentialsSecretRef: only used with SASL",
    ),
    "only used with TLS": (SECURE % "caSecretRef: {name: a}", "caSecretRef: only used with TLS"),
    "must be host:port": (BROKER.replace("kafka:9092", "kafka"), "spec.kafka.bootstrapServers[0]: must be host:port"),
    "type Kafka and the block kafka": (
        BROKER.replace('kafka: {bootstrapServers: ["kafka:9092"]}', ""),
        "spec.kafka: type Kafka needs",
    ),
    "type RabbitMQ and the block rabbitmq": (
        f"{BROKER}  rabbitmq: {{managementURL: 'https://rabbit', credentialsSecretRef: {{name: a}}}}\n",
        "spec.rabbitmq: only used with type RabbitMQ: remove it",
    ),
    "must be http:// or https:// and a host": (
        QUEUED.replace("http://rabbitmq:15672", "http://guest:guest@rabbitmq:15672"),
        "spec.rabbitmq.managementURL: must be http:// or https://",
    ),
    "let managementURL begin with https": (
        QUEUED.replace("{name: a}", "{name: a}, caSecretRef: {name: b}"),
        "spec.rabbitmq.caSecretRef: only used with TLS",
    ),
    "type RocketMQ and the block rocketmq": (
        f"{BROKER}  rocketmq: {{nameServers: ['a:9876']}}\n",
        "spec.rocketmq: only used with type RocketMQ: remove it",
    ),
    "or set tls to true": (
        ROCKET.replace("]}", "], caSecretRef: {name: a}}"),
        "spec.rocketmq.caSecretRef: only used with TLS",
    ),
    "type Prometheus and the block prometheus": (
        f"{BROKER}  prometheus: {{url: 'http://prometheus'}}\n",
        "spec.prometheus: only used with type Prometheus: remove it",
    ),
    "let url begin with https": (
        ASKED.replace("9090'", "9090', caSecretRef: {name: a}"),
        "spec.prometheus.caSecretRef: only used with TLS",
    ),
    "must be the name of a label": (
        ASKED.replace("9090'", "9090', labels: [{name: a-b, value: c}]"),
        "spec.prometheus.labels[0].name: must be the name of a label",
    ),
    "cannot stand beside credentialsSecretRef": (
        ASKED.replace("9090'", "9090', credentialsSecretRef: {name: a}, bearerTokenSecretRef: {name: b}"),
        "spec.prometheus.bearerTokenSecretRef: cannot stand beside",
    ),
    "belongs to exporter Custom": (
        ASKED.replace("9090'", "9090', exporter: Custom"),
        "spec.prometheus.queries: belongs to exporter Custom",
    ),
    "needs either committed or lag": (
        ASKED.replace("9090'", "9090', exporter: Custom, queries: {end: a}"),
        "spec.prometheus.queries.committed: needs either",
    ),
    "only used with the ready-made queries": (
        ASKED.replace("9090'", "9090', exporter: Custom, queries: {end: a, lag: b}, labels: [{name: c, value: d}]"),
        "spec.prometheus.labels: only used with the ready-made",
    ),
    "allows every namespace": (f"{BROKER}  allowedNamespaces: ['*', shop]\n", "allows every namespace"),
    'or "*" for all': (f"{BROKER}  allowedNamespaces: [a.b]\n", "spec.allowedNamespaces: each must be"),
}
MORE = {
    "a mechanism without SASL": (SECURE % "mechanism: PLAIN", "mechanism: only used with SASL"),
    "a client certificate without TLS": (
        SECURE % "clientCertificateSecretRef: {name: a}",
        "clientCertificateSecretRef: only used with",
    ),
    "a port that is none": (BROKER.replace("9092", "99999"), "a port must be from 1 to 65535"),
    "another version": (POLICY.replace("v1alpha1", "v9"), "apiVersion is 'floodwarden.dev/v9'; write floodwarden.dev/v1alpha1"),
    "a typing error": (POLICY.replace("minInSync", "mininsync"), "spec.replication.mininsync is no field; known here: factor"),
    "a name with a line end": (POLICY.replace("name: orders", 'name: "orders\\n"'), "metadata.name: must be lower case"),
    "a namespace with a dot": (POLICY.replace("shop", "a.b"), "metadata.namespace: must be lower case"),
    "a duration that is none": (with_spec("transactions: {timeout: 5}"), "spec.transactions.timeout"),
    "a duration in words": (
        with_spec("transactions: {timeout: soon}"),
        "spec.transactions.timeout: 'soon' is not a duration; durations are written like 500ms, 30s",
    ),
    "the block of another type": (
        BROKER.replace("type: Kafka", "type: RabbitMQ"),
        "spec.kafka: only used with type Kafka: remove it",
    ),
    "no block of its type": (
        QUEUED.replace("rabbitmq: {managementURL: 'http://rabbitmq:15672', credentialsSecretRef: {name: a}}", ""),
        "spec.rabbitmq: type RabbitMQ needs the block of that name",
    ),
    "a name server's port that is none": (ROCKET.replace("9092", "99999"), "spec.rocketmq.nameServers: a port must be from"),
    "a wrong value": (POLICY.replace("factor: 3", "factor: 0"), "spec.replication.factor: Input should be greater than or equal"),
}


@pytest.mark.parametrize(("text", "says"), [*RULES.values(), *MORE.values()], ids=[*RULES, *MORE])
def test_what_the_api_server_refuses_is_refused(text: str, says: str) -> None:
    """With the field and what to do."""
    assert says in refused(text)


def test_no_rule_of_the_schemas_is_left_out() -> None:
    """A rule that is added to a model asks for its case, and so for its check. Durations are checked by their type."""
    rules = {message for kind in KINDS.values() for cel, message in _rules(object_schema(kind)["properties"]["spec"])}
    assert not [message for message in rules if not any(known in message for known in RULES)]
    assert not [known for known in RULES if not any(known in message for message in rules)]


def _rules(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-kubernetes-validations", ()):
        if not rule["message"].startswith("must be a duration"):
            yield rule["rule"], rule["message"]
    for part in (*schema.get("properties", {}).values(), *filter(None, [schema.get("items")])):
        yield from _rules(part)


def test_a_list_is_what_it_holds() -> None:
    """As ``kubectl get --output yaml`` prints it, each object with its own line."""
    items = "\n".join(f"- kind: {kind}\n  apiVersion: v1" for kind in ("Secret", "ConfigMap"))
    found = documents(f"---\napiVersion: v1\nitems:\n{items}\nkind: List\n---\nkind: Pod\n")
    assert [(one.kind, one.line) for one in found] == [("Secret", 4), ("ConfigMap", 6), ("Pod", 10)]


def test_the_line_is_where_the_object_begins() -> None:
    """Not where its document does."""
    assert [one.line for one in documents("# of orders\n\nkind: A\n---\n# of more\nkind: B\n---\n")] == [3, 6]


NO_YAML = {
    "a key twice": ("kind: A\nspec: {a: 1, a: 2}\n", "line 2: it is not YAML: a field stands there twice: remove one"),
    "no object": ("- a\n", "it is YAML, but no manifest"),
    "an open bracket": ("kind: [", "it is not YAML"),
    "a tab": ("kind: A\n\tb: 1", "line 2: it is not YAML: found character '\\t'"),
    "a depth without end": ("[" * 100_000, "it is nested too deep"),
    "a control character": ("kind: \x07", "it is not YAML"),
    "a date that is none": (
        "kind: A\nday: 2026-13-01\n",
        "line 1: a value in it looks like a number or a date and is none: quote it",
    ),
}


@pytest.mark.parametrize(("text", "says"), NO_YAML.values(), ids=NO_YAML)
def test_what_is_no_manifest_is_told(text: str, says: str) -> None:
    """In a sentence, with the line where there is one."""
    with pytest.raises(ManifestError) as refusal:
        documents(text)
    assert says in str(refusal.value)


QUOTING = {
    "as an alias": "*hunter2-canary",
    "as a tag": "!hunter2-canary",
    "as two anchors": "&hunter2-canary 1\nb: &hunter2-canary [*hunter2-canary, &a *hunter2-canary",
    "as a number": "!!int hunter2-canary",
    "as base64": "!!binary hunter2-canary-\u20ac",
    "without an end": "'hunter2-canary\n  more",
    "as a directive": "a\n%hunter2-canary b\n--- !a!hunter2-canary b",
}


@pytest.mark.parametrize("value", QUOTING.values(), ids=QUOTING)
def test_no_part_of_a_secret_is_quoted(value: str) -> None:
    """YAML's own errors quote the file, also further down the chain of causes."""
    with pytest.raises(ManifestError) as refusal:
        documents(f"kind: Secret\nstringData:\n  password: {value}\n")
    error: BaseException | None = refusal.value
    while error is not None:
        assert "hunter2" not in str(error)
        error = error.__cause__ or error.__context__


def test_a_document_shows_nothing_of_its_body() -> None:
    """It may be a Secret."""
    assert "hunter2" not in repr(documents("kind: Secret\nstringData: {password: hunter2}\n"))


EXAMPLES = [
    path for path in (CHECKOUT / "deploy/examples").glob("*.yaml") if "deliverypolicy" in path.name or "kafka" in path.name
]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.stem))
def test_the_examples_are_understood(path: Any) -> None:
    """Every example with a policy or a MessageBroker in it."""
    found = [parsed(KINDS[one.kind], one.body) for one in documents(path.read_text()) if one.kind in KINDS]
    assert found
