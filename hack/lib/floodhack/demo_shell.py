"""Runs kubectl, helm and the other scripts of hack/ for the demo, against the current instance.

Their progress is shown as the demo's own, and everything is kept in `.run/<instance>/demo/demo.log`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from floodhack.errors import HackError
from floodhack.gobuild import HELM, KUBERNETES
from floodhack.instance import CHECKOUT, Instance
from floodhack.progress import say

KUBECTL_SECONDS = 180.0
# The other scripts put the seconds since their own start before each line; here the demo's clock counts.
OWN_CLOCK = re.compile(r"^\[ *[0-9.]+s\] ")


@dataclass(frozen=True)
class Shell:
    """The commands of one instance."""

    instance: Instance

    @property
    def folder(self) -> Path:
        """Where the demo keeps its logs; made on first use."""
        path = self.instance.run / "demo"
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def log(self) -> Path:
        """All that the commands said."""
        return self.folder / "demo.log"

    def script(self, name: str, *args: str) -> None:
        """Run `hack/<name>` and show its progress; HackError when it fails."""
        command = [sys.executable, str(CHECKOUT / "hack" / name), *args]
        shown = " ".join([f"hack/{name}", *args])
        with self.log.open("a") as log:
            print(f"$ {shown}", file=log, flush=True)
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
            assert process.stderr is not None
            for line in process.stderr:
                log.write(line)
                log.flush()
                say("  " + OWN_CLOCK.sub("", line.rstrip()))
            status = process.wait()
        if status != 0:
            raise HackError(f"`{shown}` failed with status {status}; what it said is above and in {self.log}")

    def kubectl(self, *args: str, text: str | None = None) -> str:
        """Run kubectl with `text` as its input; its output. HackError when it fails."""
        return self._run([str(KUBERNETES.bin / "kubectl"), *args], text)

    def helm(self, *args: str) -> str:
        """Run helm; its output. HackError when it fails."""
        return self._run([str(HELM.bin / "helm"), *args], None)

    def broker_tool(self, kind: str, name: str, *args: str) -> str:
        """Run one of the broker's own tools; its output. HackError when it fails."""
        return self._run([sys.executable, str(CHECKOUT / "hack" / "brokers"), "tool", kind, name, *args], None)

    def _run(self, command: list[str], text: str | None) -> str:
        shown = " ".join([Path(command[0]).name, *command[1:]])
        env = {**os.environ, "KUBECONFIG": str(self.instance.kubeconfig)}
        try:
            done = subprocess.run(
                command, input=text, capture_output=True, text=True, check=False, env=env, timeout=KUBECTL_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise HackError(f"`{shown}` did not end within {KUBECTL_SECONDS:.0f} s") from error
        with self.log.open("a") as log:
            print(f"$ {shown}\n{done.stdout[-4000:]}{done.stderr[-4000:]}", file=log)
        if done.returncode != 0:
            raise HackError(f"`{shown}` failed with status {done.returncode}:\n{(done.stderr or done.stdout).strip()}")
        return done.stdout
