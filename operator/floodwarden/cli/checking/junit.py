"""A check as JUnit's XML, for pipelines: a suite for each policy, a case for each setting. Pure.

A case fails with all resources that differ. Where a part could not be told, cases without a difference are errors: nobody knows.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from typing import Final

from floodwarden.cli.checking.report import NOT_VERIFIED, Checked, sentence, shown

ALL: Final = "delivery settings"  # the case of a policy that names no setting, such as flush mode Async alone


def junit(checks: Sequence[Checked]) -> str:
    """The whole document."""
    root = ElementTree.Element("testsuites", name="floodwarden check")
    total: Counter[str] = Counter()
    for check in checks:
        suite = ElementTree.SubElement(root, "testsuite", name=shown(check.name), file=shown(check.file))
        counts = _cases(suite, check)
        _write(suite, counts)
        _say(suite, check)
        total += counts
    _write(root, total)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="us-ascii", xml_declaration=True)).decode()


def _cases(suite: ElementTree.Element, check: Checked) -> Counter[str]:
    counts: Counter[str] = Counter()
    gaps = [f"{gap.reason}: {shown(gap.message)}" for gap in check.gaps]
    for setting in check.settings or (ALL,):
        case = _case(suite, check, setting)
        counts["tests"] += 1
        different = [sentence(one) for one in check.violations if one.setting == setting]
        if different:
            counts["failures"] += 1
            _end(case, "failure", "NotCompliant", different)
        elif gaps:
            counts["errors"] += 1
            _end(case, "error", check.gaps[0].reason.value, gaps)
    if check.not_verified:
        counts["tests"] += 1
        counts["skipped"] += 1
        _end(_case(suite, check, NOT_VERIFIED), "skipped", "NotVerified", [shown(text) for text in check.not_verified])
    return counts


def _case(suite: ElementTree.Element, check: Checked, setting: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=shown(check.name), name=shown(setting))


def _end(case: ElementTree.Element, how: str, type_: str, lines: Sequence[str]) -> None:
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    ElementTree.SubElement(case, how, type=type_, message=f"{lines[0]}{more}").text = "\n".join(lines)


def _say(suite: ElementTree.Element, check: Checked) -> None:
    """What belongs to no setting."""
    lines = [f"warning: {shown(text)}" for text in check.warnings]
    lines += [f"could not tell: {shown(gap.message)}" for gap in check.gaps]
    if lines:
        ElementTree.SubElement(suite, "system-out").text = "\n".join(lines)


def _write(element: ElementTree.Element, counts: Counter[str]) -> None:
    for name in ("tests", "failures", "errors", "skipped"):
        element.set(name, str(counts[name]))
