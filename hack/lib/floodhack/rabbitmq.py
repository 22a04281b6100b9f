"""RabbitMQ on 127.0.0.1: bring a cluster of three nodes up, down, stop and start single ones, run RabbitMQ's own tools.

The commands behind `hack/brokers … rabbitmq`. Neighbours: `rabbitmq_settings` (what is on disk), `rabbitmq_packages` (what
is run), `rabbitmq_api` (readiness, users), `kafka_tls` (certificates).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from floodhack.errors import HackError
from floodhack.instance import Instance
from floodhack.leftovers import end_strays
from floodhack.locking import lock
from floodhack.process import Daemon, clear
from floodhack.progress import say, tail
from floodhack.rabbitmq_api import Management
from floodhack.rabbitmq_packages import programs
from floodhack.rabbitmq_settings import HOST, NODES, PORTS, SCHEMES, VHOST, RabbitSet
from floodhack.waiting import listening, until

# Three nodes at once on two busy cores take their time; an idle machine needs a tenth of it.
START_SECONDS = 240.0
STOP_SECONDS = 60.0
EPMD_SECONDS = 20.0
# What a node logs before its boot steps is a tenth of that.
BOOT_LOG_BYTES = 100_000


class RabbitMQ:
    """The RabbitMQ nodes of one instance."""

    def __init__(self, instance: Instance) -> None:
        self.set = RabbitSet(instance)

    def up(self) -> None:
        """Make what is missing, start what is not running, return when all nodes are one cluster and take connections."""
        installed = programs()
        with self._locked():
            self._end_strays()
            self.set.certificates.ensure()
            self.set.write_clients(installed.version)
            self.set.write_admin_config()
            self._start_epmd()
            if len(self._alive()) < len(NODES):
                say(f"starting RabbitMQ {installed.version}; logs: {self.set.folder / 'logs'}")
            if not self.set.founded:
                # A node that looks for one keeps others, node 0 too, from founding the cluster meanwhile.
                self._start(NODES[0])
                self._wait_ready(NODES[:1])
            for node in NODES:
                self._start(node)
            self._wait_ready(NODES)
            self._make_users()
        say(f"RabbitMQ {installed.version} is up: {','.join(self.set.addresses('management'))}")

    def down(self) -> None:
        """End the nodes and the port mapper, and remove all they hold but their logs."""
        if not self.set.folder.exists():
            say("no RabbitMQ here")
            return
        with self._locked():
            # Their data goes too, so there is nothing for them to save first.
            for daemon in self._daemons():
                daemon.stop(seconds=0)
            self._end_strays()
            clear(self.set.folder)
        say(f"RabbitMQ is down; its logs are kept in {self.set.folder / 'logs'}")

    def stop(self, node: int, *, kill: bool) -> None:
        """End one node: in order by default, at once with `kill`."""
        self._must_exist()
        with self._locked():
            ended = self.set.daemon(node).stop(seconds=0 if kill else STOP_SECONDS)
        say(f"node {node} {'has ended' if ended else 'was not running'}")

    def start(self, node: int) -> None:
        """Start one node again and wait until the others see it, unless it is one of a minority, which serves nobody."""
        self._must_exist()
        with self._locked():
            self._start_epmd()
            if self._start(node):
                say(f"starting node {node}")
            alive = self._alive()
            if 2 * len(alive) <= len(NODES):
                say(f"node {node} runs, and serves once another one does")
                return
            self._wait_ready(alive)
        say(f"node {node} is up")

    def status(self) -> int:
        """Print a line per node; 0 when all see each other run, else 3."""
        if not self.set.facts:
            print("RabbitMQ: not set up; `hack/brokers up rabbitmq` makes it")
            return 3
        seen = {node: self._management(node).running_nodes() for node in NODES}
        print(f"RabbitMQ {self.set.facts['version']}, port mapper {'runs' if self.set.epmd.pid() else 'stopped'}")
        for node in NODES:
            pid = self.set.daemon(node).pid()
            clustered = any(self.set.name(node) in others for others in seen.values())
            state = "in the cluster" if clustered else "running, not in the cluster" if pid else "stopped"
            ports = ", ".join(f"{listener} {self.set.port(listener, node)}" for listener in SCHEMES)
            print(f"  node {node}: {state} ({f'pid {pid}' if pid else 'no process'}) {ports}")
        return 0 if all(len(nodes) == len(NODES) for nodes in seen.values()) else 3

    def env(self) -> None:
        """Print what clients need as shell assignments; passwords stay in the file that is named."""
        self._must_exist()
        print(f"export FLOODWARDEN_RABBITMQ_CLIENTS={self.set.clients}")
        for listener in SCHEMES:
            print(f"export FLOODWARDEN_RABBITMQ_{listener.upper()}={','.join(self.set.addresses(listener))}")

    def logs(self, nodes: Sequence[int], lines: int) -> None:
        """Print the end of each node's log."""
        for node in nodes:
            path = self.set.daemon(node).log
            print(f"==> {path} <==\n{tail(path, lines)}\n")

    def tool(self, name: str, args: list[str]) -> int:
        """Run one of RabbitMQ's own command-line tools, pointed at a node that runs; its exit status."""
        return self.run(name, args, check=False).returncode

    def run(self, name: str, args: list[str], **how: Any) -> subprocess.CompletedProcess[Any]:
        """The same as ``subprocess.run`` does it, which gets ``how``."""
        self._must_exist()
        installed = programs()
        node = next(iter(self._alive()), NODES[0])
        pointed = self.set.pointed(args, node)
        command: list[str | Path]
        if name == "rabbitmqadmin":
            command = [sys.executable, installed.admin, "--config", self.set.admin_config, *pointed]
        else:
            command = [installed.tool(name), *pointed]
            # Else the tool starts a port mapper, which nobody would find again.
            self._start_epmd()
        environment = {**os.environ, **self.set.environment(node, installed)}
        return subprocess.run(command, env=environment, **how)

    def _start(self, node: int) -> bool:
        daemon = self.set.daemon(node)
        if daemon.pid() is not None:
            return False
        installed = programs()
        held = self.set.facts["version"]
        if held != installed.version:
            raise HackError(f"these nodes hold data of RabbitMQ {held}; `hack/brokers down rabbitmq` removes it")
        for listener in PORTS:
            _must_be_free(self.set.port(listener, node))
        # A node ends when it asks another for its feature flags that is just finding them out.
        for other in self._alive():
            what = f"waiting for RabbitMQ node {other} to know its feature flags"
            until(partial(self._knows_flags, other), seconds=START_SECONDS, what=what, dead=self.set.daemon(other).died)
        self.set.write_node(node)
        return daemon.start([installed.server / "sbin" / "rabbitmq-server"], self.set.environment(node, installed))

    def _knows_flags(self, node: int) -> bool:
        """Whether the node has begun its boot steps, which come after that."""
        with self.set.daemon(node).log.open("rb") as log:
            return b"Running boot step" in log.read(BOOT_LOG_BYTES)

    def _start_epmd(self) -> None:
        """Start the port mapper, through which nodes find each other, unless it runs."""
        if self.set.epmd.pid() is not None:
            return
        _must_be_free(self.set.epmd_port)
        self.set.epmd.start([programs().erlang / "epmd", "-address", HOST, "-port", str(self.set.epmd_port)])
        what = "waiting for Erlang's port mapper"
        until(partial(listening, self.set.epmd_port), seconds=EPMD_SECONDS, what=what, dead=self.set.epmd.died)

    def _wait_ready(self, nodes: Sequence[int]) -> None:
        """Return once each of the nodes sees all of them run and takes connections."""
        names = {self.set.name(node) for node in nodes}

        def dead() -> str | None:
            return next((reason for node in nodes if (reason := self.set.daemon(node).died())), None)

        def ready(node: int) -> bool:
            # Management answers before the node takes connections.
            serves = all(listening(self.set.port(listener, node)) for listener in SCHEMES)
            return serves and names <= self._management(node).running_nodes()

        for node in nodes:
            what = f"waiting for RabbitMQ node {node}"
            until(partial(ready, node), seconds=START_SECONDS, what=what, every=0.2, dead=dead)

    def _make_users(self) -> None:
        management = self._management(NODES[0])
        for user in self.set.facts["users"].values():
            management.make_user(user["username"], user["password"], user["tags"], vhost=VHOST, rights=user["rights"])

    def _management(self, node: int) -> Management:
        administrator = self.set.facts["users"]["administrator"]
        return Management(self.set.addresses("management")[node], administrator["username"], administrator["password"])

    def _alive(self) -> list[int]:
        return [node for node in NODES if self.set.daemon(node).pid() is not None]

    def _daemons(self) -> list[Daemon]:
        return [*(self.set.daemon(node) for node in NODES), self.set.epmd]

    def _end_strays(self) -> None:
        """End what an interrupted script of ours left running without a pid file, and port mappers that tools started."""
        known = [pid for daemon in self._daemons() if (pid := daemon.pid()) is not None]
        for pid in end_strays(self.set.folder, sparing=known):
            say(f"ended process {pid}, left over from an interrupted start")

    def _must_exist(self) -> None:
        if not self.set.facts:
            raise HackError("no RabbitMQ is in this instance; run `hack/brokers up rabbitmq` first")

    def _locked(self) -> AbstractContextManager[None]:
        return lock(self.set.folder / "set.lock", "these brokers")


def _must_be_free(port: int) -> None:
    if listening(port):
        raise HackError(f"port {port} is in use by another program; choose another FLOODWARDEN_INSTANCE (0 to 9)")
