"""One instance's RabbitMQ cluster on disk: folders, ports, users, each node's configuration and environment, facts for clients.

`hack/rabbitmq/node.conf` is the template; `rabbitmq.py` runs what is written here.
"""

from __future__ import annotations

import json
import os
import secrets
import string
from collections.abc import Sequence
from configparser import ConfigParser
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from floodhack.instance import Instance
from floodhack.kafka_settings import write_private
from floodhack.kafka_tls import Certificates
from floodhack.process import Daemon
from floodhack.rabbitmq_packages import SOURCES, Programs

NODES = (0, 1, 2)
HOST = "127.0.0.1"
# Each node's, 100 apart. None reaches the range that the kernel takes ports for connections from, as RabbitMQ's own would.
PORTS = {"amqps": 5671, "amqp": 5672, "stream": 5673, "distribution": 5674, "management_tls": 15671, "management": 15672}
SCHEMES = {"amqp": "amqp", "amqps": "amqps", "stream": "rabbitmq-stream", "management": "http", "management_tls": "https"}
# One for all nodes: the port mapper's, and those from which the command-line tools may be called back.
EPMD_PORT = 4369
TOOL_PORTS = (5680, 5689)
NODE_FLAGS = ("--node", "-n", "-N")
VHOST = "/"
# Each user's tags, which are its rights in management, and the names in the vhost it may do everything with. Without a right
# there, be it one that fits no name, management shows nobody but administrators what is in the vhost.
ALL_NAMES, NO_NAMES = ".*", "^$"
USERS: dict[str, tuple[list[str], str | None]] = {
    "administrator": (["administrator"], ALL_NAMES),
    "application": ([], ALL_NAMES),
    "monitoring": (["monitoring"], NO_NAMES),
    "nobody": ([], None),
}


