"""Floodwarden as a Helm release in the cluster under test, with the image of this checkout."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from floodhack.engine import choose
from floodhack.errors import HackError
from floodhack.gobuild import HELM, KUBERNETES
from floodhack.imagebuild import TARGETS
from floodhack.instance import CHECKOUT, Instance
from floodhack.kustomize import CHART, NAMESPACE

NAME = "floodwarden"
PORT = 8180  # beside the demo's on the node's network
WAIT = ("--wait", "--timeout=120s")


def load_image() -> None:
    """Build the operator's image if need be, and bring it into the node."""
    if subprocess.run([sys.executable, CHECKOUT / "hack" / "image", "load"], stdout=sys.stderr, check=False).returncode != 0:
        raise HackError("hack/image load failed: run it by hand")


def port() -> int:
    """Where the operator listens, on 127.0.0.1 of the node."""
    return Instance.current().port(PORT)


def values() -> dict[str, Any]:
    """The chart's values for this cluster: the image of the checkout, on the node's network, where brokers and API server are."""
    repository, tag = TARGETS["operator"].tag.rsplit(":", 1)
    host, api_port = choose(Instance.current()).api_in_pods().rsplit(":", 1)
    return {
        "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
        # One node, and on its network a port is there once.
        "replicas": 1,
        "hostNetwork": True,
        "listen": {"address": "127.0.0.1", "port": port()},
        "apiServer": {"host": host, "port": int(api_port)},
    }


class ReleaseError(AssertionError):
    """helm ended with an error; the text is what it said, and the end of the operator's log."""


class Release:
    """The release `floodwarden` in the namespace that the documentation names."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig

    def attempt(self, *args: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run helm in the release's namespace, whatever comes of it."""
        command: list[str | Path] = [
            HELM.ensure() / "helm",
            f"--kubeconfig={self._kubeconfig}",
            f"--namespace={NAMESPACE}",
            *args,
        ]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=180)

    def run(self, *args: str, stdin: str | None = None) -> str:
        """The same, when it has to succeed; its output. ReleaseError says what helm and the operator said."""
        done = self.attempt(*args, stdin=stdin)
        if done.returncode != 0:
            raise ReleaseError(f"helm {' '.join(args)}: {done.stderr}{self._last_words()}")
        return done.stdout

    def _last_words(self) -> str:
        place = (f"--kubeconfig={self._kubeconfig}", f"--namespace={NAMESPACE}")
        command: list[str | Path] = [KUBERNETES.bin / "kubectl", *place, "logs", "deployment/floodwarden", "--tail=30"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        return f"the operator's log:\n{done.stdout}{done.stderr}"

    def put(self, *args: str, chart: Path = CHART, more: Mapping[str, Any] | None = None) -> None:
        """Install the release or upgrade it, with more values on top of those for this cluster, and wait until it is ready."""
        given = json.dumps({**values(), **(more or {})})
        self.run("upgrade", "--install", NAME, str(chart), "--create-namespace", *WAIT, "--values", "-", *args, stdin=given)

    def remove(self) -> str:
        """Uninstall the release if it is there, and wait until it is gone; what helm says."""
        return self.run("uninstall", NAME, "--ignore-not-found", *WAIT)
