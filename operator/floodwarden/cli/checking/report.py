"""What a check found, policy by policy, and what it means: compliant, violations, or not known. Pure; the formats show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from floodwarden.core.assess import Gap
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.producers import Writers
from floodwarden.core.delivery.violations import FACTOR, Violation
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.reasons import Reason
from floodwarden.core.text import plain

Outcome = Findings | Gap
"""What was found, or why nothing could be."""

NOT_VERIFIED: Final = "not verified"
TEXT_BYTES: Final = 2000  # of one text from a broker or a manifest


class Result(StrEnum):
    """What is known of a policy. Unknown: not all could be read, and what was read is as asked for."""

    COMPLIANT = "Compliant"
    VIOLATIONS = "Violations"
    UNKNOWN = "Unknown"


EXIT: Final[Mapping[Result, int]] = {Result.COMPLIANT: 0, Result.VIOLATIONS: 1, Result.UNKNOWN: 2}


@dataclass(frozen=True, slots=True)
class Checked:
    """One policy: where it stands (``line`` counts from 1), its MessageBroker, what it asks for and what was found."""

    wishes: Wishes
    file: str
    line: int
    broker: str
    outcome: Outcome

    @property
    def name(self) -> str:
        return self.wishes.name

    @property
    def patterns(self) -> str:
        """Which topics it speaks of."""
        excluded = f" without {', '.join(self.wishes.exclude)}" if self.wishes.exclude else ""
        return f"{', '.join(self.wishes.names)}{excluded}"

    @property
    def findings(self) -> Findings | None:
        return self.outcome if isinstance(self.outcome, Findings) else None

    @property
    def violations(self) -> tuple[Violation, ...]:
        return self.outcome.violations if isinstance(self.outcome, Findings) else ()

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.outcome.warnings if isinstance(self.outcome, Findings) else ()

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What could not be told although it is asked for: then nobody knows whether the policy is fulfilled."""
        if isinstance(self.outcome, Gap):
            return (self.outcome,)
        if not self.outcome.topics:
            why = f"no {self.outcome.kind} matches {self.patterns}: create it, correct spec.match, or let the user see it (ACLs)"
            return (*self.outcome.gaps, Gap(Reason.NO_TOPIC_MATCHES, why))
        return self.outcome.gaps

    @property
    def not_verified(self) -> tuple[str, ...]:
        """What no broker can tell; it counts for nothing."""
        return () if isinstance(self.outcome, Gap) else self.outcome.unproven

    @property
    def writers(self) -> tuple[Writers, ...]:
        """Whose batches are the newest of the partitions looked at; empty where no policy asks for acks."""
        return () if isinstance(self.outcome, Gap) else self.outcome.writers

    @property
    def settings(self) -> tuple[str, ...]:
        """Every setting that is asked for or differs, once."""
        asked = [FACTOR] if self.wishes.factor is not None else []
        asked += [need.setting for need in self.wishes.requirements]
        return tuple(dict.fromkeys([*asked, *(violation.setting for violation in self.violations)]))

    @property
    def result(self) -> Result:
        if self.violations:
            return Result.VIOLATIONS
        return Result.UNKNOWN if self.gaps else Result.COMPLIANT


def overall(checks: Sequence[Checked]) -> Result:
    """The result of all together: a violation is one, whatever else could not be told."""
    found = {check.result for check in checks}
    return next(result for result in (Result.VIOLATIONS, Result.UNKNOWN, Result.COMPLIANT) if result in found)


def verdict(checks: Sequence[Checked]) -> str:
    """The result in one line."""
    return f"{_HEADLINES[overall(checks)]}: {', '.join(_parts(checks))}"


_HEADLINES: Final[Mapping[Result, str]] = {
    Result.COMPLIANT: "compliant",
    Result.VIOLATIONS: "not compliant",
    Result.UNKNOWN: "could not tell",
}


def _parts(checks: Sequence[Checked]) -> Iterator[str]:
    by_result = {result: [check for check in checks if check.result is result] for result in Result}
    different = by_result[Result.VIOLATIONS]
    if different:
        yield f"{_counted(sum(len(check.violations) for check in different), 'violation')} of {_policies(different)}"
    if by_result[Result.UNKNOWN]:
        yield f"{_policies(by_result[Result.UNKNOWN])} not known"
    if by_result[Result.COMPLIANT]:
        yield f"{_policies(by_result[Result.COMPLIANT])} as asked for"


def _policies(checks: Sequence[Checked]) -> str:
    return f"{len(checks)} polic{'y' if len(checks) == 1 else 'ies'}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def shown(text: str) -> str:
    """A text from elsewhere as one printable line."""
    return plain(text, TEXT_BYTES)


def sentence(violation: Violation) -> str:
    """A violation in one line."""
    return shown(
        f"{violation.setting} of {violation.resource} is {violation.found} ({violation.where}), wanted {violation.wanted}: "
        f"{violation.action}: {violation.reason}"
    )
