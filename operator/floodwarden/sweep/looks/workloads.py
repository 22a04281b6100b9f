"""The workloads that are labelled with a policy: what differs there, and Deployments corrected one after another.

``clients`` reads them and asks; ``core.delivery.workloads`` judges and ``core.delivery.rollouts`` decides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from floodwarden.api.deliverypolicy import DeliveryPolicy
from floodwarden.cluster.workloads import WorkloadClient, WorkloadProblem
from floodwarden.core.assess import Gap
from floodwarden.core.conditions import Notice
from floodwarden.core.delivery.clients import Wanted
from floodwarden.core.delivery.rollouts import CORRECTED, Correction, Fix, Remark, plan, violation
from floodwarden.core.delivery.seen import Seen
from floodwarden.core.delivery.violations import Action, Violation
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.delivery.workloads import LABEL, ConfigMaps, Place, Workload, differing, places, unseen
from floodwarden.core.reasons import Reason
from floodwarden.sweep.looks.base import Round
from floodwarden.sweep.looks.patience import Deed, Patience

LABEL_AT_MOST = 63  # characters of a label's value

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the API server told for one policy: its workloads, which kinds could not be listed, the ConfigMaps of the namespace,
    and why some of them could not be read."""

    workloads: Sequence[Workload]
    problems: Sequence[WorkloadProblem]
    configs: ConfigMaps
    unreadable: Mapping[str, Gap]


class LabelledWorkloads:
    """Remembers which of its corrections were put back, which failures it has told, and which workloads differed."""

    def __init__(self, client: WorkloadClient) -> None:
        self._client = client
        self._patience = Patience()
        self._failures: dict[tuple[str, str], str] = {}  # by policy and workload, as they were told
        self._resources: dict[str, frozenset[str]] = {}  # by policy

    def forget_but(self, policies: Collection[tuple[str, int]]) -> None:
        """Drop what belongs to other policies than these, or to other generations of them."""
        self._patience.forget_but(policies)
        names = {name for name, _ in policies}
        self._failures = {key: told for key, told in self._failures.items() if key[0] in names}
        self._resources = {name: told for name, told in self._resources.items() if name in names}

    async def look(self, wishes: Wishes, wanted: Sequence[Wanted], round: Round, shown: Shown) -> Seen:
        """What differs in the workloads of one policy, once one of them was corrected where that may be."""
        meta = round.resources[wishes.name].metadata
        if len(meta.name) > LABEL_AT_MOST:
            return Seen(unproven=("no workload can be looked at: the policy's name is too long for a label",))
        if not shown.workloads and not shown.problems:
            asked = ", ".join(one.setting for one in wanted)
            return Seen(unproven=(f"{asked}: no workload in namespace {meta.namespace} has the label {LABEL}: {meta.name}",))
        found = [(workload, places(workload, shown.configs)) for workload in shown.workloads]
        remarks, notices = await self._corrected(wishes, wanted, round, found)
        wrong = [
            violation(workload, one, there, remarks[workload.uid])
            for workload, seen in found
            for one in wanted
            if (there := differing(seen, one))
        ]
        mounted = {name for workload in shown.workloads for name in workload.config_maps}
        doubtful = {str(one) for one in shown.workloads if shown.unreadable.keys() & set(one.config_maps)}
        return Seen(
            violations=tuple(wrong),
            gaps=(
                *(Gap(problem.reason, problem.message) for problem in shown.problems),
                *(gap for name, gap in shown.unreadable.items() if name in mounted),
            ),
            unproven=tuple(text for workload, seen in found for text in unseen(workload, seen, wanted, shown.configs)),
            notices=tuple(notices),
            unread=frozenset({*self._unlisted(wishes.name, wrong, shown.problems), *doubtful}),
        )

    def _unlisted(self, name: str, wrong: Iterable[Violation], problems: Sequence[WorkloadProblem]) -> set[str]:
        """The workloads of kinds that could not be listed, as far as they differed before."""
        before = self._resources.get(name, frozenset())
        kept = {resource for resource in before if resource.partition(" ")[0] in {problem.kind for problem in problems}}
        self._resources[name] = frozenset({*(one.resource for one in wrong), *kept})
        return kept

    async def _corrected(
        self, wishes: Wishes, wanted: Sequence[Wanted], round: Round, found: Sequence[tuple[Workload, Sequence[Place]]]
    ) -> tuple[Mapping[str, Remark], list[Notice]]:
        """What is said of each workload that differs, by its uid, and the Events."""
        policy = round.resources[wishes.name]
        # What was refused may be refused again, and must not hold up the others.
        refused = {workload for name, workload in self._failures if name == wishes.name}
        planned = plan(
            wishes,
            wanted,
            sorted(found, key=lambda one: (str(one[0]) in refused, one[0].name)),
            lambda workload, fix: self._patience.exhausted(_deed(policy, workload, fix)),
        )
        if planned.correction is None:
            return planned.remarks, []
        remark, notices = await self._correct(wishes, policy, planned.correction, round)
        return {**planned.remarks, planned.correction.workload.uid: remark}, notices

    async def _correct(
        self, wishes: Wishes, policy: DeliveryPolicy, correction: Correction, round: Round
    ) -> tuple[Remark, list[Notice]]:
        """What is said of one Deployment, and the Events."""
        workload = correction.workload
        if not round.may_act(wishes.name):
            return (Action.REPAIR, "it is corrected with the next audit"), []
        problem = await self._client.correct(correction)
        about = wishes.name, str(workload)
        if problem is None:
            for fix in correction.fixes:
                self._patience.did(_deed(policy, workload, fix))
            self._failures.pop(about, None)
            _log.info("workload corrected", policy=wishes.name, workload=str(workload))
            return CORRECTED, [Notice(False, Reason.WORKLOAD_PATCHED, correction.told())]
        if problem.reason is not Reason.REPAIR_FAILED:  # the next audit may have more luck
            return (Action.REPAIR, problem.message), []
        news = self._failures.get(about) != problem.message
        self._failures[about] = problem.message
        notices = [Notice(True, Reason.REPAIR_FAILED, f"{workload}: {problem.message}")] if news else []
        return (Action.REPORT, problem.message), notices


def _deed(policy: DeliveryPolicy, workload: Workload, fix: Fix) -> Deed:
    meta = policy.metadata
    return Deed(f"{meta.namespace}/{meta.name}", meta.generation, workload.uid, f"{fix.container} {fix.variable}")
