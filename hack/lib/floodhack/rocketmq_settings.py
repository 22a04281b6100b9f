"""One instance's set of RocketMQ servers on disk: folders, ports, secrets, each node's configuration and the facts for clients.

The templates are in `hack/rocketmq/`; `rocketmq.py` runs what is written here.
"""

from __future__ import annotations

import json
import secrets
import shutil
import string
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from floodhack.instance import Instance
from floodhack.kafka_settings import write_private
from floodhack.kafka_tls import Certificates
from floodhack.process import Daemon
from floodhack.rocketmq_jars import DEFAULT_VERSION, SOURCES, is_4
from floodhack.rocketmq_wire import Credentials

HOST = "127.0.0.1"
# In the order in which they are started.
NODES = ("namesrv", "master", "slave", "proxy")
BROKERS = {"master": 0, "slave": 1}
ROLES = {"master": "ASYNC_MASTER", "slave": "SLAVE"}
# The proxy's is that of gRPC. A broker also takes the ports two before its own and one after it (replication).
PORTS = {"namesrv": 9876, "proxy": 9878, "proxy-remoting": 9879, "master": 9882, "slave": 9887}
HA_OFFSET = 1
# Sets with ACLs, and of other versions than the default, stand beside the usual one.
WITH_ACL, OTHER_VERSIONS = 25, 50
# RocketMQ's own default, which its documentation's commands name.
CLUSTER, BROKER_NAME = "DefaultCluster", "broker-a"
ADMINISTRATOR, APPLICATION = "floodwarden", "application"
AUTH = "org.apache.rocketmq.proxy.auth.Proxy"


