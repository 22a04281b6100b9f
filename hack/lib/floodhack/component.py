"""One program of the native cluster: how it is started and how one knows that it serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from floodhack.errors import HackError
from floodhack.process import Daemon
from floodhack.progress import tail
from floodhack.waiting import listening, until

READY_SECONDS = 90.0


@dataclass(frozen=True)
class Component:
    """A component of the cluster; `port` is the one it listens on, 0 for none."""

    name: str
    folder: Path
    command: list[str | Path]
    port: int
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def daemon(self) -> Daemon:
        """The background process behind it."""
        return Daemon(self.name, self.folder)

    def begin(self) -> bool:
        """Start it unless it runs; whether it was started. HackError when its port belongs to somebody else."""
        if self.daemon.pid() is not None:
            return False
        if self.port and listening(self.port):
            raise HackError(
                f"port {self.port}, needed for {self.name}, is taken by a process of somebody else; "
                "end it (`ss -ltnp`), or choose other ports with FLOODWARDEN_INSTANCE=1..9"
            )
        return self.daemon.start(self.command, self.environment)

    def wait(self) -> None:
        """Return once it serves; HackError with the end of its log when it ends or does not come up."""
        try:
            until(self.ready, seconds=READY_SECONDS, what=f"waiting for {self.name}", dead=self.daemon.died)
        except HackError as error:
            raise HackError(f"{error}\nthe end of {self.daemon.log}:\n{tail(self.daemon.log)}") from error
