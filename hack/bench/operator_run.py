"""The operator as the bench runs it: the installed program in a process of its own, looked at through /proc and /metrics."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import urllib3
from account import Account
from api import samples
from ground import Ground

from floodhack.errors import HackError
from floodhack.waiting import listening, until

PROGRAM = Path(sys.executable).with_name("floodwarden")
PORT = 8380
DECISIONS = "floodwarden_decisions_total"
TICKS = os.sysconf("SC_CLK_TCK")


class Operator:
    """One process of ``floodwarden run``. ``began`` is when it was started, in seconds of ``time.monotonic``."""

    def __init__(self, ground: Ground, account: Account, number: int = 0) -> None:
        self._ground = ground
        self._account = account
        self._name = f"floodwarden-{number}"
        self._port = ground.instance.port(PORT + number)
        self._http = urllib3.PoolManager(retries=False)
        self._process: subprocess.Popen[bytes] | None = None
        self.log = ground.instance.run / "bench" / f"{self._name}.log"
        self.began = 0.0

    def start(self) -> None:
        """Start it and return at once."""
        assert self._process is None, "it runs already"
        if listening(self._port):  # its answers would be taken for those of ours
            left = "an operator that an aborted bench left"
            raise HackError(f"127.0.0.1:{self._port} is taken, perhaps by {left}: look with ss -ltnp, and end it")
        environment = {
            **os.environ,
            "KUBECONFIG": str(self._account.kubeconfig),
            "POD_NAME": self._name,
            "POD_NAMESPACE": self._account.namespace,
        }
        with self.log.open("ab") as log:
            self.began = time.monotonic()
            command = [str(PROGRAM), "run", "--listen", f"127.0.0.1:{self._port}"]
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it, if it runs, and wait until it is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(30)

    @property
    def pid(self) -> int:
        assert self._process is not None, "it does not run"
        return self._process.pid

    def died(self) -> str | None:
        """Why it will never answer, if it ended by itself."""
        if self._process is None or self._process.poll() is None:
            return None
        return f"it ended with status {self._process.returncode}; see {self.log}"

    def await_ready(self) -> None:
        """Return once /readyz says so."""
        until(lambda: self._get("/readyz")[0] == 200, seconds=120, what="the operator is ready", every=0.2, dead=self.died)

    def alive(self) -> bool:
        """Whether /healthz says so."""
        return self._get("/healthz")[0] == 200

    def metrics(self, *names: str) -> str:
        """Prometheus' text of these metrics only, or of all; empty while nobody answers."""
        status, text = self._get("/metrics?" + "&".join(f"name[]={name}" for name in names))
        return text if status == 200 else ""

    def total(self, name: str) -> float:
        """The sum of a metric's samples."""
        return sum(samples(self.metrics(name), name).values())

    def decided(self) -> int:
        """How many policies were decided at least once."""
        return len({labels.partition(",reason=")[0] for labels in samples(self.metrics(DECISIONS), DECISIONS)})

    def cpu_seconds(self) -> float:
        """CPU time it has used so far, in user and kernel mode."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak_mib(self) -> float:
        """The most memory it ever had resident."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def broker_connections(self) -> int:
        """Its open connections to the brokers."""
        own = {_points_to(entry) for entry in Path(f"/proc/{self.pid}/fd").iterdir()}
        table = [line.split() for line in Path(f"/proc/{self.pid}/net/tcp").read_text().splitlines()[1:]]
        return sum(
            int(row[2].rpartition(":")[2], 16) in self._ground.broker_ports and f"socket:[{row[9]}]" in own for row in table
        )

    def _get(self, path: str) -> tuple[int, str]:
        try:
            answer = self._http.request("GET", f"http://127.0.0.1:{self._port}{path}", timeout=10.0)
        except urllib3.exceptions.HTTPError:
            return 0, ""
        return int(answer.status), str(answer.data.decode())


@contextmanager
def operator(ground: Ground, account: Account, number: int = 0) -> Iterator[Operator]:
    """A process that is started by whoever gets it, and ended at the end in any case."""
    process = Operator(ground, account, number)
    process.log.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield process
    finally:
        process.end()


def _points_to(descriptor: Path) -> str:
    try:
        return os.readlink(descriptor)  # noqa: PTH115 - Path.readlink would resolve a name that is none
    except OSError:
        return ""  # closed meanwhile
