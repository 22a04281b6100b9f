"""One policy under watch: takes each reading through deciding, acting and telling.

``broker_loop`` calls ``sweep`` once for every sweep. What is kept here may be lost at any moment; what may not is in the
policy's status. Acting is one optimistic write: whoever changed the target meanwhile wins, and we look again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from zlib import crc32

import structlog

from floodwarden.api.backlogpolicy import BacklogPolicy
from floodwarden.api.resource import GROUP, VERSION
from floodwarden.cluster.events import ObjectRef
from floodwarden.cluster.status import Resource as StatusResource
from floodwarden.cluster.status import StatusOutcome
from floodwarden.core.assess import Assessment, Gap, assess
from floodwarden.core.conditions import Condition, Notice, Type, conditions, notices, state, step_notice, told
from floodwarden.core.decide import Decision, applied, decide
from floodwarden.core.diagnosis.follow import follow_cause
from floodwarden.core.follow import started_anew
from floodwarden.core.history import History
from floodwarden.core.memory import Memory
from floodwarden.core.observation import Query, Reading, Unknown
from floodwarden.core.reasons import ADVICE, Reason
from floodwarden.core.target import Owner, Target, TargetProblem, TargetProblemReason
from floodwarden.sweep.binding import conflict, obstacle
from floodwarden.sweep.hindered import gap_of, owners_gap, put_off, refused
from floodwarden.sweep.ours import Ours
from floodwarden.sweep.report import WriteGate, from_api, restore, shows, status_of, would
from floodwarden.sweep.services import Services
from floodwarden.sweep.store import Key, key_of

NEVER = float("-inf")
AT_REST = (Reason.STEADY, Reason.ASLEEP)
LOOK_EVERY = (10.0, 20.0)  # seconds between two looks at a target that nothing is expected of; each policy has its own pace
QUIET_FOR = (2.5, 5.0)  # seconds for which a decision stands while nothing at all moves; each policy has its own pace
RETRY_STEP = 15.0  # seconds until a step that the API server refused is tried again
RETRY_STATUS = 2.0  # seconds until a status that could not be written is tried again
POLICIES = StatusResource(f"{GROUP}/{VERSION}", "backlogpolicies")

_log = structlog.get_logger(__name__)


class PolicyWatch:
    """The running state of one BacklogPolicy."""

    def __init__(self, policy: BacklogPolicy, sweep_interval: float, services: Services) -> None:
        self._services = services
        self.key: Key = key_of(policy)
        self._resource = policy
        self._policy = policy.wishes(sweep_interval)
        self._history = History()
        self._memory = restore(policy)
        self._shown = from_api(policy.status.conditions)
        self._conditions = policy.status.conditions
        self._gate = WriteGate()
        self._ours = Ours()
        self._target: Target | TargetProblem | None = None
        self._looked_at = NEVER
        self._glance: asyncio.Task[Target | TargetProblem] | None = None
        self._writing: asyncio.Task[StatusOutcome] | None = None
        self._patience = self._paced(*LOOK_EVERY)
        self._quiet_for = self._paced(*QUIET_FOR)
        self._attend = True
        self._standing = False  # whether a partition may stand still: then it is asked whether a transaction holds it
        self._refusal: tuple[Gap, float] | None = None  # of the last step, and until when it counts
        self._would = would(policy)  # what DryRun last told
        self._status_not_before = 0.0
        self._built: tuple[tuple[object, ...], dict[str, Any]] | None = None  # what the last status was built from, and it
        self._newer: tuple[BacklogPolicy, float] | None = None  # a changed spec, until the running sweep has ended
        self._quiet: tuple[Reading, Reason, float] | None = None  # a reading with nothing to do, what was decided, and when
        self._sweeping = asyncio.Lock()

    def _paced(self, least: float, most: float) -> float:
        """This policy's own share of a range: a thousand that were begun together would be due in the same sweep for ever."""
        return least + (most - least) * crc32(self.uid.encode()) / 2**32

    def close(self) -> None:
        """Leave nothing running."""
        for task in (self._glance, self._writing):
            if task is not None:
                task.cancel()

    @property
    def uid(self) -> str:
        """Which of the policies that have had this name it watches."""
        return self._resource.metadata.uid

    def query(self) -> Query:
        """What the next sweep should read."""
        self._take_newer()
        return Query(self._policy.subscription, members=self._attend, stable=self._standing)

    def accept(self, policy: BacklogPolicy, sweep_interval: float) -> None:
        """Go on with a changed spec, once the running sweep has ended; the same one, told every round, changes nothing."""
        if self._newer is None and policy is self._resource and sweep_interval == self._policy.sweep_interval:
            return
        self._newer = policy, sweep_interval
        self._take_newer()

    def _take_newer(self) -> None:
        """Another subscription, broker or target is learnt anew; for the rest of a spec what was learnt goes on."""
        if self._newer is None or self._sweeping.locked():
            return
        (policy, sweep_interval), self._newer = self._newer, None
        before, self._resource, self._quiet = self._resource, policy, None
        self._policy = policy.wishes(sweep_interval)
        if before.metadata.generation == policy.metadata.generation and before.metadata.uid == policy.metadata.uid:
            return
        self._refusal = None
        if (before.broker, before.subscription) != (policy.broker, policy.subscription):
            self._history = History()
        if (before.broker, before.subscription, before.target) != (policy.broker, policy.subscription, policy.target):
            self._memory = Memory()
            self._looked_at = NEVER
        else:
            # A new spec is a new start: a block, a window or an undo of the old one does not count against it.
            self._memory = started_anew(self._memory)

    async def sweep(self, query: Query, reading: Reading | Unknown, at: float, caution: Gap | None = None) -> None:
        """One round: record, decide, act, tell. ``at`` is when the reading was taken, ``query`` what it answers, and
        ``caution`` what was amiss with the brokers although they answered.

        An answer to a question that the policy no longer asks, because it was edited or deleted meanwhile, is left alone.
        """
        async with self._sweeping:
            if not self._current or query.subscription != self._policy.subscription:
                return
            if self._quiet is not None and caution is None and self._nothing_new(*self._quiet, reading, at):
                self._history.record(at, self._quiet[0])
                self._services.metrics.decided(self.key, self._quiet[1])
            else:
                await self._sweep(reading, at, caution)

    def _nothing_new(self, last: Reading, _: Reason, decided_at: float, reading: Reading | Unknown, at: float) -> bool:
        """Whether the last decision stands: no message came or was read since, and nobody has just looked at the target.

        Of a thousand policies most are like that at any moment. Edits, rivals and hands on the status are found a little later.
        """
        seen = self._glance is not None and self._glance.done()
        return reading is last and at - decided_at < self._quiet_for and not seen

    @property
    def _current(self) -> bool:
        """Whether the spec that we go by is still the one in the store: not deleted, edited or paused meanwhile."""
        return self._services.store.policies.get(self.key) is self._resource

    @property
    def _exists(self) -> bool:
        """Whether the policy is still there, edited or not."""
        found = self._services.store.policies.get(self.key)
        return found is not None and found.metadata.uid == self.uid

    async def _sweep(self, reading: Reading | Unknown, at: float, caution: Gap | None) -> None:
        if isinstance(reading, Unknown):
            self._history.lost()
        else:
            self._history.record(at, reading)
        seen = assess(reading, self._history, at, caution)
        blocker = obstacle(self._resource, self._services.store)
        await self._look(at, attend=self._attend and blocker is None)
        if self._changed_by_others:
            await self._services.owners.refresh()  # most likely a new autoscaler: name it rather than "somebody"
        if not self._current:
            return
        blocker = blocker or self._target_obstacle(at)
        past = self._memory
        decision, self._memory = decide(self._policy, seen, self._known_target, blocker, past, at)
        decided = self._memory
        if decision.replicas is not None and not self._policy.dry_run:
            decision, blocker = await self._act(decision, seen, at)
        self._attend = decision.attend or decision.replicas is not None
        self._standing = any(load.doubtful for load in seen.loads)
        acted = self._memory is not decided
        still = seen.lag == 0 and blocker is None and caution is None and not self._attend and decision.reason in AT_REST
        self._quiet = (reading, decision.reason, at) if still and isinstance(reading, Reading) else None
        if self._current or (acted and self._exists):
            self._tell(seen, decision, blocker, past, at)
        else:
            self._memory = past  # nothing of this was done or told: it is for the new spec to find

    @property
    def _known_target(self) -> Target | None:
        return self._target if isinstance(self._target, Target) else None

    @property
    def _changed_by_others(self) -> bool:
        target, seen = self._known_target, self._memory.replicas_seen
        return target is not None and seen is not None and target.replicas != seen

    async def _look(self, at: float, *, attend: bool) -> None:
        """Read the target when it is due: in every sweep while something is going on (``attend``), else now and then.

        No sweep waits for a mere glance at what is quiet: of a thousand some are always due. The next one takes in its answer.
        """
        if attend or self._looked_at == NEVER:
            if self._glance is not None:
                self._glance.cancel()
                self._glance = None
            self._target = await self._read(pods=attend)
            self._looked_at = at
        elif self._glance is None:
            if at - self._looked_at >= self._patience:
                self._glance = asyncio.create_task(self._read(pods=False), name=f"glance at {self._resource.target}")
        elif self._glance.done():
            glance, self._glance = self._glance, None
            self._target, self._looked_at = glance.result(), at

    async def _read(self, *, pods: bool) -> Target | TargetProblem:
        async with self._services.calls:
            return await self._services.scale.read(self._resource.target, pods=pods)

    def _target_obstacle(self, at: float) -> Gap | None:
        if isinstance(self._target, TargetProblem):
            return gap_of(self._target)
        owners = self._services.owners
        if self._policy.dry_run:
            return None  # it scales nothing, so it may look on while another controller does
        if owners.problem is not None:
            return owners_gap(owners.problem)
        owner = owners.owner_of(self._resource.target)
        if owner is not None:
            return conflict(self._resource, owner)
        return self._refusal[0] if self._refusal is not None and at < self._refusal[1] else None

    async def _act(self, decision: Decision, seen: Assessment, at: float) -> tuple[Decision, Gap | None]:
        """Change the replicas, if everything is still as it was when that was decided."""
        assert decision.replicas is not None
        decided_on = self._known_target
        assert decided_on is not None
        ref = self._resource.target
        async with self._services.calls:
            owner = await self._services.owners.check(ref)
            if owner is None:
                self._target = await self._services.scale.read(ref)
        if isinstance(owner, Owner):
            await self._services.owners.refresh()
            return refused(decision, conflict(self._resource, owner))
        if owner is not None:
            return refused(decision, owners_gap(owner))
        if isinstance(self._target, TargetProblem):
            return refused(decision, gap_of(self._target))
        assert self._target is not None
        if (self._target.uid, self._target.replicas) != (decided_on.uid, decided_on.replicas):
            return put_off(decision), None
        before, start = self._memory, decided_on.replicas
        self._memory = applied(before, decision, start, seen, at)
        # Until the write has answered, the next look at the target tells whether it was made.
        self._memory = replace(self._memory, replicas_seen=start)
        outcome = await self._write_intent(seen, decision, at)
        if outcome in (StatusOutcome.UNREACHABLE, StatusOutcome.CONFLICT):
            self._memory = before
            return refused(decision, Gap(Reason.API_SERVER_UNREACHABLE, "a step could not be written down, so it was not made"))
        if outcome is StatusOutcome.GONE or not self._current:  # the first to know that the policy was deleted is this write
            self._memory = before
            return put_off(decision), None
        self._looked_at = NEVER  # what was read says nothing any more, also where this is cancelled
        async with self._services.calls:
            written = await self._services.scale.write(ref, self._target, decision.replicas)
        if isinstance(written, TargetProblem):
            if written.reason is not TargetProblemReason.UNREACHABLE:  # without an answer it may have been done
                self._memory = before
            if written.reason is TargetProblemReason.CHANGED:
                return put_off(decision), None
            if written.reason in (TargetProblemReason.REFUSED, TargetProblemReason.FORBIDDEN):
                self._refusal = gap_of(written), at + RETRY_STEP
            return refused(decision, gap_of(written))
        self._target, self._looked_at = written, at
        self._memory = replace(self._memory, replicas_seen=written.replicas)
        _log.info(
            "scaled",
            policy=str(self.key),
            target=str(ref),
            start=start,
            goal=decision.replicas,
            reason=decision.reason.value,
            numbers=decision.message,
        )
        return decision, None

    def _tell(self, seen: Assessment, decision: Decision, blocker: Gap | None, past: Memory, at: float) -> None:
        """Conditions, Events, metrics, and the status when it is worth a write. ``past``: the memory before the decision."""
        before, memory = self._shown, self._memory
        self._shown = conditions(self._policy, seen, decision, blocker, memory, before, at)
        ours = blocker is None and not self._policy.dry_run  # on the target only whoever scales it speaks
        for notice in notices(before, self._shown, seen, decision, past, at):
            self._post(notice if ours else replace(notice, on_target=False))
        self._tell_added(seen)
        self._tell_step(decision)
        self._memory, cause = follow_cause(
            self._policy, seen, self._history, self._known_target, decision, self._shown, told(memory, self._shown, seen), at
        )
        if cause is not None:
            self._post(cause)
        self._services.metrics.policy(self.key, state(self._shown), seen, decision, self._memory, self._known_target)
        self._write(seen, decision, at)

    def _tell_added(self, seen: Assessment) -> None:
        if self._history.added and seen.lag is not None:
            text = f"{self._history.added} partitions more, {seen.partitions} now. {ADVICE[Reason.PARTITIONS_ADDED]}"
            self._post(Notice(False, Reason.PARTITIONS_ADDED, text))

    def _tell_step(self, decision: Decision) -> None:
        """The step that was made. In DryRun none is, so it is decided again and again: told when its goal clearly changes."""
        dry_run = self._policy.dry_run
        alike = dry_run and self._would and decision.replicas and 0.5 < decision.replicas / self._would < 2
        if decision.replicas is not None and not alike:
            self._would = decision.replicas if dry_run else None
            self._post(step_notice(self._policy, decision))
            if not dry_run:
                self._services.metrics.step(self.key, decision)
        elif decision.replicas is None and decision.reason is Reason.STEADY:
            self._would = None

    def _post(self, notice: Notice) -> None:
        meta = self._resource.metadata
        about = [ObjectRef(f"{GROUP}/{VERSION}", "BacklogPolicy", meta.namespace, meta.name, meta.uid)]
        target = self._known_target
        if notice.on_target and target is not None:
            about.append(ObjectRef.of(self._resource.target, target))
        self._services.tell(notice, *about)

    async def _write_intent(self, seen: Assessment, decision: Decision, at: float) -> StatusOutcome:
        """Write a step down before it is made, so that whoever comes after us knows it for ours."""
        self._built = None
        if self._writing is not None:
            await asyncio.wait([self._writing])  # an older status must not come after it
        shown = conditions(self._policy, seen, decision, None, self._memory, self._shown, at)
        return await self._put(self._status(shown, seen, decision), at)

    def _write(self, seen: Assessment, decision: Decision, at: float) -> None:
        """Have the status written when it is worth it.

        No sweep waits for that: of a thousand some are always due. One write is under way at a time; what is newer by then is
        due with a later sweep.
        """
        now = shows(self._resource, self._shown, seen, decision, self._memory, self._known_target)
        if self._built is None or self._built[0] != now:
            self._built = now, self._status(self._shown, seen, decision)
        body = self._built[1]
        edited = self._ours.edited(self._services.store.told(self._resource))
        if self._writing is not None and self._writing.done():
            self._writing.result()  # a bug in it is told like one in a sweep
            self._writing = None
        if self._writing is None and at >= self._status_not_before and self._gate.due(body, self._limit, at, edited=edited):
            self._writing = asyncio.create_task(self._put(body, at), name=f"status of {self.key}")

    def _status(self, shown: Mapping[Type, Condition], seen: Assessment, decision: Decision) -> dict[str, Any]:
        status = status_of(self._resource, shown, seen, decision, self._memory, self._known_target, self._conditions)
        self._conditions = status.conditions
        return status.to_api()

    async def _put(self, body: dict[str, Any], at: float) -> StatusOutcome:
        meta = self._resource.metadata
        result = await self._services.write_status(POLICIES, meta.namespace, meta.name, meta.uid, body)
        if result.outcome in (StatusOutcome.WRITTEN, StatusOutcome.GONE):
            self._gate.written(body, self._limit, at)
            self._ours.wrote(result.version, body)
        else:
            self._status_not_before = at + RETRY_STATUS
            _log.warning("status not written", policy=str(self.key), outcome=result.outcome.name, why=result.message)
        return result.outcome

    @property
    def _limit(self) -> float:
        """The limit that numbers of the lag are measured by: far below it they are alike."""
        return float(self._policy.max_messages or 1000)
