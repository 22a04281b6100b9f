"""Which MessageBrokers this replica sweeps, and until when it may write: Leases, so that no two replicas ever act at once.

Three sorts of Leases (``cluster.leases``), all of one release:

- one for each replica, renewed every RENEW_EVERY seconds: it says that the process lives, and for how long it may write;
- one for each MessageBroker: it says which replica sweeps it. It is not renewed, but holds as long as its holder lives,
  so that a thousand brokers cost no more writes than one;
- one for the leader, of the same kind: whoever holds it looks after what belongs to no broker.

A tenure ends by our own clock before others may take over by theirs: it counts from the start of our write, theirs from
when they saw it. ``remaining`` is the fence that every write passes (``cluster.rest``). Loops go on reading while it is
shut; what was ours is written anew before it opens again, or is ended where another replica has taken it meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from uuid import uuid4

import structlog

from floodwarden.cluster.leases import Lease, LeaseClient, LeaseProblem, LeaseProblemReason
from floodwarden.core.sharing import moves
from floodwarden.sweep import clock
from floodwarden.sweep.store import Key, Store

HOLDS = 15  # seconds for which others trust a replica after its last renewal
MARGIN = 1.0  # seconds by which a tenure ends earlier, for clocks that do not run alike
RENEW_EVERY = 11.0  # seconds; leaves three for other tries
RETRY_AFTER = 0.5  # seconds until a renewal that failed is tried again
LOOK_EVERY = 1.0  # seconds between two looks at the Leases
BLIND_AFTER = 5.0  # seconds without a look after which it is not known who has lived meanwhile
SETTLED_AFTER = 30.0  # seconds a replica must live before others give it what they hold
FORGET_AFTER = 600.0  # seconds after which the Lease of a dead replica is deleted
CLOSE_WITHIN = 5.0  # seconds

REPLICA, LEADER, BROKER = "replica", "leader", "MessageBroker"

End = Callable[[Key | None], Awaitable[None]]
"""Ends what is done for a MessageBroker (None: for what belongs to none), and returns once it has ended."""

_log = structlog.get_logger(__name__)


class Superseded(Exception):
    """Another process runs under the name of this one's pod; this one must end."""


