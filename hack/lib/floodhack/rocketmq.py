"""RocketMQ on 127.0.0.1: bring name server, master, slave and proxy up, down, stop and start single ones, run mqadmin.

The commands behind `hack/brokers … rocketmq`. Neighbours: `rocketmq_settings` (what is on disk), `rocketmq_jars` (what is run),
`rocketmq_wire` (readiness).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from floodhack import class_archive
from floodhack.errors import HackError
from floodhack.instance import Instance
from floodhack.locking import lock
from floodhack.presence import ensure_java
from floodhack.process import clear, end, resident_mib, start_ticks, strays
from floodhack.progress import say, tail
from floodhack.rocketmq_jars import SOURCES, TOOLS, is_4, jars, java, release, tool_arguments
from floodhack.rocketmq_settings import BROKERS, HA_OFFSET, RocketMQSet
from floodhack.rocketmq_wire import (
    PROXYS_TOPIC,
    connections,
    create_topic,
    ensure_user,
    knows_topic,
    log_end,
    proxy_serves,
    register_anew,
    registered_brokers,
)
from floodhack.waiting import listening, until

# JVMs on two busy cores take their time; an idle machine needs a tenth of it.
START_SECONDS = 240.0
STOP_SECONDS = 60.0


@dataclass(frozen=True)
class Program:
    """What a kind of node runs, with so much heap and memory outside it; `flag` comes before its configuration file."""

    main: str
    heap: str
    direct: str
    flag: str = "-c"


# With half of that outside the heap a broker runs out of it while consumers come by way of a proxy, and answers no more.
BROKER = Program("org.apache.rocketmq.broker.BrokerStartup", heap="256m", direct="384m")
PROGRAMS = {
    "namesrv": Program("org.apache.rocketmq.namesrv.NamesrvStartup", heap="96m", direct="64m"),
    "master": BROKER,
    "slave": BROKER,
    "proxy": Program("org.apache.rocketmq.proxy.ProxyStartup", heap="192m", direct="96m", flag="-pc"),
}
# The proxy's topic needs a broker, and a slave that comes before its master learns of it late.
STAGES = (("namesrv",), ("master",), ("slave", "proxy"))


class RocketMQ:
    """The RocketMQ servers of one instance and one version (FLOODWARDEN_ROCKETMQ unless given, such as 4.9), with ACLs or without
    (FLOODWARDEN_ROCKETMQ_ACL=1 unless given)."""

    def __init__(self, instance: Instance, version: str | None = None, *, acl: bool | None = None) -> None:
        self.version = release(version or os.environ.get("FLOODWARDEN_ROCKETMQ"))
        asked = os.environ.get("FLOODWARDEN_ROCKETMQ_ACL", "") not in ("", "0")
        self.set = RocketMQSet(instance, self.version, acl=asked if acl is None else acl)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of the nodes."""
        return self.set.nodes

    def up(self) -> None:
        """Make what is missing, start what is not running, return when all nodes serve and the slave has what the master has."""
        ensure_java()
        jars(self.version)
        with self._locked():
            self._end_strays()
            self.set.certificates.ensure()
            self.set.write_clients()
            self.set.write_home("tools")
            for stage in STAGES:
                nodes = [node for node in stage if node in self.nodes]
                started = [node for node in nodes if self._start(node)]
                if started:
                    say(f"starting RocketMQ {self.version}, {' and '.join(started)}; logs: {self.set.folder / 'logs'}")
                self._wait_ready(nodes)
            self._make_users()
        say(f"RocketMQ {self.version} is up: name server {self.set.address('namesrv')}")

    def down(self) -> None:
        """End the nodes and remove all they hold but their logs."""
        if not self.set.folder.exists():
            say(f"no servers of RocketMQ {self.version} here")
            return
        with self._locked():
            # Their data goes too, so there is nothing for them to save first.
            for node in self.nodes:
                self.set.daemon(node).stop(seconds=0)
            self._end_strays()
            clear(self.set.folder)
        say(f"RocketMQ {self.version} is down; its logs are kept in {self.set.folder / 'logs'}")

    def stop(self, node: str, *, kill: bool) -> None:
        """End one node: in order by default, at once with `kill`."""
        self._must_exist(node)
        with self._locked():
            ended = self.set.daemon(node).stop(seconds=0 if kill else STOP_SECONDS)
        say(f"{node} {'has ended' if ended else 'was not running'}")

    def start(self, node: str) -> None:
        """Start one node again and wait until all that run serve and know each other again."""
        self._must_exist(node)
        with self._locked():
            if self._start(node):
                say(f"starting {node}")
            self._wait_ready(self._alive())
        say(f"{node} is up")

    def status(self) -> int:
        """Print a line per node; 0 when all serve, else 3."""
        if not self.set.facts:
            print(f"RocketMQ {self.version}: not set up; `hack/brokers up rocketmq` makes it")
            return 3
        ready = {node: self._ready(node) for node in self.nodes}
        print(f"RocketMQ {self.version}{' with ACLs' if self.set.acl else ''}, cluster {self.set.facts['cluster']}")
        for node in self.nodes:
            pid = self.set.daemon(node).pid()
            state = "serves" if ready[node] else "running, does not serve" if pid else "stopped"
            process = f"pid {pid}, {resident_mib(pid)} MiB" if pid else "no process"
            print(f"  {node}: {state} ({process}) port {self.set.port(node)}")
        return 0 if all(ready.values()) else 3

    def env(self) -> None:
        """Print what clients need as shell assignments; secrets stay in the file that is named."""
        self._must_exist()
        print(f"export FLOODWARDEN_ROCKETMQ_CLIENTS={self.set.clients}")
        print(f"export FLOODWARDEN_ROCKETMQ_NAMESRV={self.set.address('namesrv')}")
        if "proxy" in self.nodes:
            print(f"export FLOODWARDEN_ROCKETMQ_PROXY={self.set.address('proxy')}")

    def logs(self, nodes: Sequence[str], lines: int) -> None:
        """Print the end of each node's log."""
        for node in nodes:
            self._must_be_a_node(node)
            path = self.set.daemon(node).log
            print(f"==> {path} <==\n{tail(path, lines)}\n")

    def tool(self, name: str, args: list[str]) -> int:
        """Run RocketMQ's mqadmin, as the administrator where there are ACLs; its exit status, which is 0 also after errors."""
        self._must_exist()
        arguments = tool_arguments(name, self.set.address("namesrv"), args)
        options = self._options("tools", "tools-logback.xml")
        command = java(self.version, TOOLS[name], heap="128m", direct="64m", options=options)
        return class_archive.run(jars(self.version), [*command, *arguments], check=False).returncode

    def _start(self, node: str) -> bool:
        daemon = self.set.daemon(node)
        if daemon.pid() is not None:
            return False
        held = self.set.facts["version"]
        if held != self.version:
            raise HackError(f"these servers hold data of RocketMQ {held}; `hack/brokers down rocketmq` removes it")
        taken = [port for port in self.set.ports(node) if listening(port)]
        if taken:
            raise HackError(f"port {taken[0]} is in use by another program; choose another FLOODWARDEN_INSTANCE (0 to 9)")
        if node == "proxy":
            self._have_proxys_topic()
        self.set.write_configuration(node)
        program = PROGRAMS[node]
        small = ("-Xms32m", "-Xss512k", "-XX:+ExitOnOutOfMemoryError")
        options = (*small, *self._options(node, "logback.xml"))
        command = java(self.version, program.main, heap=program.heap, direct=program.direct, options=options)
        return daemon.start([*command, program.flag, self.set.configuration(node)])

    def _options(self, node: str, logback: str) -> tuple[str, ...]:
        """Java's options that keep a program of RocketMQ within the set's folder, on IPv4, and with certificates of ours."""
        home, tls = self.set.home(node), self.set.certificates
        return (
            f"-Drocketmq.home.dir={home}",
            f"-Duser.home={home}",
            f"-Djava.io.tmpdir={home / 'tmp'}",
            f"-Drmq.logback.configurationFile={SOURCES / logback}",
            "-Drocketmq.client.logUseSlf4j=true",
            "-Djava.net.preferIPv4Stack=true",
            "-Dtls.test.mode.enable=false",
            f"-Dtls.server.keyPath={tls.folder / 'server.key'}",
            f"-Dtls.server.certPath={tls.folder / 'server.pem'}",
        )

    def _have_proxys_topic(self) -> None:
        """Make the topic that the proxy ends without. It makes it itself, but does not wait until the name server knows it."""
        name_server = self.set.port("namesrv")
        if knows_topic(name_server, PROXYS_TOPIC):
            return
        create_topic(self.set.port("master"), PROXYS_TOPIC, queues=1, by=self.set.credentials())
        known = partial(knows_topic, name_server, PROXYS_TOPIC)
        until(known, seconds=START_SECONDS, what="waiting for the proxy's topic", dead=self.set.daemon("master").died)

    def _make_users(self) -> None:
        """Let the application in at each broker of RocketMQ 5 that does not know it; RocketMQ 4 has it in a file."""
        administrator, application = self.set.credentials(), self.set.credentials("application")
        if administrator is None or application is None or is_4(self.version):
            return
        for node in BROKERS:
            ensure_user(self.set.port(node), application, administrator)

    def _wait_ready(self, nodes: Sequence[str]) -> None:
        """Return once each of the nodes serves."""

        def dead() -> str | None:
            return next((reason for node in nodes if (reason := self.set.daemon(node).died())), None)

        for node in nodes:
            what = f"waiting for {node}"
            if node in BROKERS and not is_4(self.version) and "namesrv" in self._alive():
                until(partial(self._registers, node), seconds=START_SECONDS, what=what, every=0.5, dead=dead)
            until(partial(self._ready, node), seconds=START_SECONDS, what=what, every=0.2, dead=dead)

    def _registers(self, node: str) -> bool:
        """Whether the name server knows a broker, which is made to tell it.

        RocketMQ 5 may not be connected to it yet when it first registers, and would try again after ten seconds.
        """
        if self._registered(node):
            return True
        if self._end(node) is not None:
            register_anew(self.set.port(node), self.set.credentials())
        return False

    def _registered(self, node: str) -> bool:
        known = registered_brokers(self.set.port("namesrv")) or {}
        return known.get(BROKERS[node]) == self.set.address(node)

    def _ready(self, node: str) -> bool:
        """Whether a node serves, as seen by those that run: brokers are registered, and a slave has what its master has."""
        alive = self._alive()
        if node == "proxy":
            ports = self.set.port("proxy-remoting"), self.set.port("proxy")
            return proxy_serves(*ports, self.set.credentials())
        if node == "namesrv":
            answers = registered_brokers(self.set.port("namesrv")) is not None
            return answers and all(self._registered(other) for other in BROKERS if other in alive)
        if "namesrv" in alive and not self._registered(node):
            return False
        return self._follows() if set(BROKERS) <= set(alive) else self._end(node) is not None

    def _follows(self) -> bool:
        """Whether the slave is connected to the master, and has all that the master had when it was asked."""
        masters, slaves = self._end("master"), self._end("slave")
        linked = connections(self.set.port("master") + HA_OFFSET) > 0
        return linked and masters is not None and slaves is not None and slaves >= masters

    def _end(self, node: str) -> int | None:
        return log_end(self.set.port(node), self.set.credentials())

    def _alive(self) -> list[str]:
        return [node for node in self.nodes if self.set.daemon(node).pid() is not None]

    def _end_strays(self) -> None:
        """End what an interrupted script of ours left running without a pid file."""
        known = {self.set.daemon(node).pid() for node in self.nodes}
        for pid in strays(self.set.folder):
            if pid not in known and start_ticks(pid) is not None:
                say(f"ending process {pid}, left over from an interrupted start")
                end(pid)

    def _must_exist(self, node: str | None = None) -> None:
        if not self.set.facts:
            raise HackError(f"no servers of RocketMQ {self.version} are in this instance; run `hack/brokers up rocketmq` first")
        if node is not None:
            self._must_be_a_node(node)

    def _must_be_a_node(self, node: str) -> None:
        if node not in self.nodes:
            raise HackError(f"RocketMQ {self.version} has no node called {node!r} here; there are: {', '.join(self.nodes)}")

    def _locked(self) -> AbstractContextManager[None]:
        return lock(self.set.folder / "set.lock", "these servers")