@dataclass(frozen=True)
class RabbitSet:
    """Three clustered nodes of one instance."""

    instance: Instance

    @property
    def folder(self) -> Path:
        """Where everything of this set lies: data, certificates, passwords, pid files, logs."""
        return self.instance.broker("rabbitmq")

    @property
    def clients(self) -> Path:
        """The facts for clients, with passwords, readable by their owner only; see `write_clients`."""
        return self.folder / "clients.json"

    @property
    def certificates(self) -> Certificates:
        """The PEM files of the TLS listeners."""
        return Certificates(self.folder / "tls")

    @property
    def home(self) -> Path:
        """The home folder of nodes and tools, for the cookie by which they know each other."""
        return self.folder / "home"

    @property
    def admin_config(self) -> Path:
        """rabbitmqadmin's configuration: where each node is, and who asks."""
        return self.home / "rabbitmqadmin.conf"

    @property
    def epmd(self) -> Daemon:
        """The port mapper of these nodes alone."""
        return Daemon("epmd", self.folder)

    @property
    def epmd_port(self) -> int:
        """Where the port mapper listens."""
        return self.instance.port(EPMD_PORT)

    def port(self, listener: str, node: int) -> int:
        """The port of one node's listener."""
        return self.instance.port(PORTS[listener] + 100 * node)

    def addresses(self, listener: str) -> list[str]:
        """All nodes' addresses on one listener: host and port, or the URL of management."""
        prefix = f"{SCHEMES[listener]}://" if listener.startswith("management") else ""
        return [f"{prefix}{HOST}:{self.port(listener, node)}" for node in NODES]

    def name(self, node: int) -> str:
        """The node's name in the cluster."""
        return f"rabbit-{node}@localhost"

    def daemon(self, node: int) -> Daemon:
        """The node's background process."""
        return Daemon(f"node-{node}", self.folder)

    def data(self, node: int) -> Path:
        """The folder of the node's messages and tables."""
        return self.folder / "data" / f"node-{node}"

    @property
    def founded(self) -> bool:
        """Whether node 0 has tables: without them it has founded no cluster yet."""
        return any(self.data(0).glob("*/*.DCD"))

    def configuration(self, node: int) -> Path:
        """The node's configuration file."""
        return self.folder / f"node-{node}.conf"

    @property
    def facts(self) -> dict[str, Any]:
        """What clients.json says; empty when the set was never made."""
        known: dict[str, Any] = json.loads(self.clients.read_text()) if self.clients.exists() else {}
        return known

    def write_clients(self, version: str) -> None:
        """Make passwords and a cookie, and write them with everything else a client needs, unless that exists."""
        if self.facts:
            return
        facts = {
            "version": version,
            "nodes": [self.name(node) for node in NODES],
            "vhost": VHOST,
            "addresses": {listener: self.addresses(listener) for listener in SCHEMES},
            "ca": str(self.certificates.ca),
            "client_certificate": str(self.certificates.client),
            "client_key": str(self.certificates.client_key),
            "users": {
                user: {"username": user, "password": secrets.token_hex(16), "tags": tags, "rights": rights}
                for user, (tags, rights) in USERS.items()
            },
        }
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        cookie = self.home / ".erlang.cookie"
        write_private(cookie, secrets.token_hex(16))
        # Erlang refuses a cookie that anybody may read or write but its owner.
        cookie.chmod(0o400)
        # Last, because what is written once is made out of nothing else.
        write_private(self.clients, json.dumps(facts, indent=2) + "\n")

    def write_node(self, node: int) -> None:
        """Write the node's configuration from the template, and make its folders."""
        self.data(node).mkdir(parents=True, exist_ok=True)
        administrator = self.facts["users"]["administrator"]
        # Node 0 looks for nobody. The others must be on their own list, or they may not lock it.
        peers = [self.name(peer) for peer in sorted({0, node})]
        values = {
            "instance": str(self.instance.number),
            "peers": "\n".join(
                f"cluster_formation.classic_config.nodes.{number} = {peer}" for number, peer in enumerate(peers, start=1)
            ),
            "host": HOST,
            "ca": str(self.certificates.ca),
            "certificate": str(self.certificates.server_certificate),
            "key": str(self.certificates.server_key),
            "user": administrator["username"],
            "password": administrator["password"],
            **{listener: str(self.port(listener, node)) for listener in PORTS},
        }
        template = string.Template((SOURCES / "node.conf").read_text())
        write_private(self.configuration(node), template.substitute(values))

    def write_admin_config(self) -> None:
        """Write rabbitmqadmin's configuration, with a section for each node under its name."""
        administrator = self.facts["users"]["administrator"]
        config = ConfigParser(interpolation=None)
        for node in NODES:
            config[self.name(node)] = {
                "hostname": HOST,
                "port": str(self.port("management", node)),
                "username": administrator["username"],
                "password": administrator["password"],
            }
        text = StringIO()
        config.write(text)
        write_private(self.admin_config, text.getvalue())

    def environment(self, node: int, installed: Programs) -> dict[str, str]:
        """What a node, and a tool pointed at it, find in the environment: nothing of the machine's own RabbitMQ is read."""
        nowhere = self.folder / "none"
        return {
            "PATH": f"{installed.erlang}:{os.environ.get('PATH', '')}",
            "HOME": str(self.home),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": HOST,
            # Nodes and tools find each other on this address only.
            "ERL_AFLAGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_CRASH_DUMP": str(self.folder / "logs" / f"node-{node}.crash_dump"),
            "RABBITMQ_NODENAME": self.name(node),
            "RABBITMQ_DIST_PORT": str(self.port("distribution", node)),
            "RABBITMQ_CONFIG_FILE": str(self.configuration(node)),
            "RABBITMQ_CONFIG_FILES": str(nowhere / "*.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(nowhere / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(nowhere / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(SOURCES / "enabled_plugins"),
            "RABBITMQ_PLUGINS_DIR": str(installed.server / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.data(node)),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.data(node) / "config"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_PID_FILE": str(self.data(node) / "pid"),
            "RABBITMQ_CTL_DIST_PORT_MIN": str(self.instance.port(TOOL_PORTS[0])),
            "RABBITMQ_CTL_DIST_PORT_MAX": str(self.instance.port(TOOL_PORTS[1])),
            # The start script becomes the server, instead of waiting beside it: so a signal reaches the node itself.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def pointed(self, args: Sequence[str], node: int) -> list[str]:
        """A tool's arguments with nodes named by number (`--node 1`) in full, and pointed at `node` if they name none."""
        named = {str(number): self.name(number) for number in NODES}
        full: list[str] = []
        points = False
        for arg in args:
            flag, equals, value = arg.partition("=")
            if flag == "--node" and equals:
                points = True
                full.append(f"--node={named.get(value, value)}")
            elif full and full[-1] in NODE_FLAGS:
                points = True
                full.append(named.get(arg, arg))
            else:
                full.append(arg)
        return full if points else ["--node", self.name(node), *full]
