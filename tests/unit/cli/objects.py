"""Manifests and findings that the tests of this folder share."""

from __future__ import annotations

from typing import Any

from floodwarden.cli.checking.report import Checked, Outcome
from floodwarden.core.assess import Gap
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.producers import Writers
from floodwarden.core.delivery.violations import Action, Violation
from floodwarden.core.delivery.wishes import Relation, Requirement, Wishes
from floodwarden.core.reasons import Reason

BROKER = """
apiVersion: floodwarden.dev/v1alpha1
kind: MessageBroker
metadata: {name: main, namespace: shop}
spec:
  type: Kafka
  kafka: {bootstrapServers: ["kafka:9092"]}
"""
GUARDED = """
apiVersion: floodwarden.dev/v1alpha1
kind: MessageBroker
metadata: {name: main, namespace: shop}
spec:
  type: Kafka
  kafka:
    bootstrapServers: ["127.0.0.1:1"]
    security:
      protocol: SASL_SSL
      mechanism: PLAIN
      credentialsSecretRef: {name: kafka-credentials}
      caSecretRef: {name: kafka-ca}
      clientCertificateSecretRef: {name: kafka-client}
"""
POLICY = """
apiVersion: floodwarden.dev/v1alpha1
kind: DeliveryPolicy
metadata: {name: orders, namespace: shop}
spec:
  brokerRef: {name: main}
  match: {names: ["orders*"]}
  replication: {factor: 3, minInSync: 2}
"""
HOSTILE = "\x1b[2J\u202eevil\n\x07\ud800"
ESCAPED = "\\x1b[2J\\u202eevil\\n\\x07\\ud800"

FEW = Violation("topic orders", "replication factor", "≥ 3", "1", "topic", Action.REPORT, "raise it")
LOW = Violation("topic orders", "min.insync.replicas", "≥ 2", "1", "topic", Action.REPAIR, "mode Enforce would write it")
LOWER = Violation("topic orders-eu", "min.insync.replicas", "≥ 2", "1", "topic", Action.REPAIR, "mode Enforce would write it")
BEHIND = Violation("topic orders", "in-sync replicas", "all", "2 of 3", "topic", Action.REPORT, "bring it back")
DENIED = Gap(Reason.AUTHORIZATION_FAILED, "topic orders: allow Floodwarden's user DescribeConfigs (Kafka ACLs)")
AWAY = Gap(Reason.BROKER_UNREACHABLE, "no broker could be read: kafka:9092 refused the connection")

WISHES = Wishes(
    "shop/orders",
    acts=False,
    names=("orders*",),
    requirements=(Requirement("min.insync.replicas", Relation.AT_LEAST, "2"),),
    factor=3,
    min_in_sync=2,
    acks="All",
)


def checked(outcome: Outcome, wishes: Wishes = WISHES, **changes: Any) -> Checked:
    """A policy that was checked."""
    given: dict[str, Any] = {"file": "policies/orders.yaml", "line": 7, "broker": "shop/main"}
    return Checked(wishes=wishes, outcome=outcome, **(given | changes))


def findings(
    *violations: Violation,
    topics: int = 2,
    gaps: tuple[Gap, ...] = (),
    warnings: tuple[str, ...] = (),
    unproven: tuple[str, ...] = ("acks All: brokers do not keep what producers ask for",),
    writers: tuple[Writers, ...] = (),
) -> Findings:
    """What an audit of three brokers brought."""
    return Findings(topics, 3, violations, (), gaps, warnings, unproven=unproven, writers=writers)