@dataclass(frozen=True)
class RocketMQSet:
    """A name server, a master, its slave and a proxy of one instance and one version, with or without ACLs."""

    instance: Instance
    version: str = DEFAULT_VERSION
    acl: bool = False

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of the nodes; there is no proxy for RocketMQ 4."""
        return NODES[:-1] if is_4(self.version) else NODES

    @property
    def folder(self) -> Path:
        """Where everything of this set lies: data, certificates, secrets, pid files, logs."""
        version = "" if self.version == DEFAULT_VERSION else f"-{self.version}"
        return self.instance.broker(f"rocketmq{version}{'-acl' if self.acl else ''}")

    @property
    def clients(self) -> Path:
        """The facts for clients, with secrets, readable by their owner only; see `write_clients`."""
        return self.folder / "clients.json"

    @property
    def certificates(self) -> Certificates:
        """The PEM files with which every port takes TLS as well."""
        return Certificates(self.folder / "tls")

    def port(self, name: str) -> int:
        """The port of a node, or of `proxy-remoting`."""
        other = 0 if self.version == DEFAULT_VERSION else OTHER_VERSIONS
        return self.instance.port(PORTS[name] + other + (WITH_ACL if self.acl else 0))

    def ports(self, node: str) -> list[int]:
        """All ports that a node listens on."""
        own = self.port(node)
        if node in BROKERS:
            return [own - 2, own, own + HA_OFFSET]
        return [own, self.port("proxy-remoting")] if node == "proxy" else [own]

    def address(self, name: str) -> str:
        """host:port of a node, or of `proxy-remoting`."""
        return f"{HOST}:{self.port(name)}"

    def daemon(self, node: str) -> Daemon:
        """The node's background process."""
        return Daemon(node, self.folder)

    def home(self, node: str) -> Path:
        """What the node, or `tools`, takes for its installation and its user's home; a folder each, as some write there."""
        return self.folder / "home" / node

    def configuration(self, node: str) -> Path:
        """The node's configuration file."""
        return self.folder / (f"{node}.json" if node == "proxy" else f"{node}.properties")

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What clients.json says; empty when the set was never made."""
        known: dict[str, Any] = json.loads(self.clients.read_text()) if self.clients.exists() else {}
        return known

    def credentials(self, user: str = "administrator") -> Credentials | None:
        """Who may do everything, or the `application`, which may send and consume; None without ACLs."""
        known = self.facts["acl"]
        return Credentials(**known[user]) if known else None

    def write_clients(self) -> None:
        """Make secrets, and write them with everything else a client needs, unless that exists."""
        if self.facts:
            return
        users = {"administrator": ADMINISTRATOR, "application": APPLICATION}
        with_proxy = "proxy" in self.nodes
        facts = {
            "version": self.version,
            "cluster": CLUSTER,
            "broker_name": BROKER_NAME,
            "name_servers": [self.address("namesrv")],
            "brokers": {node: self.address(node) for node in BROKERS},
            "proxy": {"grpc": self.address("proxy"), "remoting": self.address("proxy-remoting")} if with_proxy else None,
            "ca": str(self.certificates.ca),
            "acl": {who: {"access_key": key, "secret_key": secrets.token_hex(16)} for who, key in users.items()}
            if self.acl
            else None,
        }
        write_private(self.clients, json.dumps(facts, indent=2) + "\n")
        self.__dict__.pop("facts", None)

    def write_configuration(self, node: str) -> None:
        """Write the node's home, and its configuration unless that exists: brokers keep in it what was changed while they ran."""
        # What unpacks native libraries there leaves them when it is killed.
        shutil.rmtree(self.home(node) / "tmp", ignore_errors=True)
        self.write_home(node)
        if self.configuration(node).exists():
            return
        match node:
            case "namesrv":
                text = _filled("namesrv.properties", {"port": str(self.port(node))})
            case "proxy":
                text = json.dumps(self._proxy(), indent=2) + "\n"
            case _:
                text = self._broker(node)
        write_private(self.configuration(node), text)

    def write_home(self, node: str) -> None:
        """Write what the node, or `tools`, looks for in its home."""
        folder = self.home(node) / "conf"
        folder.mkdir(parents=True, exist_ok=True)
        (self.home(node) / "tmp").mkdir(exist_ok=True)
        # RocketMQ 4 looks for these names and no others; for RocketMQ 5 the command line names the file.
        logging = "tools-logback.xml" if node == "tools" else "logback.xml"
        for name in ("logback_namesrv.xml", "logback_broker.xml", "logback_tools.xml"):
            shutil.copyfile(SOURCES / logging, folder / name)
        if not self.acl:
            return
        values = self._secrets()
        write_private(folder / "tools.yml", f"accessKey: {values['admin_key']}\nsecretKey: {values['admin_secret']}\n")
        rules = folder / "plain_acl.yml"
        if is_4(self.version) and node in BROKERS and not rules.exists():
            write_private(rules, _filled("plain_acl.yml", values))

    def _broker(self, node: str) -> str:
        values = {
            "cluster": CLUSTER,
            "name": BROKER_NAME,
            "id": str(BROKERS[node]),
            "role": ROLES[node],
            "namesrv": self.address("namesrv"),
            "port": str(self.port(node)),
            "data": str(self.folder / "data" / node),
            # A slave has nothing to do at a time of its own.
            "timer": "true" if node == "master" else "false",
            **self._secrets(),
        }
        if is_4(self.version):
            return _filled("broker.properties", values) + ("aclEnable=true\n" if self.acl else "")
        parts = ["broker.properties", "broker-5.properties", *(["broker-5-acl.properties"] if self.acl else [])]
        return "".join(_filled(part, values) for part in parts)

    def _proxy(self) -> dict[str, Any]:
        settings = {
            "rocketMQClusterName": CLUSTER,
            "proxyMode": "cluster",
            "namesrvAddr": self.address("namesrv"),
            "localServeAddr": HOST,
            "grpcServerPort": self.port("proxy"),
            "remotingListenPort": self.port("proxy-remoting"),
            "tlsTestModeEnable": False,
            "tlsKeyPath": str(self.certificates.folder / "server.key"),
            "tlsCertPath": str(self.certificates.folder / "server.pem"),
            "grpcShutdownTimeSeconds": 5,
        }
        if not self.acl:
            return settings
        values = self._secrets()
        inner = {"accessKey": values["admin_key"], "secretKey": values["admin_secret"]}
        return settings | {
            "authenticationEnabled": True,
            "authenticationMetadataProvider": f"{AUTH}AuthenticationMetadataProvider",
            "authorizationEnabled": True,
            "authorizationMetadataProvider": f"{AUTH}AuthorizationMetadataProvider",
            "innerClientAuthenticationCredentials": json.dumps(inner),
            "enableAclRpcHookForClusterMode": True,
        }

    def _secrets(self) -> dict[str, str]:
        """Placeholders of the templates; none without ACLs."""
        if not self.acl:
            return {}
        known = self.facts["acl"]
        return {
            "admin_key": known["administrator"]["access_key"],
            "admin_secret": known["administrator"]["secret_key"],
            "application_key": known["application"]["access_key"],
            "application_secret": known["application"]["secret_key"],
        }


def _filled(template: str, values: dict[str, str]) -> str:
    return string.Template((SOURCES / template).read_text()).substitute(values)
