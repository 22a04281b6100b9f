"""Where things live: the checkout, the cache of slow artefacts, and one numbered instance's state and ports.

Several clusters and broker sets run side by side: instance n keeps its state in `.run/<n>/`
and adds 1000 × n to every port.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from floodhack.errors import HackError

CHECKOUT = Path(__file__).resolve().parents[3]
PORT_STEP = 1000
HIGHEST_INSTANCE = 9


def cache_dir() -> Path:
    """The folder for what is slow to make, outside the checkout; made on first use."""
    named = os.environ.get("FLOODWARDEN_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    path = Path(named) if named else (Path(base) if base else Path.home() / ".cache") / "floodwarden"
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()


@dataclass(frozen=True)
class Instance:
    """One set of cluster and brokers on this machine."""

    number: int

    @classmethod
    def current(cls) -> Instance:
        """The instance named by FLOODWARDEN_INSTANCE (0 when unset); HackError when it is not 0..9."""
        text = os.environ.get("FLOODWARDEN_INSTANCE", "0")
        if not text.isdecimal() or int(text) > HIGHEST_INSTANCE:
            raise HackError(f"FLOODWARDEN_INSTANCE={text!r} is not a number from 0 to {HIGHEST_INSTANCE}")
        return cls(int(text))

    @property
    def run(self) -> Path:
        """The instance's folder of state, logs and pid files."""
        return CHECKOUT / ".run" / str(self.number)

    @property
    def cluster(self) -> Path:
        """State of the cluster; `kubeconfig` lies in it."""
        return self.run / "cluster"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig of this instance's cluster."""
        return self.cluster / "kubeconfig"

    def broker(self, kind: str) -> Path:
        """State of the brokers of one kind, such as `kafka`."""
        return self.run / kind

    def port(self, default: int) -> int:
        """The port this instance uses where instance 0 uses `default`."""
        return default + PORT_STEP * self.number
