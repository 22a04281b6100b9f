"""The operator as a process of its own, run from the virtual environment against the cluster under test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from floodhack.instance import Instance
from floodhack.waiting import until
from tests.support.canaries import EVIDENCE

PROGRAM = Path(sys.executable).with_name("floodwarden")


class OperatorProcess:
    """``floodwarden run``, started, asked and ended. It may be started again; the log goes on in the same file."""

    def __init__(self, kubeconfig: Path, log: Path, port: int, *args: str, env: Mapping[str, str] | None = None) -> None:
        """``env`` is added to the environment, ``args`` to the command."""
        self.log = log
        self.address = f"127.0.0.1:{port}"
        self._args = args
        # The pod's name stays the same, as that of a container that is started again.
        pod = f"operator-{port}"
        self._env = {**os.environ, "KUBECONFIG": str(kubeconfig), "POD_NAME": pod, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._began_at = 0  # bytes of the log that earlier processes wrote
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        EVIDENCE.keep_file(log)

    def start(self) -> None:
        """Start it and return at once; see ``await_ready``."""
        assert self._process is None, "it runs already"
        self._began_at = self.log.stat().st_size
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "run", "--listen", self.address, "--log-format", "json", *self._args],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
            )

    def await_ready(self, *, within: float = 60.0) -> None:
        """Return once /readyz says so."""
        until(lambda: self.get("/readyz")[0] == 200, seconds=within, what="the operator is ready", every=0.2, dead=self.died)

    def end(self, how: signal.Signals = signal.SIGTERM, *, within: float = 30.0) -> int:
        """End it; the exit status."""
        assert self._process is not None, "it does not run"
        self._process.send_signal(how)
        status = self._process.wait(within)
        self._process = None
        return status

    def finish(self) -> None:
        """End it in order, unless it was ended already. It must not have died, nor ever have logged a traceback."""
        assert self.died() is None, self.died()
        if self.running:
            assert self.end() == 0, self.tail()
        assert "Traceback" not in self.log.read_text(), f"see {self.log}"

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal that does not end it."""
        assert self._process is not None, "it does not run"
        self._process.send_signal(number)

    @property
    def running(self) -> bool:
        return self._process is not None

    def died(self) -> str | None:
        """Why it will never answer, if it ended by itself."""
        if self._process is None or self._process.poll() is None:
            return None
        return f"it ended with status {self._process.returncode}; the end of its log:\n{self.tail()}"

    def tail(self, lines: int = 20) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text().splitlines()[-lines:])

    def records(self) -> list[dict[str, Any]]:
        """What it logged, one object for each line."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def replica(self) -> str | None:
        """The name by which the process that was started last holds Leases; None until it has said so."""
        with self.log.open() as log:
            log.seek(self._began_at)
            told = (json.loads(line) for line in log if line.startswith("{") and line.endswith("\n"))
            return next((str(record["replica"]) for record in told if record["event"] == "started"), None)

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of an answer of its port; (0, why) where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=5) as answer:
                return int(answer.status), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def samples(self, name: str, **labels: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The samples of that name that carry at least these labels, by their other labels."""
        status, text = self.get("/metrics")
        assert status == 200, text
        found: dict[tuple[tuple[str, str], ...], float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    found[_rest(sample.labels, labels)] = sample.value
        return found

    def value(self, name: str, **labels: str) -> float | None:
        """The sum of those samples; None where there is no such series."""
        found = self.samples(name, **labels)
        return sum(found.values()) if found else None


@contextmanager
def operating(kubeconfig: Path, log: str, port: int) -> Iterator[OperatorProcess]:
    """An operator of the current instance that is ready, and finished at the end. ``log`` names its file."""
    instance = Instance.current()
    process = OperatorProcess(kubeconfig, instance.run / log, instance.port(port))
    process.start()
    process.await_ready()
    yield process
    process.finish()


def _rest(all_labels: Mapping[str, str], known: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(item for item in all_labels.items() if item[0] not in known))
