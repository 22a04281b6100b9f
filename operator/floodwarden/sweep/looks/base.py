"""What every look is given, and what it is asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from floodwarden.api.deliverypolicy import DeliveryPolicy
from floodwarden.brokers.base import BrokerError, SettingsBroker
from floodwarden.core.assess import Gap
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.owned import KafkaTopic
from floodwarden.core.delivery.seen import Seen
from floodwarden.core.delivery.survey import Survey
from floodwarden.core.delivery.violations import EVERYTHING
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.reasons import Reason

_log = structlog.get_logger(__name__)


def _nobody(name: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Round:
    """One audit, as far as it has come.

    ``policies`` are those in force; there may be none, where only what was done for others is left to be undone. ``survey`` is
    as of before the repairs. ``may_act`` tells, by a policy's name, whether it may still write: to be asked right before a write,
    because a policy may have been edited or deleted meanwhile, or the share lost. Nothing is written where it says no, also
    where ``Wishes.acts``. ``may_undo`` is the same for undoing, which needs no policy. ``at`` is the wall clock in seconds.

    ``paused`` names policies that are not in force because they are paused: what was changed for them stays. ``kafka_topics`` are
    the ``owners`` of topics as objects.
    """

    adapter: SettingsBroker
    survey: Survey
    policies: Sequence[Wishes]
    findings: Mapping[str, Findings]
    at: float
    owners: Mapping[str, str] = field(default_factory=dict)
    kafka_topics: Mapping[str, Sequence[KafkaTopic]] = field(default_factory=dict)
    resources: Mapping[str, DeliveryPolicy] = field(default_factory=dict)
    paused: frozenset[str] = frozenset()
    may_act: Callable[[str], bool] = _nobody
    may_undo: Callable[[], bool] = lambda: False


class Look(Protocol):
    """Kept as long as its audit loop, so that it may remember from one audit to the next; what must survive is in the ledger."""

    def settings(self, policies: Collection[Wishes]) -> Collection[str]:
        """Topics' settings that the survey must have for it."""
        ...

    async def look(self, round: Round) -> Mapping[str, Seen]:
        """What it brings each policy, by its name. BrokerError where nothing could be read; may be cancelled at any await."""
        ...


async def looked(look: Look, round: Round) -> Mapping[str, Seen]:
    """What a look brought; where it could not be made, it is told that all of it is not known."""
    try:
        return await look.look(round)
    except BrokerError as error:
        gap = Gap(Reason(error.reason.value), str(error))
    except Exception as error:  # a bug of one look's must not undo what the others found
        _log.exception("look failed", look=type(look).__name__)
        gap = Gap(Reason.BROKER_ERROR, f"{type(error).__name__} in {type(look).__name__}; the operator's log has more")
    return {one.name: Seen(gaps=(gap,), unread=frozenset({EVERYTHING})) for one in round.policies}
