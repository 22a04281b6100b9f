"""The native engine: a Kubernetes cluster out of plain processes on 127.0.0.1, for machines without Docker.

Control plane and node are described in `controlplane` and `node`; here is their life: up, down, repair, restart, status.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from floodhack.component import Component
from floodhack.controlplane import ControlPlane
from floodhack.errors import HackError
from floodhack.gobuild import KUBERNETES
from floodhack.instance import Instance
from floodhack.locking import lock
from floodhack.node import NAME as NODE_NAME
from floodhack.node import Node
from floodhack.presence import ensure_commands
from floodhack.process import Daemon, boot_id
from floodhack.progress import say
from floodhack.waiting import until

CONTROL_PLANE = ("etcd", "apiserver", "controller-manager", "scheduler")
CONTROL_PLANE_PROGRAMS = ("kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
NODE = ("containerd", "kubelet")
COMPONENTS = (*CONTROL_PLANE, *NODE)
# They come back late once they have lost the API server for long, so they are restarted with it.
FOLLOWERS = ("controller-manager", "scheduler")
NODE_SECONDS = 120.0
# The API server waits for its watches, which do not end by themselves.
STOP_SECONDS = 4.0


@dataclass(frozen=True)
class Native:
    """The native cluster of one instance."""

    instance: Instance

    @property
    def folder(self) -> Path:
        """The instance's cluster folder."""
        return self.instance.cluster

    @property
    def control(self) -> ControlPlane:
        """Its control plane."""
        return ControlPlane(self.instance)

    @property
    def node(self) -> Node:
        """Its node."""
        return Node(self.control)

    def up(self, *, with_node: bool) -> None:
        """Bring the cluster up, or repair it: afterwards everything runs and pods can be made."""
        if with_node and os.geteuid() != 0:
            raise HackError("a node needs root where no Docker engine answers: run it with sudo, or start Docker")
        ensure_commands({"etcd": "etcd-server", "openssl": "openssl"})
        KUBERNETES.ensure(*(() if with_node else CONTROL_PLANE_PROGRAMS))
        with self._lock():
            state = self._state()
            if state and state["boot"] != boot_id():
                say("what an earlier boot of the machine left is removed; the cluster starts afresh")
                self._remove()
                state = {}
            if state:
                self._refuse_another_version(state)
            else:
                self._keep_old_logs()
            with_node = with_node or bool(state.get("node"))
            self.folder.mkdir(parents=True, exist_ok=True)
            self._remember(with_node)
            self.control.prepare()
            self._run(self._components(with_node), with_node)

    def down(self) -> None:
        """End everything and remove all but the logs, whatever state the cluster is in."""
        with self._lock():
            self._remove()

    def running(self) -> bool:
        """Whether there is a cluster, be it a broken one."""
        return bool(self._state())

    def start(self, name: str) -> None:
        """Start one component and those that follow it."""
        with self._lock():
            self._run([self._component(name)], with_node=False)

    def stop(self, name: str) -> None:
        """Stop one component."""
        with self._lock():
            if not Daemon(self._component(name).name, self.folder).stop(STOP_SECONDS):
                say(f"{name} was not running")

    def status(self) -> tuple[bool, list[str]]:
        """Whether all is well, and what to tell, line by line."""
        state = self._state()
        if not state:
            return False, [f"no cluster (instance {self.instance.number}); `hack/cluster up` makes one"]
        if state["boot"] != boot_id():
            return False, ["what is left of a cluster before the machine's last boot; `hack/cluster up` starts afresh"]
        well = True
        self._refuse_another_version(state)
        lines = [f"native cluster, instance {self.instance.number}, Kubernetes {KUBERNETES.version}"]
        for component in self._components(bool(state["node"])):
            pid = component.daemon.pid()
            serving = pid is not None and component.ready()
            well = well and serving
            shown = "serving" if serving else "running, not ready" if pid else f"not running, see {component.daemon.log}"
            lines.append(f"  {component.name:<19} {shown}" + (f", pid {pid}" if pid else ""))
        if state["node"]:
            ready = self.control.api.node_ready(NODE_NAME)
            well = well and ready
            lines.append(f"  node {NODE_NAME:<14} {'Ready' if ready else 'not ready'}")
        lines.append(f"kubeconfig: {self.instance.kubeconfig}")
        return well, lines

    def load(self, archive: Path) -> None:
        """Import an image archive into the node."""
        if not self._state().get("node"):
            raise HackError("this cluster has no node to load an image into; run `hack/cluster up` first")
        self.node.load(archive)

    def api_in_pods(self) -> str:
        """Where pods on the host's network find the API server."""
        return f"127.0.0.1:{self.control.api_port}"

    def _run(self, components: Iterable[Component], with_node: bool) -> None:
        waiting = list(components)
        started = [component.name for component in waiting if component.name in ("etcd", "containerd") and component.begin()]
        for component in waiting:
            if component.name == "kubelet":
                self.node.load_pause()
            if component.begin() or component.name in started:
                started.append(component.name)
                component.wait()
                say(f"{component.name} serves")
            if component.name == "apiserver" and "apiserver" in started:
                self._restart_followers(waiting)
        until(self.control.api.accounts_ready, seconds=NODE_SECONDS, what="waiting for the default service account")
        if with_node:
            until(
                lambda: self.control.api.node_ready(NODE_NAME),
                seconds=NODE_SECONDS,
                what="waiting for the node to be Ready",
                dead=self._component("kubelet").daemon.died,
            )

    def _restart_followers(self, already_waiting: list[Component]) -> None:
        for name in FOLLOWERS:
            follower = self._component(name)
            if follower.daemon.stop() and follower.name not in [component.name for component in already_waiting]:
                follower.begin()
                follower.wait()
                say(f"{name} serves again")

    def _components(self, with_node: bool) -> list[Component]:
        control = self.control.components()
        if not with_node:
            return control
        self.node.prepare()
        return [*control, self.node.containerd(), self.node.kubelet()]

    def _component(self, name: str) -> Component:
        state = self._state()
        if not state:
            raise HackError("no cluster; run `hack/cluster up` first")
        self._refuse_another_version(state)
        for component in self._components(bool(state["node"])):
            if component.name == name:
                return component
        raise HackError(f"this cluster has no {name}; it was made with --control-plane-only")

    def _remove(self) -> None:
        self.node.remove()
        for name in reversed(CONTROL_PLANE):
            Daemon(name, self.folder).stop(seconds=1)
        if not self.folder.exists():
            return
        for entry in self.folder.iterdir():
            if entry.name == "logs":
                continue
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _keep_old_logs(self) -> None:
        logs, older = self.folder / "logs", self.folder / "logs" / "last-run"
        if not logs.exists():
            return
        shutil.rmtree(older, ignore_errors=True)
        entries = list(logs.iterdir())
        older.mkdir()
        for entry in entries:
            entry.rename(older / entry.name)

    def _lock(self) -> AbstractContextManager[None]:
        return lock(self.instance.run / "cluster.lock", f"the cluster of instance {self.instance.number}")

    def _state(self) -> dict[str, object]:
        try:
            state: dict[str, object] = json.loads((self.folder / "state.json").read_text())
        except (OSError, ValueError):
            return {}
        return state

    def _remember(self, with_node: bool) -> None:
        state = {"boot": boot_id(), "node": with_node, "version": KUBERNETES.version}
        (self.folder / "state.json").write_text(json.dumps(state))

    def _refuse_another_version(self, state: dict[str, object]) -> None:
        made = state.get("version", KUBERNETES.version)
        if made != KUBERNETES.version:
            raise HackError(
                f"the cluster of instance {self.instance.number} is Kubernetes {made}, not {KUBERNETES.version}: "
                f"end it by `hack/cluster down`, or set {KUBERNETES.chosen_by}"
            )
