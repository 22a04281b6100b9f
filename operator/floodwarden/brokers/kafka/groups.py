"""Consumer groups: what they have committed, their state and members; one request per coordinator for all of its groups.

``adapter`` asks; ``nodes`` carries. Coordinators are remembered until one turns out to be wrong, and then tried once more.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Final, TypeVar

from floodwarden.brokers.kafka import protocol
from floodwarden.brokers.kafka.errors import GROUP_ID_NOT_FOUND, STALE_COORDINATOR, RequestError, from_code
from floodwarden.brokers.kafka.nodes import Nodes
from floodwarden.core.observation import Group, GroupPhase, Member, Partition, Unknown, UnknownReason

Commits = Mapping[Partition, int | Unknown]
T = TypeVar("T")
# What one coordinator answers about its groups: an error code, or 0 and the answer.
Answers = Mapping[str, tuple[int, T | None]]

PHASES: Final = {
    "Stable": GroupPhase.STABLE,
    "PreparingRebalance": GroupPhase.REBALANCING,
    "CompletingRebalance": GroupPhase.REBALANCING,
    "Assigning": GroupPhase.REBALANCING,
    "Reconciling": GroupPhase.REBALANCING,
    "Empty": GroupPhase.EMPTY,
    "Dead": GroupPhase.DEAD,
}


class Groups:
    """Reads groups from their coordinators."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._coordinators: dict[str, int] = {}
        self._modern: set[str] = set()
        self._requests: dict[int, tuple[list[str], protocol.Request]] = {}  # by node, with the groups it asks for
        self._known: dict[str, tuple[protocol.Response, tuple[int, Commits | None]]] = {}  # what each group's last answer said

    def keep(self, groups: Collection[str]) -> None:
        """Forget all groups but these."""
        self._coordinators = {group: node for group, node in self._coordinators.items() if group in groups}
        self._modern &= set(groups)
        self._known = {group: known for group, known in self._known.items() if group in groups}

    async def commits(self, groups: Collection[str]) -> dict[str, Commits | Unknown]:
        """What each group has committed, by partition; empty for a group that never committed or does not exist."""
        return await self._ask_coordinators(groups, self._fetch)

    async def describe(self, groups: Collection[str]) -> dict[str, Group | Unknown]:
        """Each group's phase and members, whichever protocol it speaks."""
        return await self._ask_coordinators(groups, self._describe)

    async def _ask_coordinators(
        self, groups: Collection[str], ask: Callable[[int, list[str]], Awaitable[Answers[T]]]
    ) -> dict[str, T | Unknown]:
        results: dict[str, T | Unknown] = {}
        pending = list(groups)
        for _attempt in range(2):
            results.update(await self._locate(pending))
            by_node: dict[int, list[str]] = defaultdict(list)
            for group in pending:
                if group in self._coordinators:
                    by_node[self._coordinators[group]].append(group)
            moved: list[str] = []
            answers = await asyncio.gather(*(_caught(ask, node, names) for node, names in by_node.items()))
            for (node, names), answer in zip(by_node.items(), answers, strict=True):
                if isinstance(answer, Unknown):
                    results.update(dict.fromkeys(names, answer))
                    moved += names
                    continue
                for group in names:
                    code, value = answer.get(group, (-1, None))
                    if code in STALE_COORDINATOR:
                        moved.append(group)
                    what = f"group {group} on node {self._nodes.label(node)}"
                    results[group] = from_code(code, what) if value is None else value
            for group in moved:
                self._coordinators.pop(group, None)
            pending = moved
            if not pending:
                break
        return results

    async def _locate(self, groups: Iterable[str]) -> dict[str, Unknown]:
        """Find the coordinators not known yet, with one request; what could not be found, and why."""
        unknown = [group for group in groups if group not in self._coordinators]
        if not unknown:
            return {}
        answer = await self._nodes.send_any(protocol.find_coordinators(unknown))
        failures: dict[str, Unknown] = {}
        for found in answer.coordinators:
            if found.error_code:
                failures[found.key] = from_code(found.error_code, f"the coordinator of group {found.key}")
            else:
                self._coordinators[found.key] = found.node_id
        return failures

    async def _fetch(self, node: int, groups: list[str]) -> Answers[Commits]:
        asked = self._requests.get(node)
        if asked is None or asked[0] != groups:
            asked = self._requests[node] = groups, protocol.offset_fetch(groups)
        answer = await self._nodes.send(node, asked[1])
        return {group.group_id: self._commits(group) for group in answer.groups}

    def _commits(self, group: protocol.Response) -> tuple[int, Commits | None]:
        """What a group has committed: the same object as long as the answer is."""
        known = self._known.get(group.group_id)
        if known is None or known[0] is not group:
            known = self._known[group.group_id] = group, _commits(group)
        return known[1]

    async def _describe(self, node: int, groups: list[str]) -> Answers[Group]:
        """Ask in the protocol each group spoke last, and the groups not found so in the other one."""
        modern = [group for group in groups if group in self._modern]
        classic = [group for group in groups if group not in self._modern]
        first = await asyncio.gather(self._describe_classic(node, classic), self._describe_modern(node, modern))
        lost = [{group for group, (code, _) in answers.items() if code == GROUP_ID_NOT_FOUND} for answers in first]
        second = await asyncio.gather(self._describe_classic(node, sorted(lost[1])), self._describe_modern(node, sorted(lost[0])))
        found: dict[str, tuple[int, Group | None]] = {}
        for answers in (*first, *second):
            found.update(answers)
        self._modern -= lost[1]
        self._modern |= {group for group, (code, _) in second[1].items() if code == 0}
        dead = (0, Group(GroupPhase.DEAD))
        return {group: dead if answer[0] == GROUP_ID_NOT_FOUND else answer for group, answer in found.items()}

    async def _describe_classic(self, node: int, groups: list[str]) -> Answers[Group]:
        if not groups:
            return {}
        answer = await self._nodes.send(node, protocol.describe_classic_groups(groups))
        found: dict[str, tuple[int, Group | None]] = {}
        for group in answer.groups:
            # Older brokers call dead what newer ones do not find, groups of the new protocol among them.
            code = GROUP_ID_NOT_FOUND if group.group_state == "Dead" and not group.error_code else group.error_code
            found[group.group_id] = _group(group, code, _classic_partitions)
        return found

    async def _describe_modern(self, node: int, groups: list[str]) -> Answers[Group]:
        if not groups:
            return {}
        try:
            answer = await self._nodes.send(node, protocol.describe_consumer_groups(groups))
        except RequestError as error:
            if error.unknown.reason is not UnknownReason.UNSUPPORTED:
                raise
            return dict.fromkeys(groups, (GROUP_ID_NOT_FOUND, None))
        found: dict[str, tuple[int, Group | None]] = {}
        for group in answer.groups:
            # Brokers that know the request, but have the new protocol switched off, have no such groups either.
            code = GROUP_ID_NOT_FOUND if group.error_code == protocol.UNSUPPORTED_VERSION else group.error_code
            found[group.group_id] = _group(group, code, _modern_partitions)
        return found


