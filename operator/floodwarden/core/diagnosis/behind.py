"""Who is behind: all replicas of a group, or some of its members, and which. ``diagnose`` puts it into a sentence."""

from __future__ import annotations

from floodwarden.core.assess import Assessment
from floodwarden.core.observation import Member
from floodwarden.core.target import Pod, Target

CARRIES = 0.25  # of the lag of the member with the most from which one is behind too
NAMED = 3


def behind(seen: Assessment, target: Target | None) -> str:
    """Such as ``1 of 4 members is behind (billing-7d9f)``, or ``all 4 members are behind``; by pod where its address tells."""
    members = seen.group.members if seen.group is not None and not seen.competing else ()
    if len(members) < 2:
        return "the consumers are behind" if len(members) != 1 else "the only consumer is behind"
    lags = {load.partition: load.lag for load in seen.loads}
    waiting = [(sum(lags.get(partition, 0) for partition in member.partitions), member) for member in members]
    most = max(lag for lag, _ in waiting)
    late = [member for lag, member in waiting if lag > CARRIES * most]
    if not late or 2 * len(late) > len(members):
        return f"all {len(members)} members are behind"
    names = ", ".join(_name(member, target) for member in late[:NAMED])
    more = f" and {len(late) - NAMED} more" if len(late) > NAMED else ""
    return f"{len(late)} of {len(members)} members {'is' if len(late) == 1 else 'are'} behind ({names}{more})"


def _name(member: Member, target: Target | None) -> str:
    """The pod, where just one has the member's address; else what the broker calls it."""
    host = member.host.lstrip("/")
    pods: tuple[Pod, ...] = target.pods or () if target is not None else ()
    there = [pod.name for pod in pods if pod.ip and (host == pod.ip or host.startswith(f"{pod.ip}:"))]  # some tell the port too
    return there[0] if len(there) == 1 else f"{member.client_id} at {host}"
