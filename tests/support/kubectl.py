"""kubectl for tests: apply, read, wait with a deadline. The fixture ``kubectl`` gives one for the cluster under test.

Objects are read without kubectl's process, see ``api_reader``; ``run`` is for what kubectl itself shows or does.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from floodhack.errors import HackError
from floodhack.waiting import until
from tests.support.api_reader import ApiReader
from tests.support.api_reader import KubectlError as KubectlError
from tests.support.api_reader import Object as Object

Manifest = str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]]


class Kubectl:
    """Runs one cluster's kubectl. Kinds may be given as kubectl takes them: ``fwbp``, ``deployments``, ``events``."""

    def __init__(self, program: Path, kubeconfig: Path) -> None:
        self._start = (str(program), f"--kubeconfig={kubeconfig}")
        self._reader = ApiReader(kubeconfig)

    def run(self, *args: str, stdin: str | None = None, within: float = 60.0) -> str:
        """Standard output of ``kubectl args``; KubectlError with what it said where it fails or takes over ``within`` seconds."""
        command = [*self._start, *args]
        try:
            done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=within, check=False)
        except subprocess.TimeoutExpired as error:
            raise KubectlError(f"kubectl {' '.join(args)} took over {within:g} s") from error
        if done.returncode != 0:
            raise KubectlError(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def start(self, *args: str) -> subprocess.Popen[str]:
        """``kubectl args`` under way, its output to be read line by line, such as of a watch; whoever starts it ends it."""
        return subprocess.Popen([*self._start, *args], stdout=subprocess.PIPE, text=True)

    def apply(self, manifest: Manifest, *args: str, namespace: str | None = None) -> str:
        """``kubectl apply`` of a file or folder (Path), YAML text, or one or several objects; unknown fields are refused."""
        command = ["apply", "--validate=strict", *args, *_in(namespace)]
        if isinstance(manifest, Path):
            return self.run(*command, "-f", str(manifest))
        return self.run(*command, "-f", "-", stdin=_text(manifest))

    def would_store(self, manifest: Manifest, *, namespace: str | None = None, careless: bool = False) -> Object:
        """One object as the API server would store it, defaults filled in; nothing is stored. ``careless``: as for a client that
        does not ask for unknown fields to be refused."""
        args = ("--dry-run=server", "-o", "json", *(("--validate=ignore",) if careless else ()))
        stored: Object = json.loads(self.apply(manifest, *args, namespace=namespace))
        return stored

    def get(self, kind: str, name: str, *, namespace: str = "default") -> Object:
        """One object; KubectlError where there is none."""
        return self._reader.one(kind, name, namespace)

    def objects(self, kind: str, *, namespace: str = "default", selector: str = "") -> list[Object]:
        """The objects of a kind, or of several with commas between, in a namespace."""
        return [one for each in kind.split(",") for one in self._reader.some(each, namespace, label_selector=selector)]

    def delete(self, kind: str, name: str, *, namespace: str = "default", wait: bool = True) -> None:
        """Delete an object if it is there, and by default wait until it is gone."""
        self.run("delete", kind, name, "--ignore-not-found", f"--wait={str(wait).lower()}", *_in(namespace))

    def write_status(self, kind: str, name: str, status: Mapping[str, Any], *, namespace: str = "default") -> Object:
        """Merge into an object's status, through the status subresource; the object as it is then."""
        patch = json.dumps({"status": dict(status)})
        args = ("patch", kind, name, "--subresource=status", "--type=merge", "-p", patch, "-o", "json")
        patched: Object = json.loads(self.run(*args, *_in(namespace)))
        return patched

    def events(self, kind: str, name: str, *, namespace: str = "default") -> list[Object]:
        """The Events about one object, oldest first. The kind is written in full, as in a manifest."""
        about = f"involvedObject.kind={kind},involvedObject.name={name}"
        found = self._reader.some("events", namespace, field_selector=about)
        return sorted(found, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))

    def wait_until(
        self, kind: str, name: str, holds: Callable[[Object], bool], *, namespace: str = "default", within: float = 30.0
    ) -> Object:
        """The object as soon as ``holds`` is true of it; KubectlError with its last state after ``within`` seconds."""
        found: Object = {}

        def held() -> bool:
            nonlocal found
            found = self.get(kind, name, namespace=namespace)
            return holds(found)

        try:
            until(held, seconds=within, what=f"{kind}/{name}", every=0.2)
        except HackError as error:
            last = yaml.safe_dump(found.get("status"), sort_keys=False)
            raise KubectlError(f"what was waited for did not come: {error}; its status:\n{last}") from error
        return found

    def wait_for_condition(
        self,
        kind: str,
        name: str,
        condition: str,
        *,
        status: str = "True",
        reason: str | None = None,
        namespace: str = "default",
        within: float = 30.0,
    ) -> Object:
        """The condition as soon as it has this status (and reason, where one is given); KubectlError after ``within`` seconds."""

        def holds(found: Object) -> bool:
            given = conditions(found).get(condition, {})
            return given.get("status") == status and reason in (None, given.get("reason"))

        return conditions(self.wait_until(kind, name, holds, namespace=namespace, within=within))[condition]


def conditions(found: Object) -> dict[str, Object]:
    """An object's conditions by type."""
    return {condition["type"]: condition for condition in found.get("status", {}).get("conditions") or ()}


def _in(namespace: str | None) -> tuple[str, ...]:
    return () if namespace is None else (f"--namespace={namespace}",)


def _text(manifest: str | Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    if isinstance(manifest, str):
        return manifest
    objects = [manifest] if isinstance(manifest, Mapping) else manifest
    return yaml.safe_dump_all([dict(item) for item in objects], sort_keys=False)
