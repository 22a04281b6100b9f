"""Which engine makes the cluster: kind where a Docker engine answers, else the native one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from floodhack.errors import HackError
from floodhack.instance import Instance
from floodhack.kind import Kind, docker_answers
from floodhack.native import Native


class Engine(Protocol):
    """What both engines can do."""

    def up(self, *, with_node: bool) -> None:
        """Bring the cluster up, or repair it."""

    def down(self) -> None:
        """End it and remove all but the logs."""

    def running(self) -> bool:
        """Whether there is a cluster, be it a broken one."""

    def status(self) -> tuple[bool, list[str]]:
        """Whether all is well, and what to tell, line by line."""

    def load(self, archive: Path) -> None:
        """Import an image archive into the node."""

    def api_in_pods(self) -> str:
        """Host and port of the API server as pods on the host's network reach it."""

    def start(self, name: str) -> None:
        """Start one component."""

    def stop(self, name: str) -> None:
        """Stop one component."""


def choose(instance: Instance) -> Engine:
    """The engine for this machine; FLOODWARDEN_ENGINE=kind or native overrules what is found."""
    native = Native(instance)
    named = os.environ.get("FLOODWARDEN_ENGINE", "")
    if named == "native" or (not named and native.running()):
        return native
    if named == "kind" or (not named and docker_answers()):
        return Kind(instance)
    if named:
        raise HackError(f"FLOODWARDEN_ENGINE={named!r} is no engine; use kind or native")
    return native
