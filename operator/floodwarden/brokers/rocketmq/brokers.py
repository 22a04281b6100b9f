"""The brokers of one cluster: the masters, which know all offsets, and their slaves; who is away, and which version they run.

``offsets`` and ``groups`` send through it, by a broker's name. Only masters are asked: a slave's offsets are those of some
seconds ago. What only a slave has is unknown until there is a master again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.rocketmq import bodies, requests
from floodwarden.brokers.rocketmq.bodies import BodyError
from floodwarden.brokers.rocketmq.errors import OK, RequestError
from floodwarden.brokers.rocketmq.frames import Frame
from floodwarden.brokers.rocketmq.links import Links
from floodwarden.brokers.rocketmq.names import Addresses, NameServers
from floodwarden.core.observation import Unknown, UnknownReason

MASTER: Final = 0
REFRESH_SECONDS: Final = 5.0
VERSION_SECONDS: Final = 60.0
# A broker that the name servers have not known for so long has left the cluster.
AWAY_SECONDS: Final = 3600.0
IDENTITY_BYTES: Final = 64
_VERSION: Final = re.compile(r"V(\d+)_(\d+)_(\d+)")


class Brokers:
    """The brokers, as the name servers have them."""

    def __init__(self, names: NameServers, links: Links) -> None:
        self._names = names
        self._links = links
        self._known: Addresses = {}
        self.masters: Mapping[str, str] = {}  # the address of each broker's master, by the broker's name
        self._away: dict[tuple[str, int], tuple[str, float]] = {}  # address, and since when
        self._retiring: set[str] = set()  # names of sets to which nobody is to write any more
        self._read_at: float | None = None
        self._versions: dict[str, tuple[int, ...]] = {}  # by address
        self._versions_read_at: float | None = None

    async def refresh(self) -> None:
        """Know the brokers: asked again every few seconds, and while one is missing. BrokerError where nobody answers.

        What is known stays, where no name server answers but brokers do.
        """
        now = asyncio.get_running_loop().time()
        if self._read_at is not None and now - self._read_at < REFRESH_SECONDS and not self._away and not self._links.troubled:
            return
        found = await self._names.brokers()
        if isinstance(found, Unknown):
            if not self._known:
                raise BrokerError(found.reason, f"no broker could be found: {found.detail}")
            return
        self._read_at = now
        before = {(name, number): address for name, numbers in self._known.items() for number, address in numbers.items()}
        present = {(name, number) for name, numbers in found.items() for number in numbers}
        retired = self._retiring - {name for name, _ in present}
        for who, address in before.items():
            if who not in present:
                self._away[who] = address, now
        self._away = {
            who: gone
            for who, gone in self._away.items()
            if who not in present and who[0] not in retired and now - gone[1] < AWAY_SECONDS
        }
        self._known = found
        self.masters = {name: numbers[MASTER] for name, numbers in sorted(found.items()) if MASTER in numbers}
        addresses = {address for numbers in found.values() for address in numbers.values()}
        self._links.keep(addresses | set(self._names.addresses))
        self._versions = {address: version for address, version in self._versions.items() if address in addresses}

    def retire(self, name: str, *, retiring: bool) -> None:
        """Whether a set takes no messages any more: if so, it has left for good once no name server knows it. They do not tell
        such a one from one that is down."""
        (self._retiring.add if retiring else self._retiring.discard)(name)

    def away(self, name: str) -> bool:
        """Whether the broker was there lately and no name server knows it now: its queues are not gone, but out of reach."""
        return not self._known.get(name) and any(who == name for who, _ in self._away)

    def here(self, name: str, number: int) -> bool:
        """Whether the name servers know this broker now."""
        return number in self._known.get(name, {})

    @property
    def identity(self) -> str:
        """By what two ways to the same brokers are known, as clusters have no id: the name and an address of the first set.

        Who is asked at the same address is the same broker, so where it is the same they do share one; names alone are the same
        in many clusters. Another set changes it only where it comes first, a master that changes does not, and a broker that is
        away is remembered. It is another where clusters overlap and their first sets differ.
        """
        if not self.all:
            return ""
        first = min(name for name, _ in self.all)
        text = f"{first} {min(address for (name, _), address in self.all.items() if name == first)}"
        # As much as a status shows of an id: cut off, two could be the same.
        return text if len(text.encode()) <= IDENTITY_BYTES else sha256(text.encode()).hexdigest()

    @property
    def nodes(self) -> tuple[str, ...]:
        """Every broker known, as ``name (host:port)``, slaves as ``name/number (host:port)``."""
        return tuple(label(*who, address) for who, address in sorted(self.all.items()))

    @property
    def unreachable(self) -> tuple[str, ...]:
        """Those of ``nodes`` that have left the name servers' lists, or that failed in this sweep."""
        lost = {who: at for who, at in self.all.items() if who in self._away or at in self._links.failed}
        return tuple(label(*who, address) for who, address in sorted(lost.items()))

    @property
    def version(self) -> str | None:
        """The oldest release among the masters, such as 5.5.0; None where none has told it."""
        return ".".join(map(str, min(self._versions.values()))) if self._versions else None

    def lost(self, name: str) -> Unknown:
        """Why a broker without a master cannot be asked."""
        others = ", ".join(address for _, address in sorted(self._known.get(name, {}).items()))
        slaves = f"its slaves ({others}) do not take part in counting" if others else "no name server knows it now"
        return Unknown(UnknownReason.NO_LEADER, f"broker {name} has no master: {slaves}; bring it back, see mqadmin clusterList")

    async def send(self, name: str, code: int, fields: Mapping[str, str]) -> Frame:
        """Ask the master of that name and return its answer, whatever its code; RequestError where there is none."""
        address = self.masters.get(name)
        if address is None:
            raise RequestError(self.lost(name))
        return await self._links.send(address, code, fields)

    async def read_versions(self) -> None:
        """Ask the masters for their version, now and then. One that does not tell is no failure."""
        now = asyncio.get_running_loop().time()
        due = self._versions_read_at is None or now - self._versions_read_at >= VERSION_SECONDS
        if due:
            self._versions_read_at = now
        asked = [name for name, address in self.masters.items() if due or address not in self._versions]
        await asyncio.gather(*map(self._read_version, asked))

    async def _read_version(self, name: str) -> None:
        try:
            answer = await self.send(name, requests.GET_BROKER_RUNTIME_INFO, {})
            told = dict(bodies.table(answer.body, "table")).get("brokerVersionDesc") if answer.code == OK else None
        except (RequestError, BodyError):
            return
        if isinstance(told, str) and (version := _VERSION.match(told)):
            self._versions[self.masters[name]] = tuple(map(int, version.groups()))

    @property
    def all(self) -> dict[tuple[str, int], str]:
        """The address of every broker known, by its name and number (0 is a master), those that are away among them."""
        known = {(name, number): address for name, numbers in self._known.items() for number, address in numbers.items()}
        return {**{who: address for who, (address, _) in self._away.items()}, **known}


def label(name: str, number: int, address: str) -> str:
    """A broker as people see it."""
    return f"{name} ({address})" if number == MASTER else f"{name}/{number} ({address})"
