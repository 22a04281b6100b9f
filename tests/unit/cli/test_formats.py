"""What a check shows: the table for people, JSON, SARIF and JUnit for machines; and what a check means as a whole."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from rich.console import Console

from floodwarden.cli.checking.as_json import as_json
from floodwarden.cli.checking.junit import junit
from floodwarden.cli.checking.report import EXIT, Checked, overall, verdict
from floodwarden.cli.checking.sarif import sarif
from floodwarden.cli.checking.table import show
from floodwarden.core.assess import Gap
from floodwarden.core.delivery.producers import Writers
from floodwarden.core.delivery.settings import EXPLAINED
from floodwarden.core.delivery.violations import Violation
from tests.unit.cli.objects import AWAY, BEHIND, DENIED, ESCAPED, FEW, HOSTILE, LOW, LOWER, WISHES, checked, findings

OTHER = replace(WISHES, name="shop/payments", names=("payments",))
FINE, DIFFERENT, UNREACHABLE = checked(findings()), checked(findings(FEW, LOW, LOWER)), checked(AWAY)
PARTIAL, EMPTY = checked(findings(gaps=(DENIED,))), checked(findings(topics=0))

RESULTS = {
    "as asked for": ([FINE], 0, "compliant: 1 policy as asked for"),
    "differences": ([DIFFERENT], 1, "not compliant: 3 violations of 1 policy"),
    "one difference": ([checked(findings(LOW))], 1, "not compliant: 1 violation of 1 policy"),
    "nobody answers": ([UNREACHABLE], 2, "could not tell: 1 policy not known"),
    "a part is denied": ([PARTIAL], 2, "could not tell: 1 policy not known"),
    "no topic matches": ([EMPTY], 2, "could not tell: 1 policy not known"),
    "differences and no topic": ([checked(findings(LOW, topics=0))], 1, "not compliant: 1 violation of 1 policy"),
    "differences beside what is denied": ([checked(findings(LOW, gaps=(DENIED,)))], 1, "not compliant: 1 violation of 1 policy"),
    "a violation beats all": (
        [FINE, UNREACHABLE, DIFFERENT, FINE],
        1,
        "not compliant: 3 violations of 1 policy, 1 policy not known, 2 policies as asked for",
    ),
    "what is not known beats the rest": ([FINE, PARTIAL], 2, "could not tell: 1 policy not known, 1 policy as asked for"),
}


@pytest.mark.parametrize(("checks", "status", "says"), RESULTS.values(), ids=RESULTS)
def test_what_a_check_means(checks: list[Checked], status: int, says: str) -> None:
    """0, 1 or 2, and one line."""
    assert (EXIT[overall(checks)], verdict(checks)) == (status, says)


def table(*checks: Checked, width: int = 160) -> str:
    """What is printed into a pipe."""
    out = io.StringIO()
    show(checks, Console(file=out, width=width, highlight=False))
    return out.getvalue()


def test_the_table_has_every_cell() -> None:
    """A heading with what was looked at, and a row for each difference; the last line is the result."""
    lines = table(DIFFERENT).splitlines()
    assert lines[0] == "shop/orders  orders* on shop/main: 2 topics, 3 brokers"
    assert lines[1].split("  ")[1] == "resource"
    assert lines[1].split()[-3:] == ["what", "to", "do"]
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines[2:5]]
    assert rows[0] == ["topic orders", "replication factor", "≥ 3", "1", "topic", "Report: raise it"]
    assert [row[0] for row in rows[1:]] == ["topic orders", "topic orders-eu"]
    assert lines[-1] == "not compliant: 3 violations of 1 policy"


def test_a_narrow_terminal_gets_sentences() -> None:
    """Where six columns would be all line ends."""
    said = table(DIFFERENT, width=80)
    assert "  topic orders-eu: min.insync.replicas is 1 (topic), wanted ≥ 2" in said
    assert "\n      Repair: mode Enforce would write it" in said
    assert "resource" not in said


SAID = {
    "warnings": (checked(findings(warnings=("factor 3 cannot be kept",))), "warning: factor 3 cannot be kept"),
    "what is denied": (PARTIAL, f"could not tell (AuthorizationFailed): {DENIED.message}"),
    "who is away": (UNREACHABLE, f"could not tell (BrokerUnreachable): {AWAY.message}"),
    "no topic": (EMPTY, "could not tell (NoTopicMatches): no topic matches orders*"),
    "what is left out": (checked(findings(), replace(WISHES, exclude=("*-tmp",))), "orders* without *-tmp on shop/main"),
    "acks": (FINE, "not verified: acks All: brokers do not keep what producers ask for"),
    "that all is well": (FINE, "as asked for"),
    "who writes": (
        checked(
            findings(writers=(Writers("orders-0", True, (7, 5)), Writers("orders-1", False, (7,)), Writers("orders-2", None, ())))
        ),
        "producers: idempotent in 1 of 3 partitions looked at, not so in 1; ids 5, 7",
    ),
}


@pytest.mark.parametrize(("check", "says"), SAID.values(), ids=SAID)
def test_the_table_says_the_rest(check: Checked, says: str) -> None:
    """Below the differences."""
    assert says in table(check)


def test_json_has_the_documented_shape() -> None:
    """Of which machines hold on: fields may be added, none may go."""
    writers = (Writers("orders-0", True, (7, 5)),)
    said = as_json([checked(findings(LOW, gaps=(DENIED,), warnings=("mind the gap",), writers=writers)), UNREACHABLE])
    assert said["version"] == 1
    assert (said["result"], said["summary"]) == ("Violations", "not compliant: 1 violation of 1 policy, 1 policy not known")
    assert said["policies"][0] == {
        "name": "shop/orders",
        "file": "policies/orders.yaml",
        "line": 7,
        "broker": "shop/main",
        "result": "Violations",
        "topics": 2,
        "brokers": 3,
        "violations": [
            {
                "resource": "topic orders",
                "setting": "min.insync.replicas",
                "wanted": "≥ 2",
                "found": "1",
                "where": "topic",
                "action": "Repair",
                "reason": "mode Enforce would write it",
            }
        ],
        "unknown": [{"reason": "AuthorizationFailed", "message": DENIED.message}],
        "notVerified": ["acks All: brokers do not keep what producers ask for"],
        "warnings": ["mind the gap"],
        "producers": [{"partition": "orders-0", "idempotent": True, "ids": [7, 5]}],
    }
    away = said["policies"][1]
    assert (away["result"], away["topics"], away["brokers"], away["violations"]) == ("Unknown", None, None, [])
    assert json.loads(json.dumps(said)) == said


TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LOCATION = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation", "region"],
            "properties": {
                "artifactLocation": {"type": "object", "required": ["uri"]},
                "region": {"type": "object", "required": ["startLine"], "properties": {"startLine": {"minimum": 1}}},
            },
        }
    },
}
NOTED = {
    "type": "object",
    "required": ["message", "level", "locations"],
    "properties": {
        "message": TEXT,
        "level": {"enum": ["none", "note", "warning", "error"]},
        "locations": {"type": "array", "items": LOCATION, "minItems": 1},
    },
}
# What the schema of SARIF 2.1.0 asks for, of the parts that are written, and what code scanning asks for on top.
SARIF = {
    "type": "object",
    "additionalProperties": False,
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results", "invocations"],
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name", "version", "rules"],
                                "properties": {
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id", "shortDescription"],
                                            "properties": {"shortDescription": TEXT, "fullDescription": TEXT, "help": TEXT},
                                        },
                                    }
                                },
                            }
                        },
                    },
                    "invocations": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["executionSuccessful"],
                            "properties": {"toolExecutionNotifications": {"type": "array", "items": NOTED}},
                        },
                    },
                    "results": {"type": "array", "items": {**NOTED, "required": [*NOTED["required"], "ruleId", "ruleIndex"]}},
                },
            },
        },
    },
}


def run_of(*checks: Checked) -> dict[str, Any]:
    """The run of a SARIF log that holds what its schema asks for."""
    log = sarif(checks, "1.2.3")
    jsonschema.validate(log, SARIF)
    return dict(log["runs"][0])


def test_sarif_has_a_result_for_each_violation() -> None:
    """With the setting's rule, a sentence, and the line of the policy; a warning is one of another level."""
    run = run_of(checked(findings(FEW, LOW, warnings=("mind the gap",))))
    rules = run["tool"]["driver"]["rules"]
    assert [rules[one["ruleIndex"]]["id"] for one in run["results"]] == [one["ruleId"] for one in run["results"]]
    assert [(one["ruleId"], one["level"]) for one in run["results"]] == [
        ("replication-factor", "error"),
        ("min.insync.replicas", "error"),
        ("delivery-policy", "warning"),
    ]
    first = run["results"][0]
    assert first["message"]["text"] == "replication factor of topic orders is 1 (topic), wanted ≥ 3: Report: raise it"
    place = first["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "policies/orders.yaml"}, "region": {"startLine": 7}}
    assert run["invocations"][0]["executionSuccessful"] is True


def test_sarif_has_a_rule_for_every_setting() -> None:
    """Those that are explained, in words; and any other that differs."""
    other = replace(BEHIND, setting="new setting")
    rules = {rule["id"]: rule for rule in run_of(checked(findings(other)))["tool"]["driver"]["rules"]}
    assert {one.name.replace(" ", "-") for one in EXPLAINED} <= rules.keys()
    assert rules["acks"]["fullDescription"]["text"] == EXPLAINED[0].why
    assert rules["new-setting"]["shortDescription"]["text"] == "new setting"


def test_sarif_tells_what_could_not_be_told() -> None:
    """As a run that was not successful: no results must not look like no problems."""
    run = run_of(PARTIAL, UNREACHABLE)
    (invocation,) = run["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"], run["results"]) == (False, 2, [])
    told = [one["message"]["text"] for one in invocation["toolExecutionNotifications"]]
    assert told == [f"shop/orders: {DENIED.message}", f"shop/orders: {AWAY.message}"]


