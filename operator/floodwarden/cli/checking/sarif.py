"""A check as SARIF 2.1.0, for code scanning: a rule for each setting, a result for each violation at the policy's line. Pure.

What could not be told is no result but a notification of the invocation, which was then not successful.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from floodwarden.cli.checking.report import EXIT, Checked, overall, sentence, shown
from floodwarden.core.delivery.settings import EXPLAINED, Explained
from floodwarden.core.delivery.violations import Violation

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
POLICY: Final = "delivery-policy"  # the rule of what a policy asks for and no setting can keep


def sarif(checks: Sequence[Checked], version: str) -> dict[str, Any]:
    """The whole log; ``version`` is Floodwarden's."""
    rules = _rules(checks)
    numbers = {rule["id"]: number for number, rule in enumerate(rules)}
    results = [_result(check, one, numbers) for check in checks for one in check.violations]
    results += [_warning(check, text, numbers) for check in checks for text in check.warnings]
    status = EXIT[overall(checks)]
    run = {
        "tool": {"driver": {"name": "floodwarden", "version": version, "rules": rules}},
        "invocations": [
            {
                "executionSuccessful": not any(check.gaps for check in checks),
                "exitCode": status,
                "toolExecutionNotifications": [_notification(check, gap.message) for check in checks for gap in check.gaps],
            }
        ],
        "results": results,
        "columnKind": "unicodeCodePoints",
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rules(checks: Sequence[Checked]) -> list[dict[str, Any]]:
    """The settings that are explained, the others that differ, and the policy itself."""
    rules = {_rule_id(one.name): _rule(one) for one in EXPLAINED}
    for setting in sorted({violation.setting for check in checks for violation in check.violations}):
        rules.setdefault(_rule_id(setting), _bare_rule(_rule_id(setting), shown(setting)))
    rules[POLICY] = _bare_rule(POLICY, "What a policy asks for and no setting can keep.")
    return list(rules.values())


def _rule(one: Explained) -> dict[str, Any]:
    text = f"{one.why} Costs: {one.cost} Prevents: {one.prevents}"
    return {
        **_bare_rule(_rule_id(one.name), one.what),
        "name": one.name,
        "fullDescription": {"text": one.why},
        "help": {"text": text},
    }


def _bare_rule(rule: str, what: str) -> dict[str, Any]:
    return {"id": rule, "shortDescription": {"text": what}}


def _rule_id(setting: str) -> str:
    return shown(setting).replace(" ", "-")


def _result(check: Checked, one: Violation, numbers: dict[str, int]) -> dict[str, Any]:
    rule = _rule_id(one.setting)
    about = "\n".join((check.name, one.resource, one.setting))
    return {
        "ruleId": rule,
        "ruleIndex": numbers[rule],
        "level": "error",
        "message": {"text": sentence(one)},
        "locations": [{**_location(check), "logicalLocations": [{"name": shown(one.resource), "kind": "resource"}]}],
        # So that one difference is the same from run to run, whatever the file looks like around it.
        "partialFingerprints": {"policyResourceSetting/v1": hashlib.sha256(about.encode(errors="replace")).hexdigest()},
        "properties": {"policy": check.name, "broker": check.broker, "action": one.action.value},
    }


def _warning(check: Checked, text: str, numbers: dict[str, int]) -> dict[str, Any]:
    return {
        "ruleId": POLICY,
        "ruleIndex": numbers[POLICY],
        "level": "warning",
        "message": {"text": shown(text)},
        "locations": [_location(check)],
    }


def _notification(check: Checked, text: str) -> dict[str, Any]:
    return {"level": "error", "message": {"text": f"{shown(check.name)}: {shown(text)}"}, "locations": [_location(check)]}


def _location(check: Checked) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(check.file)}, "region": {"startLine": check.line}}}


def _uri(file: str) -> str:
    """A relative file as a reference, an absolute one as file URI."""
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix(), errors="replace")