class Shares:
    """The shares of one process. ``keep`` and ``follow`` run until cancelled; ``close`` then leaves them to the others."""

    def __init__(
        self,
        client: LeaseClient,
        store: Store,
        refresh: Callable[[], Awaitable[bool]],
        *,
        release: str,
        pod: str,
    ) -> None:
        """``refresh`` brings the newest status of all objects into the store before shares begin; False if it could not."""
        self._client = client
        self._store = store
        self._refresh = refresh
        self._release = release
        self._name = _lease_name(release, REPLICA, pod)
        self.me = f"{pod}_{uuid4().hex[:8]}"  # another one after every start: a process never trusts what another one held
        self._own: Lease | None = None
        self._was_ours = False
        self._until = float("-inf")
        self._claimed_at: float | None = None  # start of a renewal after a lapse, until what we held is ours again
        self._held: set[str] = set()
        self._listed: Mapping[str, Lease] = {}
        self._alive: set[str] = set()
        self._looked_at = float("-inf")
        self._sighted: dict[str, tuple[Lease, float]] = {}  # by name of a replica's Lease: its newest state, and since when
        self._present: set[str] = set()  # the names of the Leases that are there
        self._met: dict[str, float] = {}  # when each living replica was first seen
        self._new = asyncio.Event()
        self._began = clock.now()
        self._problem = "the Leases have not been read yet"

    def remaining(self) -> float:
        """Seconds for which this process may still write; 0 where it may not."""
        return max(0.0, self._until - clock.now())

    def holds(self, broker: Key) -> bool:
        """Whether this replica sweeps a MessageBroker."""
        return _about(broker) in self._held

    @property
    def leading(self) -> bool:
        """Whether this replica looks after what belongs to no MessageBroker."""
        return LEADER in self._held

    @property
    def count(self) -> int:
        """How many MessageBrokers this replica sweeps."""
        return len(self._held - {LEADER})

    @property
    def problems(self) -> list[str]:
        """Why this replica could not act for so long that somebody should know; empty while it can."""
        now = clock.now()
        never, lapsed = self._until == float("-inf"), now - max(self._until, self._began)
        if never or lapsed > 2 * HOLDS:
            return [f"no Lease is held: {self._problem}"]
        blind = now - max(self._looked_at, self._began)
        return [f"the Leases have not been read for {blind:.0f} s: {self._problem}"] if blind > 2 * HOLDS else []

    async def close(self) -> None:
        """Leave: what we held is free for the others at once. To be called when all that writes has ended."""
        self._until = float("-inf")
        if self._own is not None and self._was_ours:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_WITHIN):
                    # Not deleted: a Lease that is only missing says nothing about its holder. The leader deletes it.
                    await self._client.write(Lease(self._name, REPLICA, "", HOLDS), self._own)

    async def keep(self) -> None:
        """Renew the tenure until cancelled; Superseded where another process has our name.

        It begins once the store is complete, because others count on whoever has a tenure. From then on it waits for nothing
        else: whatever hangs in ``follow``, which runs beside it, costs no tenure.
        """
        await self._store.complete.wait()
        while True:
            renewed = await self._renew()
            await asyncio.sleep(RENEW_EVERY if renewed else RETRY_AFTER)

    async def _renew(self) -> bool:
        """Write our own Lease. An answer that comes after the tenure has run out opens nothing: see ``_reclaim``."""
        started = clock.now()
        written = await self._client.write(Lease(self._name, REPLICA, self.me, HOLDS), self._own)
        if isinstance(written, LeaseProblem):
            self._problem = written.message
            if written.reason is LeaseProblemReason.CONFLICT:
                await self._read_own()
            return False
        self._own, self._was_ours = written, True
        if self.remaining() == 0:
            self._claimed_at = started
        elif clock.now() - self._looked_at <= HOLDS:  # whoever does not see what others took stops as well
            self._until = started + HOLDS - MARGIN
        return True

    async def _read_own(self) -> None:
        """Have the newest state of our Lease to write the next one over: of a predecessor, or touched by hand."""
        found = await self._client.read(self._name)
        if isinstance(found, LeaseProblem):
            self._problem = found.message
            return
        self._check_name(found)
        self._own = found

    def _check_name(self, own: Lease | None) -> None:
        if self._was_ours and own is not None and own.holder != self.me:
            self._until = float("-inf")
            raise Superseded(f"another process runs under this one's name: Lease {self._name} is held by {own.holder}")

    async def follow(self, end: End) -> None:
        """Take what is free and give what is too much, until cancelled."""
        while True:
            claimed_at, was_ours = self._claimed_at, self._was_ours  # before the look: it is to be newer than these
            asked = clock.now()
            listed = await self._client.list()
            if isinstance(listed, LeaseProblem):
                self._problem = listed.message
            else:
                if was_ours:
                    self._check_name(next((lease for lease in listed if lease.name == self._name), None))
                self._look(listed, asked)
                await self._drop_lost(end)
                if claimed_at is not None:
                    await self._reclaim(claimed_at)
                if self.remaining() > 0 and self._store.complete.is_set():
                    await self._follow_moves(end)
                    await self._tidy(end)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._new.wait()
            self._new.clear()

    def notice(self) -> None:
        """Look at once if there is a MessageBroker that nobody has had yet."""
        if any(_about(key) not in self._listed for key in self._store.brokers):
            self._new.set()

    def _look(self, listed: Collection[Lease], asked: float) -> None:
        """Take in the Leases: who has what, and who lives. The answer is as old as the moment when it was ``asked`` for."""
        now = clock.now()
        if now - self._looked_at > BLIND_AFTER:
            self._sighted = {name: (lease, now) for name, (lease, _) in self._sighted.items()}
        self._looked_at = now
        self._listed = {lease.about: lease for lease in listed if lease.about != REPLICA}
        present = {lease.name for lease in listed}
        # A Lease that is missing was deleted by hand: its holder may write until it would have run out.
        sighted = {name: seen for name, seen in self._sighted.items() if name in present or asked - seen[1] <= HOLDS}
        for lease in listed:
            if lease.about == REPLICA and (lease.name not in sighted or sighted[lease.name][0].version != lease.version):
                sighted[lease.name] = lease, now
        self._sighted, self._present = sighted, present
        self._alive = {self.me} | {
            lease.holder
            for name, (lease, since) in sighted.items()
            if lease.holder and name != self._name and asked - since <= (lease.seconds or HOLDS)
        }
        self._met = {member: self._met.get(member, now) for member in self._alive}

    async def _drop_lost(self, end: End) -> None:
        """End what another replica has, or nobody any more because somebody deleted the Lease."""
        gone = {about for about in self._held if about not in self._listed or self._listed[about].holder != self.me}
        for about in sorted(gone):
            _log.warning("share lost", share=about, holder=self._listed[about].holder if about in self._listed else None)
            self._held.discard(about)
            await end(_broker(about))

    async def _reclaim(self, claimed_at: float) -> None:
        """After a lapse: write anew what nobody has taken, so that whoever is about to take it comes too late; then open."""
        results = await asyncio.gather(*(self._write(self._listed[about], self.me) for about in sorted(self._held)))
        problems = [result for result in results if isinstance(result, LeaseProblem)]
        if problems:
            self._problem = problems[0].message
            return  # what is lost shows at the next look
        if self._claimed_at == claimed_at:
            self._until, self._claimed_at = claimed_at + HOLDS - MARGIN, None
            _log.info("tenure begins", replica=self.me, held=len(self._held))

    async def _follow_moves(self, end: End) -> None:
        wanted = {LEADER, *(_about(key) for key in self._store.brokers)}
        holders = {about: self._living_holder(about) for about in wanted}
        now = clock.now()
        settled = [member for member in self._alive if now - self._met[member] >= SETTLED_AFTER]
        plan = moves(self.me, holders, self._alive, settled=settled, kept={LEADER})
        named = {about for about in wanted - self._held if holders[about] == self.me}
        # What names us is written anew as well: an answer that never came may belong to a write that is still under way.
        taking = sorted({*plan.take, *named})
        taken = await asyncio.gather(*(self._take(about) for about in taking))
        gained = {about for about, ours in zip(taking, taken, strict=True) if ours}
        if gained and await self._refresh() and self.remaining() > 0:
            self._held |= gained
            self._store.changed.set()
            _log.info("shares taken", replica=self.me, shares=sorted(gained))
        if plan.give is not None and plan.give[0] in self._held:
            await self._give(*plan.give, end)

    def _living_holder(self, about: str) -> str | None:
        lease = self._listed.get(about)
        return lease.holder if lease is not None and lease.holder in self._alive else None

    async def _take(self, about: str) -> bool:
        """Whether a share is ours now."""
        before = self._listed.get(about)
        lease = before or Lease(_lease_name(self._release, *about.split(" ", 1)), about, "")
        written = await self._client.write(_held_by(lease, self.me), before)
        if isinstance(written, LeaseProblem):
            self._problem = written.message
            return False
        self._listed = {**self._listed, about: written}
        return True

    async def _give(self, about: str, heir: str, end: End) -> None:
        """End first, then name the heir: there is never a moment with two."""
        self._held.discard(about)
        await end(_broker(about))
        if isinstance(await self._write(self._listed[about], heir), Lease):
            _log.info("share given", share=about, to=heir)

    async def _write(self, lease: Lease, holder: str) -> Lease | LeaseProblem:
        written = await self._client.write(_held_by(lease, holder), lease)
        if isinstance(written, Lease):
            self._listed = {**self._listed, lease.about: written}
        return written

    async def _tidy(self, end: End) -> None:
        """Delete the Leases of MessageBrokers that are gone and, as leader, those of replicas long dead."""
        for about, lease in list(self._listed.items()):
            key = _broker(about)
            if key is None or key in self._store.brokers:
                continue
            if lease.holder == self.me or (self.leading and lease.holder not in self._alive):
                self._held.discard(about)
                await end(key)
                await self._client.delete(lease)
        if self.leading:
            now = clock.now()
            for name, (lease, since) in list(self._sighted.items()):
                over = not lease.holder or now - since > FORGET_AFTER
                if over and name in self._present and name != self._name:
                    await self._client.delete(lease)


def _about(broker: Key) -> str:
    return f"{BROKER} {broker}"


def _broker(about: str) -> Key | None:
    kind, _, name = about.partition(" ")
    namespace, _, name = name.partition("/")
    return Key(namespace, name) if kind == BROKER else None


def _held_by(lease: Lease, holder: str) -> Lease:
    return Lease(lease.name, lease.about, holder, lease.seconds)


def _lease_name(release: str, *parts: str) -> str:
    """Readable, of bounded length, and another one for another thing."""
    readable = re.sub(r"[^a-z0-9-]+", "-", "-".join(parts).lower())[:120].strip("-")
    return f"{release}-{readable}-{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:8]}"
