"""One instance's set of Kafka brokers on disk: folders, ports, passwords, each node's properties and the facts for clients.

`hack/kafka/node.properties` is the template; `kafka.py` runs what is written here.
"""

from __future__ import annotations

import base64
import json
import secrets
import string
import uuid
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from floodhack.instance import Instance
from floodhack.kafka_jars import DEFAULT_VERSION, SOURCES
from floodhack.kafka_tls import Certificates
from floodhack.process import Daemon

NODES = (0, 1, 2)
HOST = "127.0.0.1"
PORTS = {"PLAINTEXT": 9092, "SSL": 9093, "SASL_PLAINTEXT": 9094, "SASL_SSL": 9095, "CONTROLLER": 9096}
# Sets of other versions than the default stand beside it.
OTHER_VERSIONS = 300
CLIENT_LISTENERS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
SCRAM_USER, PLAIN_USER = "floodwarden", "floodwarden-plain"
SCRAM_MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256")


@dataclass(frozen=True)
class KafkaSet:
    """Three combined nodes (controller and broker) of one instance and one version of Kafka."""

    instance: Instance
    version: str = DEFAULT_VERSION

    @property
    def folder(self) -> Path:
        """Where everything of this set lies: data, certificates, passwords, pid files, logs."""
        return self.instance.broker("kafka" if self._usual else f"kafka-{self.version}")

    @property
    def clients(self) -> Path:
        """The facts for clients, with passwords, readable by their owner only; see `write_clients`."""
        return self.folder / "clients.json"

    @property
    def certificates(self) -> Certificates:
        """The PEM files of the TLS listeners."""
        return Certificates(self.folder / "tls")

    def port(self, listener: str, node: int) -> int:
        """The port of one node's listener."""
        return self.instance.port(PORTS[listener] + 100 * node + (0 if self._usual else OTHER_VERSIONS))

    def bootstrap(self, listener: str) -> list[str]:
        """All nodes' addresses on one listener, as clients want them."""
        return [f"{HOST}:{self.port(listener, node)}" for node in NODES]

    def daemon(self, node: int) -> Daemon:
        """The node's background process."""
        return Daemon(f"node-{node}", self.folder)

    def data(self, node: int) -> Path:
        """The node's log directory."""
        return self.folder / "data" / f"node-{node}"

    def properties(self, node: int) -> Path:
        """The node's configuration file."""
        return self.folder / f"node-{node}.properties"

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What clients.json says; empty when the set was never made."""
        known: dict[str, Any] = json.loads(self.clients.read_text()) if self.clients.exists() else {}
        return known

    def write_clients(self) -> None:
        """Make passwords and a cluster id, and write them with everything else a client needs, unless that exists."""
        if self.facts:
            return
        facts = {
            "version": self.version,
            "cluster_id": base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "x"),
            "bootstrap": {listener: self.bootstrap(listener) for listener in CLIENT_LISTENERS},
            "ca": str(self.certificates.ca),
            "client_certificate": str(self.certificates.client),
            "client_key": str(self.certificates.client_key),
            "scram": {"username": SCRAM_USER, "password": secrets.token_hex(16), "mechanisms": SCRAM_MECHANISMS},
            "plain": {"username": PLAIN_USER, "password": secrets.token_hex(16), "mechanisms": ["PLAIN"]},
        }
        write_private(self.clients, json.dumps(facts, indent=2) + "\n")
        self.__dict__.pop("facts", None)

    def write_properties(self, node: int) -> None:
        """Write the node's configuration from the template."""
        plain = self.facts["plain"]
        listeners = [f"{name}://{HOST}:{self.port(name, node)}" for name in PORTS]
        module = "org.apache.kafka.common.security"
        values = {
            "node": str(node),
            "data": str(self.data(node)),
            "voters": ",".join(f"{other}@{HOST}:{self.port('CONTROLLER', other)}" for other in NODES),
            "listeners": ",".join(listeners),
            "advertised": ",".join(listeners[: len(CLIENT_LISTENERS)]),
            "server_pem": str(self.certificates.server),
            "ca_pem": str(self.certificates.ca),
            "scram_jaas": f"{module}.scram.ScramLoginModule required;",
            "plain_jaas": f'{module}.plain.PlainLoginModule required user_{plain["username"]}="{plain["password"]}";',
        }
        template = string.Template((SOURCES / "node.properties").read_text())
        write_private(self.properties(node), template.substitute(values))

    def scram_arguments(self) -> list[str]:
        """What makes `StorageTool format` create the SCRAM user."""
        scram = self.facts["scram"]
        user = f"name={scram['username']},password={scram['password']}"
        return [part for mechanism in SCRAM_MECHANISMS for part in ("--add-scram", f"{mechanism}=[{user}]")]

    @property
    def _usual(self) -> bool:
        return self.version == DEFAULT_VERSION


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, all of it or nothing."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.rename(path)