async def _caught(ask: Callable[[int, list[str]], Awaitable[Answers[T]]], node: int, groups: list[str]) -> Answers[T] | Unknown:
    try:
        return await ask(node, groups)
    except RequestError as error:
        return error.unknown


def _commits(group: protocol.Response) -> tuple[int, Commits | None]:
    if group.error_code == GROUP_ID_NOT_FOUND:
        return 0, {}
    if group.error_code:
        return group.error_code, None
    commits: dict[Partition, int | Unknown] = {}
    for topic in group.topics:
        name = topic.name
        for entry in topic.partitions:
            partition = Partition(name, entry.partition_index)
            if entry.error_code:
                commits[partition] = from_code(entry.error_code, f"what group {group.group_id} committed for {partition}")
            elif entry.committed_offset != protocol.NEVER_COMMITTED:
                commits[partition] = entry.committed_offset
    return 0, commits


def _group(
    group: protocol.Response, code: int, partitions: Callable[[protocol.Response], Iterable[tuple[str, Iterable[int]]]]
) -> tuple[int, Group | None]:
    phase = PHASES.get(group.group_state)
    if code or phase is None:
        return code or -1, None
    return 0, Group(phase, tuple(_member(member, partitions(member)) for member in group.members))


def _member(member: protocol.Response, assigned: Iterable[tuple[str, Iterable[int]]]) -> Member:
    owned = frozenset(Partition(topic, index) for topic, indexes in assigned for index in indexes)
    # Brokers write the host as Java prints an address: /10.0.0.7
    return Member(member.member_id, member.client_id, member.client_host.lstrip("/"), owned)


def _classic_partitions(member: protocol.Response) -> list[tuple[str, list[int]]]:
    return protocol.assigned_partitions(member.member_assignment)


def _modern_partitions(member: protocol.Response) -> list[tuple[str, list[int]]]:
    return [(entry.topic_name, entry.partitions) for entry in member.assignment.topic_partitions]