def test_sarif_knows_a_difference_again() -> None:
    """The fingerprint stays while the value or the line changes, and is another for another resource."""

    def print_of(violation: Violation, line: int = 7) -> object:
        return run_of(checked(findings(violation), line=line))["results"][0]["partialFingerprints"]

    assert print_of(LOW) == print_of(replace(LOW, found="0", reason="else"), 99)
    assert print_of(LOW) != print_of(LOWER)


URIS = {
    "a relative file": ("a b/c:d.yaml", "a%20b/c%3Ad.yaml"),
    "an absolute file": ("/etc/a b.yaml", "file:///etc/a%20b.yaml"),
    "standard input": ("standard input", "standard%20input"),
}


@pytest.mark.parametrize(("file", "uri"), URIS.values(), ids=URIS)
def test_sarif_names_files_as_references(file: str, uri: str) -> None:
    """No letter of a file's name is taken for a part of a URI."""
    location = run_of(checked(findings(LOW), file=file))["results"][0]["locations"][0]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == uri


def suites(*checks: Checked) -> ElementTree.Element:
    return ElementTree.fromstring(junit(checks))


def counts(element: ElementTree.Element) -> dict[str, int]:
    return {name: int(element.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}


def ends(suite: ElementTree.Element) -> dict[str, str]:
    """How each case of a suite ended."""
    return {case.attrib["name"]: next((end.tag for end in case), "passed") for case in suite.iter("testcase")}


ENDS = {
    "as asked for": (FINE, {"replication factor": "passed", "min.insync.replicas": "passed", "not verified": "skipped"}),
    "differences": (DIFFERENT, {"replication factor": "failure", "min.insync.replicas": "failure", "not verified": "skipped"}),
    "a part is denied": (PARTIAL, {"replication factor": "error", "min.insync.replicas": "error", "not verified": "skipped"}),
    "nobody answers": (UNREACHABLE, {"replication factor": "error", "min.insync.replicas": "error"}),
    "no topic matches": (EMPTY, {"replication factor": "error", "min.insync.replicas": "error", "not verified": "skipped"}),
    "both": (
        checked(findings(LOW, gaps=(DENIED,))),
        {"replication factor": "error", "min.insync.replicas": "failure", "not verified": "skipped"},
    ),
    "what nobody asked for": (
        checked(findings(BEHIND, unproven=()), replace(WISHES, acks=None)),
        {"replication factor": "passed", "min.insync.replicas": "passed", "in-sync replicas": "failure"},
    ),
    "no setting is named": (
        checked(AWAY, replace(WISHES, factor=None, requirements=(), acks=None)),
        {"delivery settings": "error"},
    ),
}


@pytest.mark.parametrize(("check", "expected"), ENDS.values(), ids=ENDS)
def test_junit_has_a_case_for_each_setting(check: Checked, expected: dict[str, str]) -> None:
    """What differs fails, what could not be told is an error, and the numbers are those of the cases."""
    root = suites(check)
    (suite,) = root
    assert ends(suite) == expected
    found = list(expected.values())
    assert (
        counts(suite)
        == counts(root)
        == {
            "tests": len(found),
            "failures": found.count("failure"),
            "errors": found.count("error"),
            "skipped": found.count("skipped"),
        }
    )


def test_junit_lists_the_resources_of_a_failure() -> None:
    """All in one case, however many topics there are; the suites' numbers are added up."""
    root = suites(DIFFERENT, checked(findings(LOW, warnings=("mind the gap",)), OTHER))
    assert [suite.attrib["name"] for suite in root] == ["shop/orders", "shop/payments"]
    assert counts(root) == {"tests": 6, "failures": 3, "errors": 0, "skipped": 2}
    failure = next(case for case in root.iter("testcase") if case.attrib["name"] == "min.insync.replicas")[0]
    assert failure.attrib["message"].endswith("(and 1 more)")
    assert [line.split(" is ")[0] for line in (failure.text or "").splitlines()] == [
        "min.insync.replicas of topic orders",
        "min.insync.replicas of topic orders-eu",
    ]
    assert root[1].findtext("system-out") == "warning: mind the gap"


BAD = Violation(f"topic {HOSTILE}", f"x{HOSTILE}", HOSTILE, HOSTILE, HOSTILE, LOW.action, HOSTILE)
EVIL = checked(
    findings(BAD, gaps=(Gap(DENIED.reason, HOSTILE),), warnings=(HOSTILE,)),
    replace(WISHES, name=f"shop/{HOSTILE}", names=(HOSTILE,), exclude=(HOSTILE,), acks=HOSTILE),
    file=f"{HOSTILE}.yaml",
    broker=f"shop/{HOSTILE}",
)
FORMATS = {
    "table": lambda: table(EVIL, width=400),
    "narrow table": lambda: table(EVIL, width=80),
    "json": lambda: json.dumps(as_json([EVIL])),
    "sarif": lambda: json.dumps(sarif([EVIL], "1")),
    "junit": lambda: junit([EVIL]),
}


@pytest.mark.parametrize("written", FORMATS.values(), ids=FORMATS)
def test_what_others_wrote_cannot_move_a_cursor(written: Any) -> None:
    """Control characters, marks of direction and lone surrogates are escaped in every format, and it still can be read."""
    text = written()
    assert text.replace("\n", "").isprintable()
    text.encode()
    assert "evil" in text


def test_what_others_wrote_is_shown_as_it_is() -> None:
    """Rich's markup and emoji in names are text like any other."""
    said = table(checked(findings(replace(LOW, found="[bold]:warning:[/bold]"))))
    assert "[bold]:warning:[/bold]" in said
    assert ESCAPED in table(EVIL, width=400)


def test_hostile_names_survive_machines() -> None:
    """Each format is still what it says it is."""
    assert as_json([EVIL])["policies"][0]["violations"][0]["found"] == HOSTILE
    assert json.loads(json.dumps(as_json([EVIL]))) == as_json([EVIL])
    assert run_of(EVIL)["results"][0]["message"]["text"].count(ESCAPED)
    assert suites(EVIL)[0].attrib["name"] == f"shop/{ESCAPED}"
