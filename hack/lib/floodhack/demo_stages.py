"""The demo's stages from a bare machine to steady traffic: cluster, brokers, images, Helm, topic or queue, policy, clients.

Each can be repeated: what is there is used, what an interrupted run left is cleaned away. `demo_run` goes on from here.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from floodhack.demo_broker import DemoBroker
from floodhack.demo_plan import Plan
from floodhack.demo_shell import Shell
from floodhack.engine import choose
from floodhack.errors import HackError
from floodhack.imagebuild import TARGETS
from floodhack.instance import CHECKOUT
from floodhack.progress import say

RELEASE = "floodwarden"
SYSTEM_NAMESPACE = "floodwarden-system"
MANIFESTS = CHECKOUT / "hack" / "demo_manifests"
OPERATOR_PORT = 8080
WAIT = "--timeout=120s"


@dataclass(frozen=True)
class Ground:
    """What the demo stands on, and the stages that lay it."""

    shell: Shell
    plan: Plan
    broker: DemoBroker

    def stages(self) -> list[tuple[str, Callable[[], None]]]:
        """Every stage with what it is called, in order."""
        plan, broker = self.plan, self.broker
        return [
            ("a Kubernetes cluster with a node", lambda: self.shell.script("cluster", "up")),
            (broker.words.servers, lambda: self.shell.script("brokers", "up", broker.kind)),
            ("the image of Floodwarden", lambda: self.shell.script("image", "load")),
            ("the image of the demo's clients", lambda: self.shell.script("image", "load", "--target", "demo")),
            ("Floodwarden, by Helm", self.install),
            (f"a clean namespace {plan.namespace} and {broker.words.source}", self.clean),
            (f"producer {plan.producer} and consumers {plan.deployment}, {plan.min_replicas} pods", self.start_clients),
            ("a MessageBroker and a BacklogPolicy", self.apply_policy),
        ]

    def install(self) -> None:
        """Install the chart or upgrade to it, and wait until the operator is ready."""
        self._clear_interrupted_release()
        instance = self.shell.instance
        host, port = choose(instance).api_in_pods().rsplit(":", 1)
        tag = TARGETS["operator"].tag
        repository, version = tag.rsplit(":", 1)
        # The tag stays the same when the image is built again; what it was built from is what makes new pods.
        identity = (instance.cluster / "images" / tag.replace("/", "_")).read_text().strip()
        values = {
            "image": {"repository": repository, "tag": version, "pullPolicy": "Never"},
            "podAnnotations": {"floodwarden.dev/image": identity},
            # One node, and on its network a port is there once.
            "replicas": 1,
            "hostNetwork": True,
            "apiServer": {"host": host, "port": int(port)},
            "listen": {"address": "127.0.0.1", "port": instance.port(OPERATOR_PORT)},
        }
        chart = str(CHECKOUT / "charts" / "floodwarden")
        path = self.shell.folder / "values.json"
        path.write_text(json.dumps(values, indent=2))
        place = ("--namespace", SYSTEM_NAMESPACE, "--create-namespace")
        try:
            self.shell.helm("upgrade", "--install", RELEASE, chart, *place, "--values", str(path), "--wait", WAIT)
        except HackError as error:
            raise HackError(f"{error}\nthe operator's last words: {self._last_words()}") from error
        say(f"  {RELEASE} is ready in namespace {SYSTEM_NAMESPACE}")

    def clean(self) -> None:
        """Remove what an earlier demo left, and make topic or queue."""
        self.shell.kubectl("delete", "namespace", self.plan.namespace, "--ignore-not-found", "--wait", WAIT)
        self.broker.fresh()

    def start_clients(self) -> None:
        """Start producer and consumers and wait until they run."""
        for name in ("namespace.yaml", f"{self.broker.kind}-clients.yaml", "clients.yaml"):
            self._apply(name)
        for name in (self.plan.deployment, self.plan.producer):
            self.shell.kubectl("rollout", "status", f"deployment/{name}", "-n", self.plan.namespace, WAIT)

    def apply_policy(self) -> None:
        """Tell Floodwarden what to watch, and wait until it says that it does."""
        for name in (f"{self.broker.kind}.yaml", "policy.yaml"):
            self._apply(name)
        for resource in ("messagebroker/main", f"backlogpolicy/{self.plan.policy}"):
            self.shell.kubectl("wait", "--for=condition=Ready", resource, "-n", self.plan.namespace, WAIT)
            say(f"  {resource} is Ready")

    def _apply(self, name: str) -> None:
        self.shell.kubectl("apply", "-f", "-", text=manifest(name, self.plan, self.broker.values(), TARGETS["demo"].tag))

    def _last_words(self) -> str:
        try:
            return self.shell.kubectl("logs", "-n", SYSTEM_NAMESPACE, f"deployment/{RELEASE}", "--tail=3").strip() or "none"
        except HackError as error:
            return str(error)

    def _clear_interrupted_release(self) -> None:
        """A helm that was interrupted leaves a release that refuses every upgrade; its resources are kept or made again."""
        listed = json.loads(self.shell.helm("list", "--namespace", SYSTEM_NAMESPACE, "--output", "json") or "[]")
        status = next((release["status"] for release in listed if release["name"] == RELEASE), "")
        if status.startswith("pending") or status in ("failed", "uninstalling"):
            say(f"  an interrupted installation ({status}) is removed first")
            self.shell.helm("uninstall", RELEASE, "--namespace", SYSTEM_NAMESPACE, "--wait", WAIT)


def manifest(name: str, plan: Plan, broker: Mapping[str, str], image: str) -> str:
    """One file of hack/demo_manifests with its names filled in; `broker` has those that differ between kinds of brokers."""
    return string.Template((MANIFESTS / name).read_text()).substitute({**asdict(plan), "image": image, **broker})


def lay(ground: Ground) -> None:
    """Carry out all stages with a line each; HackError says which one failed and what to do."""
    stages = ground.stages()
    for number, (title, stage) in enumerate(stages, 1):
        say(f"{number}/{len(stages)} {title}")
        try:
            stage()
        except HackError as error:
            raise HackError(f"stage {number}, {title}: {error}") from error
