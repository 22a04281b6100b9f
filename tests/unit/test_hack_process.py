"""Background processes of the hack scripts: found again only while pid, start time and boot agree; ended for sure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from floodhack.errors import HackError
from floodhack.process import Daemon, boot_id, end, start_ticks, strays
from floodhack.waiting import until

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-uc",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(600)",
]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon("sleeper", tmp_path)
    yield made
    made.stop(seconds=1)


def test_starts_once_and_stops(daemon: Daemon) -> None:
    """A second start finds the first process; stop ends it and forgets it."""
    assert daemon.start(SLEEP)
    pid = daemon.pid()
    assert pid is not None
    assert not daemon.start(SLEEP)
    assert daemon.pid() == pid
    assert daemon.stop()
    assert daemon.pid() is None
    assert not daemon.stop()


@pytest.mark.parametrize("field", ["boot", "ticks"])
def test_a_pid_of_somebody_else_is_not_ours(daemon: Daemon, field: str) -> None:
    """After a reboot, or when the pid was given to another process, nothing is found and nothing is ended."""
    known = {"pid": os.getpid(), "ticks": start_ticks(os.getpid()), "boot": boot_id()}
    daemon.pid_file.write_text(json.dumps({**known, field: "another"}))
    assert daemon.pid() is None
    assert not daemon.stop()


def test_ends_what_ignores_sigterm(daemon: Daemon) -> None:
    """SIGKILL follows SIGTERM."""
    daemon.start(STUBBORN)
    until(lambda: "deaf" in daemon.log.read_text(), seconds=20, what="the process ignores SIGTERM")
    assert daemon.stop(seconds=0.1)
    assert daemon.pid() is None


def test_finds_processes_without_a_pid_file(daemon: Daemon) -> None:
    """A script killed between start and pid file leaves a process that can still be found by its mark."""
    daemon.start(SLEEP)
    pid = daemon.pid()
    assert pid is not None
    daemon.pid_file.unlink()
    until(lambda: list(strays(daemon.folder)) == [pid], seconds=20, what="the stray is seen")
    assert end(pid)
    assert list(strays(daemon.folder)) == []


def test_keeps_the_logs_of_earlier_runs(daemon: Daemon) -> None:
    """Each start begins a log; the two before it are kept."""
    for run in range(4):
        daemon.start([sys.executable, "-c", f"print('run {run}')"])
        until(lambda: daemon.pid() is None, seconds=20, what="the process has ended")
    texts = {path.name: path.read_text().strip() for path in daemon.log.parent.iterdir()}
    assert texts == {"sleeper.log": "run 3", "sleeper.1.log": "run 2", "sleeper.2.log": "run 1"}


def test_what_cannot_be_started_is_said(daemon: Daemon) -> None:
    """A missing program is an error with its name, not a traceback."""
    with pytest.raises(HackError, match="cannot start sleeper"):
        daemon.start(["/nowhere/program"])


def test_waiting_ends_when_the_process_does(daemon: Daemon) -> None:
    """Nobody waits out a deadline for a process that has ended; the message names the log."""
    daemon.start([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(HackError, match=r"sleeper has ended; see .*sleeper\.log"):
        until(lambda: False, seconds=60, what="waiting for the sleeper", dead=daemon.died)


def test_end_of_a_process_that_is_gone() -> None:
    """Ending what has ended is no error."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert not end(gone.pid)
