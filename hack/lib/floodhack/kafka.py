"""Kafka on 127.0.0.1: bring three KRaft nodes up, down, stop and start single ones, run Kafka's own tools against them.

The commands behind `hack/brokers … kafka`. Neighbours: `kafka_settings` (what is on disk), `kafka_jars` (what is run),
`kafka_tls` (certificates), `kafka_wire` (readiness).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from floodhack import class_archive
from floodhack.errors import HackError
from floodhack.instance import Instance
from floodhack.kafka_jars import jars, java, release, tool
from floodhack.kafka_settings import CLIENT_LISTENERS, NODES, KafkaSet
from floodhack.kafka_wire import can_coordinate_groups, can_create_topics, registered_nodes
from floodhack.locking import lock
from floodhack.presence import ensure_java
from floodhack.process import clear, end, resident_mib, start_ticks, strays
from floodhack.progress import say, tail
from floodhack.waiting import listening, until

# Enough for all tests; tens of thousands of partitions keep the controllers collecting garbage until they lose their quorum.
HEAP = os.environ.get("FLOODWARDEN_KAFKA_HEAP", "400m")
# Three JVMs at once on two busy cores take their time; an idle machine needs a tenth of it.
START_SECONDS = 240.0
STOP_SECONDS = 60.0


class Kafka:
    """The Kafka brokers of one instance and one version (FLOODWARDEN_KAFKA unless given; a release line such as 3.9 will do)."""

    def __init__(self, instance: Instance, version: str | None = None) -> None:
        self.version = release(version or os.environ.get("FLOODWARDEN_KAFKA"))
        self.set = KafkaSet(instance, self.version)

    def up(self) -> None:
        """Make what is missing, start what is not running, return when all nodes are registered and topics can be made."""
        ensure_java()
        jars(self.version)
        with self._locked():
            self._end_strays()
            self.set.certificates.ensure()
            self.set.write_clients()
            self._format()
            started = [node for node in NODES if self._start(node)]
            if started:
                say(f"starting Kafka {self.version}, nodes {', '.join(map(str, started))}; logs: {self.set.folder / 'logs'}")
            self._wait_ready(NODES)
        say(f"Kafka {self.version} is up: {','.join(self.set.bootstrap('PLAINTEXT'))}")

    def down(self) -> None:
        """End the nodes and remove all they hold but their logs."""
        if not self.set.folder.exists():
            say(f"no brokers of Kafka {self.version} here")
            return
        with self._locked():
            # Their data goes too, so there is nothing for them to save first.
            for node in NODES:
                self.set.daemon(node).stop(seconds=0)
            self._end_strays()
            clear(self.set.folder)
        say(f"Kafka {self.version} is down; its logs are kept in {self.set.folder / 'logs'}")

    def stop(self, node: int, *, kill: bool) -> None:
        """End one node: in order by default, at once with `kill`."""
        self._must_exist()
        with self._locked():
            ended = self.set.daemon(node).stop(seconds=0 if kill else STOP_SECONDS)
        say(f"node {node} {'has ended' if ended else 'was not running'}")

    def start(self, node: int) -> None:
        """Start one node again and wait until the others see it."""
        self._must_exist()
        with self._locked():
            if self._start(node):
                say(f"starting node {node}")
            alive = [other for other in NODES if self.set.daemon(other).pid() is not None]
            self._wait_ready(alive)
        say(f"node {node} is up")

    def status(self) -> int:
        """Print a line per node; 0 when all are registered, else 3."""
        if not self.set.facts:
            print(f"Kafka {self.version}: not set up; `hack/brokers up kafka` makes it")
            return 3
        seen = {node: registered_nodes(self.set.port("PLAINTEXT", node)) for node in NODES}
        print(f"Kafka {self.version}, cluster {self.set.facts['cluster_id']}")
        for node in NODES:
            pid = self.set.daemon(node).pid()
            registered = any(node in others for others in seen.values())
            state = "registered" if registered else "running, not registered" if pid else "stopped"
            process = f"pid {pid}, {resident_mib(pid)} MiB" if pid else "no process"
            ports = ", ".join(f"{name} {self.set.port(name, node)}" for name in CLIENT_LISTENERS)
            print(f"  node {node}: {state} ({process}) {ports}")
        return 0 if all(set(NODES) == nodes for nodes in seen.values()) else 3

    def env(self) -> None:
        """Print what clients need as shell assignments; passwords stay in the file that is named."""
        self._must_exist()
        print(f"export FLOODWARDEN_KAFKA_CLIENTS={self.set.clients}")
        for listener in CLIENT_LISTENERS:
            print(f"export FLOODWARDEN_KAFKA_{listener}={','.join(self.set.bootstrap(listener))}")

    def logs(self, nodes: Sequence[int], lines: int) -> None:
        """Print the end of each node's log."""
        for node in nodes:
            path = self.set.daemon(node).log
            print(f"==> {path} <==\n{tail(path, lines)}\n")

    def tool(self, name: str, args: list[str]) -> int:
        """Run one of Kafka's own command-line tools; its exit status."""
        return self.run(name, args, check=False).returncode

    def run(self, name: str, args: list[str], **how: Any) -> subprocess.CompletedProcess[Any]:
        """The same as ``subprocess.run`` does it, which gets ``how``."""
        self._must_exist()
        command = tool(self.version, name, ",".join(self.set.bootstrap("PLAINTEXT")), args)
        return class_archive.run(jars(self.version), command, **how)

    def _format(self) -> None:
        """Give every node without data its storage, with the SCRAM users in it."""
        running: list[tuple[int, subprocess.Popen[str]]] = []
        for node in NODES:
            self.set.write_properties(node)
            if (self.set.data(node) / "meta.properties").exists():
                continue
            self.set.data(node).mkdir(parents=True, exist_ok=True)
            options = class_archive.kept(jars(self.version))
            command = java(
                self.version, "kafka.tools.StorageTool", heap="128m", log4j2="tools-log4j2.properties", options=options
            )
            command += ["format", "--cluster-id", self.set.facts["cluster_id"], "--config", str(self.set.properties(node))]
            process = subprocess.Popen(
                [*command, *self.set.scram_arguments()], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            running.append((node, process))
        if running:
            say(f"formatting the storage of {len(running)} nodes")
        for node, process in running:
            said, _ = process.communicate()
            if process.returncode != 0:
                raise HackError(f"formatting the storage of node {node} failed: {said.strip()}")

    def _start(self, node: int) -> bool:
        daemon = self.set.daemon(node)
        if daemon.pid() is not None:
            return False
        held = self.set.facts["version"]
        if held != self.version:
            raise HackError(f"these brokers hold data of Kafka {held}; `hack/brokers down kafka` removes it")
        taken = [port for port in (self.set.port(name, node) for name in CLIENT_LISTENERS) if listening(port)]
        if taken:
            raise HackError(f"port {taken[0]} is in use by another program; choose another FLOODWARDEN_INSTANCE (0 to 9)")
        options = ("-Xms128m", "-Xss512k", "-XX:+ExitOnOutOfMemoryError")
        command = java(self.version, "kafka.Kafka", heap=HEAP, log4j2="log4j2.properties", options=options)
        return daemon.start([*command, self.set.properties(node)])

    def _wait_ready(self, nodes: Sequence[int]) -> None:
        """Return once each of the nodes sees all of them, could make a topic on all of them, and knows a coordinator."""

        def dead() -> str | None:
            return next((reason for node in nodes if (reason := self.set.daemon(node).died())), None)

        def ready(node: int) -> bool:
            port = self.set.port("PLAINTEXT", node)
            serves = set(nodes) <= registered_nodes(port) and can_create_topics(port, len(nodes))
            return serves and can_coordinate_groups(port)

        for node in nodes:
            what = f"waiting for Kafka node {node}"
            until(partial(ready, node), seconds=START_SECONDS, what=what, every=0.2, dead=dead)

    def _end_strays(self) -> None:
        """End what an interrupted script of ours left running without a pid file."""
        known = {self.set.daemon(node).pid() for node in NODES}
        for pid in strays(self.set.folder):
            if pid not in known and start_ticks(pid) is not None:
                say(f"ending process {pid}, left over from an interrupted start")
                end(pid)

    def _must_exist(self) -> None:
        if not self.set.facts:
            raise HackError(f"no brokers of Kafka {self.version} are in this instance; run `hack/brokers up kafka` first")

    def _locked(self) -> AbstractContextManager[None]:
        return lock(self.set.folder / "set.lock", "these brokers")
