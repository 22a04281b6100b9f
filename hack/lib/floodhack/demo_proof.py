"""Whether Floodwarden really did it: read from the broker's own tool and from the Deployment and its pods, not from Floodwarden.

`scaled`, `drained` and `none_lost` are pure; `look` runs the broker's tool and kubectl.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from floodhack.demo_broker import Accounts, ByTool, DemoBroker, Proof, Words
from floodhack.demo_plan import Plan
from floodhack.demo_shell import Shell


@dataclass(frozen=True)
class Evidence:
    """One independent look at the consumers, the Deployment's spec and its pods."""

    by_tool: ByTool
    replicas: int
    ready_pods: int


def scaled(evidence: Evidence, words: Words, *, before: int) -> Proof:
    """What must hold once the pods are there, each with whether it does. `before`: replicas when the spike began."""
    replicas, readers = evidence.replicas, evidence.by_tool.readers
    return [
        (replicas > before, f"the Deployment's spec asked for {replicas} replicas, {before} before the spike"),
        (evidence.ready_pods >= replicas, f"{evidence.ready_pods} of its pods were Ready"),
        (readers >= replicas, f"{readers} {words.readers}"),
    ]


def drained(evidence: Evidence, words: Words, plan: Plan) -> Proof:
    """What must hold once the backlog is gone, each with whether it does."""
    lag, limit = evidence.by_tool.lag, plan.max_lag_messages
    return [*evidence.by_tool.whole, (lag <= limit, f"the lag came back to {lag:,}, by {words.tool}; limit {limit:,}")]


def none_lost(accounts: Accounts) -> Proof:
    """What must hold once the producer pauses and the queue was read to its end, each with whether it does."""
    confirmed, acknowledged = accounts.confirmed, accounts.acknowledged
    settled = accounts.sending == 0 and accounts.published == confirmed > 0
    return [
        (settled, f"the broker confirmed {confirmed:,} of {accounts.published:,} messages that the producer published"),
        (accounts.waiting == 0, f"{accounts.waiting:,} messages wait while the producer pauses"),
        (
            confirmed <= acknowledged <= confirmed + accounts.repeated,
            f"consumers acknowledged {acknowledged:,} messages: {_balance(confirmed, acknowledged)}",
        ),
    ]


def look(shell: Shell, plan: Plan, broker: DemoBroker) -> Evidence:
    """Gather the evidence; HackError when a tool fails or says nothing usable."""
    by_tool = broker.by_tool(shell)
    deployment = json.loads(shell.kubectl("get", "deployment", plan.deployment, "-n", plan.namespace, "-o", "json"))
    pods = json.loads(shell.kubectl("get", "pods", "-l", f"app={plan.deployment}", "-n", plan.namespace, "-o", "json"))["items"]
    return Evidence(by_tool, int(deployment["spec"]["replicas"]), sum(_ready(pod) for pod in pods))


def _balance(confirmed: int, acknowledged: int) -> str:
    if acknowledged < confirmed:
        return f"{confirmed - acknowledged:,} of those confirmed are missing"
    more = f", {acknowledged - confirmed:,} came twice" if acknowledged > confirmed else ""
    return f"none of those confirmed was lost{more}"


def _ready(pod: dict[str, dict[str, object]]) -> bool:
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = pod["status"].get("conditions", [])
    assert isinstance(conditions, list)
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
