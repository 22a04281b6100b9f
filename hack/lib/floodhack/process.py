"""Background processes that outlive the script: started with a pid file and a log, found again, ended by pid.

A pid alone may belong to somebody else by now, after a crash or a reboot. So the pid file also keeps the start time
in the kernel's ticks and the machine's boot id, and a process counts as ours only while all three agree. Signals go
through a pidfd, so that they cannot hit a successor either. Every process also carries the mark FLOODWARDEN_RUN in its
environment: `strays` finds what a killed script left without a pid file.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from floodhack.errors import HackError

MARK = "FLOODWARDEN_RUN"
KEPT_LOGS = 2
STOP_SECONDS = 10.0


def boot_id() -> str:
    """What names this boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_ticks(pid: int) -> int | None:
    """When the process began, in clock ticks since boot; None when it is gone or a zombie."""
    try:
        # The command name, in parentheses, may hold spaces: fields are counted after it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


@dataclass(frozen=True)
class Daemon:
    """One background process of an instance: `<folder>/<name>.pid` and `<folder>/logs/<name>.log`."""

    name: str
    folder: Path

    @property
    def pid_file(self) -> Path:
        """Where pid, start time and boot id are kept."""
        return self.folder / f"{self.name}.pid"

    @property
    def log(self) -> Path:
        """The current log; those of earlier runs are `<name>.1.log` and `<name>.2.log`."""
        return self.folder / "logs" / f"{self.name}.log"

    def pid(self) -> int | None:
        """The pid while our process lives, else None."""
        try:
            known = json.loads(self.pid_file.read_text())
        except (OSError, ValueError):
            return None
        if known["boot"] != boot_id() or start_ticks(known["pid"]) != known["ticks"]:
            return None
        return int(known["pid"])

    def start(self, args: Sequence[str | Path], env: Mapping[str, str] | None = None, cwd: Path | None = None) -> bool:
        """Start the process in a session of its own unless it already lives; whether it was started."""
        if self.pid() is not None:
            return False
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._rotate()
        environment = {**os.environ, **(env or {}), MARK: str(self.folder)}
        with self.log.open("ab") as out:
            try:
                process = subprocess.Popen(
                    [str(arg) for arg in args],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    env=environment,
                    cwd=cwd or self.folder,
                    start_new_session=True,
                )
            except OSError as error:
                raise HackError(f"cannot start {self.name}: {error}") from error
        ticks = start_ticks(process.pid)
        draft = self.pid_file.with_suffix(".pid.new")
        draft.write_text(json.dumps({"pid": process.pid, "ticks": ticks, "boot": boot_id()}))
        draft.rename(self.pid_file)
        return True

    def stop(self, seconds: float = STOP_SECONDS) -> bool:
        """End the process (SIGTERM, SIGKILL after `seconds`) and drop the pid file; whether there was one to end."""
        pid = self.pid()
        ended = pid is not None and end(pid, seconds)
        self.pid_file.unlink(missing_ok=True)
        return ended

    def died(self) -> str | None:
        """Why waiting for this process is no use, or None while it lives; fits `waiting.until(dead=…)`."""
        return None if self.pid() is not None else f"{self.name} has ended; see {self.log}"

    def _rotate(self) -> None:
        if not self.log.exists() or self.log.stat().st_size == 0:
            return
        for age in range(KEPT_LOGS, 0, -1):
            older = self.log.with_name(f"{self.name}.{age}.log")
            newer = self.log if age == 1 else self.log.with_name(f"{self.name}.{age - 1}.log")
            if newer.exists():
                newer.replace(older)


def end(pid: int, seconds: float = STOP_SECONDS) -> bool:
    """End one process and wait until it is gone: SIGTERM, then SIGKILL after `seconds`; whether it lived.

    HackError when even SIGKILL does not end it within ten seconds.
    """
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, STOP_SECONDS)):
            try:
                signal.pidfd_send_signal(handle, number)
            except ProcessLookupError:
                return True
            if select.select([handle], [], [], patience)[0]:
                return True
    finally:
        os.close(handle)
    raise HackError(f"process {pid} does not end, not even by SIGKILL; see `ps -p {pid} -o stat,wchan,args`")


def strays(folder: Path) -> Iterator[int]:
    """The pids of all processes that carry the mark of `folder`, with or without a pid file."""
    wanted = f"{MARK}={folder}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            marked = wanted in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        pid = int(entry.name)
        if marked and pid != os.getpid() and start_ticks(pid) is not None:
            yield pid


def resident_mib(pid: int) -> int:
    """The memory that a process has resident, in MiB; 0 where there is none of that number."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20
    except OSError:
        return 0


def clear(folder: Path) -> None:
    """Remove what processes kept in a folder; its logs and locks stay."""
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name != "logs":
            shutil.rmtree(entry)
        elif entry.is_file() and entry.suffix != ".lock":
            entry.unlink()
