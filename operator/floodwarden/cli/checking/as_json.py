"""A check as JSON of a stable shape: fields are added, never renamed or removed, while ``version`` is 1. Pure.

::

    {version: 1, result: Compliant | Violations | Unknown, summary,
     policies: [{name (namespace/name), file, line, broker (namespace/name), result, topics, brokers (how many; null: not known),
                 violations: [{resource, setting, wanted, found, where, action, reason}],
                 unknown: [{reason, message}],              what is asked for and could not be told
                 notVerified: [text], warnings: [text],
                 producers: [{partition, idempotent (null: not told), ids}]}]}    whose batches are the newest of a partition
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from floodwarden.cli.checking.report import Checked, overall, verdict

VERSION: Final = 1


def as_json(checks: Sequence[Checked]) -> dict[str, Any]:
    """The whole check. Texts are as brokers gave them: write it with ``ensure_ascii``."""
    return {
        "version": VERSION,
        "result": overall(checks).value,
        "summary": verdict(checks),
        "policies": [_policy(check) for check in checks],
    }


def _policy(check: Checked) -> dict[str, Any]:
    findings = check.findings
    return {
        "name": check.name,
        "file": check.file,
        "line": check.line,
        "broker": check.broker,
        "result": check.result.value,
        "topics": findings.topics if findings else None,
        "brokers": findings.brokers if findings else None,
        "violations": [
            {
                "resource": one.resource,
                "setting": one.setting,
                "wanted": one.wanted,
                "found": one.found,
                "where": one.where,
                "action": one.action.value,
                "reason": one.reason,
            }
            for one in check.violations
        ],
        "unknown": [{"reason": gap.reason.value, "message": gap.message} for gap in check.gaps],
        "notVerified": list(check.not_verified),
        "warnings": list(check.warnings),
        "producers": [
            {"partition": one.partition, "idempotent": one.idempotent, "ids": list(one.producers)} for one in check.writers
        ],
    }
