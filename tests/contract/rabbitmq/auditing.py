"""Audits of the real nodes as tests make them, and what RabbitMQ's own tool says of the same."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from floodwarden.brokers.rabbitmq import RabbitSettings
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.violations import Violation
from floodwarden.core.delivery.wishes import Wishes
from tests.contract.rabbitmq.real_rabbit import RealRabbit
from tests.support.delivery import the
from tests.support.virtual_host import of

# Queues, channels and nodes each tell every five seconds what there is.
TOLD = 30.0


def auditing(settings: RabbitSettings, *policies: Wishes) -> Callable[[], Awaitable[Findings]]:
    """One audit after the other, of the first of these policies, for ``eventually``."""

    async def look() -> Findings:
        found = await settings.survey(lambda name: any(one.matches(name) for one in policies))
        return settings.judge(found, policies)[policies[0].name]

    return look


def known(findings: Findings) -> bool:
    """Whether the queues have told all that is asked for, which takes some seconds after their declaration."""
    return not findings.gaps


def has(setting: str) -> Callable[[Findings], bool]:
    """Whether a setting differs, for ``eventually``."""
    return lambda findings: any(one.setting == setting for one in findings.violations)


def told(findings: Findings, setting: str) -> Violation:
    """The one difference of a setting."""
    return the([one for one in findings.violations if one.setting == setting])


def operator_policies(rabbit: RealRabbit) -> dict[str, Any]:
    """The operator policies as rabbitmqctl lists them, by name."""
    printed = rabbit.tool("rabbitmqctl", "list_operator_policies", "--quiet", "--formatter", "json")
    return {one["name"]: one | {"definition": json.loads(one["definition"])} for one in json.loads(printed)}


def effective(rabbit: RealRabbit, queue: str) -> dict[str, int]:
    """What policy and operator policy come to, by RabbitMQ itself."""
    found = f'{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{rabbit.facts["vhost"]}">>, queue, <<"{queue}">>))'
    said = rabbit.tool("rabbitmqctl", "eval", f"{found}, rabbit_policy:effective_definition(Q).")
    return {key: int(value) for key, value in re.findall(r'<<"([^"]+)">>,\s*(\d+)', said)}


def told_of(findings: Findings, queue: str) -> Violation:
    """The one difference of a queue."""
    return the(of(findings, f"queue {queue}"))
