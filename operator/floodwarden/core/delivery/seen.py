"""What a look beyond topics' settings brings to an audit: at copies being made, unread messages, producers, workloads.

Each has a module here that decides, and one in ``sweep.looks`` that asks and acts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from floodwarden.core.assess import Gap
from floodwarden.core.conditions import Notice
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.producers import Writers
from floodwarden.core.delivery.violations import Violation


@dataclass(frozen=True, slots=True)
class Seen:
    """For one policy. ``unproven`` are sentences on what cannot be told from the brokers.

    ``notices`` are posted as they are: whoever makes them sees to it that each is made once. ``unread`` are resources of which
    some is not known, as in ``Findings``. A violation with the key of one that the audit found takes its place, and so does a
    sentence that begins with the same words, up to the colon. ``explained`` are keys of what the audit found and is none after
    all, such as copies that lag because they are still being made.
    """

    violations: tuple[Violation, ...] = ()
    gaps: tuple[Gap, ...] = ()
    unproven: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    unread: frozenset[str] = frozenset()
    explained: frozenset[tuple[str, str]] = frozenset()
    writers: tuple[Writers, ...] = ()


def with_seen(findings: Findings, looks: Iterable[Seen]) -> Findings:
    """The findings with what the looks brought; notices are left to the caller."""
    for seen in looks:
        better = {violation.key for violation in seen.violations} | seen.explained
        said = {_subject(sentence) for sentence in seen.unproven}
        findings = replace(
            findings,
            violations=(*(one for one in findings.violations if one.key not in better), *seen.violations),
            gaps=tuple(dict.fromkeys((*findings.gaps, *seen.gaps))),
            unproven=(*(one for one in findings.unproven if _subject(one) not in said), *seen.unproven),
            unread=findings.unread | seen.unread,
            writers=(*findings.writers, *seen.writers),
        )
    return findings


def _subject(sentence: str) -> str:
    return sentence.partition(":")[0]
