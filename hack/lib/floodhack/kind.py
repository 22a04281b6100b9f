"""The engine for machines with Docker: a kind cluster per instance.

The brokers listen on the machine's 127.0.0.1, which a kind node, a container, does not share. So that the same addresses work
in pods with `hostNetwork: true`: the node sends what goes to its own 127.0.0.1 at a broker's port to the Docker network's
gateway, where a relay (`floodhack.relay`) passes it on to the machine's 127.0.0.1.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from floodhack.errors import HackError
from floodhack.gobuild import KIND, KUBERNETES
from floodhack.instance import CHECKOUT, Instance
from floodhack.locking import lock
from floodhack.process import Daemon
from floodhack.progress import run_logged, say

KAFKA_PORTS = tuple(listener + 100 * node for node in range(3) for listener in range(9092, 9096))
CREATE_SECONDS = "180s"
DOCKER_SECONDS = 20.0


def docker_answers() -> bool:
    """Whether there is a Docker engine to talk to."""
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=DOCKER_SECONDS, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@dataclass(frozen=True)
class Kind:
    """The kind cluster of one instance."""

    instance: Instance

    @property
    def name(self) -> str:
        """kind's name for the cluster."""
        return f"floodwarden-{self.instance.number}"

    @property
    def container(self) -> str:
        """The container that is the node."""
        return f"{self.name}-control-plane"

    @property
    def log(self) -> Path:
        """What kind said."""
        return self.instance.cluster / "logs" / "kind.log"

    @property
    def relay(self) -> Daemon:
        """The relay from Docker's network to the brokers."""
        return Daemon("relay", self.instance.cluster)

    def up(self, *, with_node: bool) -> None:
        """Bring the cluster up, or start it again; kind always has a node, whatever `with_node` says."""
        kind = KIND.ensure() / "kind"
        KUBERNETES.ensure("kubectl")
        with self._lock():
            self.instance.cluster.mkdir(parents=True, exist_ok=True)
            kubeconfig: list[str | Path] = ["--name", self.name, "--kubeconfig", self.instance.kubeconfig]
            if self.running():
                _run("docker", "start", self.container)
                run_logged([kind, "export", "kubeconfig", *kubeconfig], what="writing the kubeconfig", log=self.log)
            else:
                config = CHECKOUT / "hack" / "kind.yaml"
                create: list[str | Path] = [kind, "create", "cluster", *kubeconfig, "--config", config, "--wait", CREATE_SECONDS]
                run_logged(create, what=f"creating the kind cluster {self.name}", log=self.log)
            self._connect_brokers()

    def down(self) -> None:
        """Delete the cluster and end the relay."""
        with self._lock():
            self.relay.stop()
            if not self.running():
                return
            delete: list[str | Path] = [KIND.ensure() / "kind", "delete", "cluster", "--name", self.name]
            run_logged(delete, what=f"deleting the kind cluster {self.name}", log=self.log)
            self.instance.kubeconfig.unlink(missing_ok=True)

    def running(self) -> bool:
        """Whether the node's container exists."""
        listed = _run("docker", "ps", "--all", "--quiet", "--filter", f"name=^{self.container}$")
        return bool(listed.strip())

    def status(self) -> tuple[bool, list[str]]:
        """Whether all is well, and what to tell, line by line."""
        if not self.running():
            return False, [f"no cluster (instance {self.instance.number}); `hack/cluster up` makes one"]
        alive = _run("docker", "inspect", "--format", "{{.State.Running}}", self.container).strip() == "true"
        relayed = self.relay.pid() is not None
        return alive and relayed, [
            f"kind cluster {self.name}",
            f"  node container      {'running' if alive else 'stopped; `hack/cluster up` starts it'}",
            f"  relay to brokers    {'running' if relayed else f'not running, see {self.relay.log}'}",
            f"kubeconfig: {self.instance.kubeconfig}",
        ]

    def load(self, archive: Path) -> None:
        """Import an image archive into the node."""
        load: list[str | Path] = [KIND.ensure() / "kind", "load", "image-archive", archive, "--name", self.name]
        run_logged(load, what="loading the image into kind", log=self.log)

    def api_in_pods(self) -> str:
        """Where pods on the host's network find the API server."""
        return "127.0.0.1:6443"

    def start(self, name: str) -> None:
        """Not offered: kind's components are static pods of its node."""
        raise HackError(f"{name} cannot be started by itself under kind; FLOODWARDEN_ENGINE=native has components to stop")

    stop = start

    def _connect_brokers(self) -> None:
        gateways = _run("docker", "network", "inspect", "kind", "--format", "{{range .IPAM.Config}}{{.Gateway}} {{end}}")
        gateway = next((address for address in gateways.split() if ":" not in address), None)
        if gateway is None:
            raise HackError("the Docker network `kind` has no IPv4 gateway; delete it (`docker network rm kind`) and try again")
        ports = [str(self.instance.port(port)) for port in KAFKA_PORTS]
        self.relay.start([sys.executable, Path(__file__).with_name("relay.py"), gateway, *ports])
        node = ["docker", "exec", self.container]
        _run(*node, "sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
        to_brokers = ["-d", "127.0.0.1/32", "-p", "tcp", "-m", "multiport", "--dports", ",".join(ports)]
        self._rule(["OUTPUT", *to_brokers, "-j", "DNAT", "--to-destination", gateway])
        self._rule(["POSTROUTING", "-s", "127.0.0.1/32", "-d", f"{gateway}/32", "-j", "MASQUERADE"])
        say(f"brokers on 127.0.0.1 are reachable from pods on the node's network, by way of {gateway}")

    def _rule(self, rule: list[str]) -> None:
        iptables = ["docker", "exec", self.container, "iptables", "-t", "nat"]
        if subprocess.run([*iptables, "-C", *rule], capture_output=True, check=False).returncode != 0:
            _run(*iptables, "-A", *rule)

    def _lock(self) -> AbstractContextManager[None]:
        return lock(self.instance.run / "cluster.lock", f"the cluster of instance {self.instance.number}")


def _run(*args: str) -> str:
    done = subprocess.run(args, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise HackError(f"`{' '.join(args)}` failed: {done.stderr.strip()}")
    return done.stdout
