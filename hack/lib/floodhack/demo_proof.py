"""Whether Floodwarden really did it: read from the broker's own tool and from the Deployment and its pods, not from Floodwarden.

`scaled` and `drained` are pure; `look` runs kafka-consumer-groups and kubectl.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from floodhack.demo_plan import Plan
from floodhack.demo_shell import Shell
from floodhack.errors import HackError


@dataclass(frozen=True)
class GroupByTool:
    """What kafka-consumer-groups says of a group: messages it has to read, and members that own a partition."""

    lag: int
    owners: int
    partitions: int


@dataclass(frozen=True)
class Evidence:
    """One independent look at the group, the Deployment's spec and its pods."""

    group: GroupByTool
    replicas: int
    ready_pods: int


Proof = list[tuple[bool, str]]


def parse_group(text: str, topic: str) -> GroupByTool:
    """Read the table of `kafka-consumer-groups --describe`; ValueError when it is not such a table or a lag is not known."""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    header = next((row for row in rows if row[:3] == ["GROUP", "TOPIC", "PARTITION"]), None)
    if header is None:
        raise ValueError(f"no table of a group in: {text.strip()[:200]!r}")
    lag_column, member_column = header.index("LAG"), header.index("CONSUMER-ID")
    ours = [row for row in rows[rows.index(header) + 1 :] if len(row) > member_column and row[1] == topic]
    unknown = [row[2] for row in ours if not row[lag_column].isdecimal()]
    if unknown or not ours:
        raise ValueError(f"no lag known for partitions {', '.join(unknown) or 'of ' + topic}")
    members = {row[member_column] for row in ours} - {"-"}
    return GroupByTool(sum(int(row[lag_column]) for row in ours), len(members), len(ours))


def scaled(evidence: Evidence, *, before: int) -> Proof:
    """What must hold once the pods are there, each with whether it does. `before`: replicas when the spike began."""
    replicas, owners = evidence.replicas, evidence.group.owners
    return [
        (replicas > before, f"the Deployment's spec asked for {replicas} replicas, {before} before the spike"),
        (evidence.ready_pods >= replicas, f"{evidence.ready_pods} of its pods were Ready"),
        (owners >= replicas, f"{owners} members of the group owned partitions, by kafka-consumer-groups"),
    ]


def drained(evidence: Evidence, plan: Plan) -> Proof:
    """What must hold once the backlog is gone, each with whether it does."""
    group = evidence.group
    return [
        (group.partitions == plan.partitions, f"{group.partitions} of {plan.partitions} partitions had committed offsets"),
        (
            group.lag <= plan.max_lag_messages,
            f"the lag came back to {group.lag:,}, by kafka-consumer-groups; limit {plan.max_lag_messages:,}",
        ),
    ]


def look(shell: Shell, plan: Plan) -> Evidence:
    """Gather the evidence; HackError when a tool fails or says nothing usable."""
    table = shell.broker_tool("kafka-consumer-groups", "--describe", "--group", plan.group)
    try:
        group = parse_group(table, plan.topic)
    except ValueError as error:
        raise HackError(f"kafka-consumer-groups: {error}") from error
    deployment = json.loads(shell.kubectl("get", "deployment", plan.deployment, "-n", plan.namespace, "-o", "json"))
    pods = json.loads(shell.kubectl("get", "pods", "-l", f"app={plan.deployment}", "-n", plan.namespace, "-o", "json"))["items"]
    return Evidence(group, int(deployment["spec"]["replicas"]), sum(_ready(pod) for pod in pods))


def _ready(pod: dict[str, dict[str, object]]) -> bool:
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = pod["status"].get("conditions", [])
    assert isinstance(conditions, list)
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
