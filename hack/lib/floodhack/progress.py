"""What a person sees while a script works: one line per step on stderr, with the time since the script began.

`run_logged` runs a long command with its output in a file and a sign of life every so often.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from floodhack.errors import HackError

HEARTBEAT_SECONDS = 20.0
TAIL_LINES = 15

_began = time.monotonic()


def say(text: str) -> None:
    """Print one line of progress on stderr."""
    print(f"[{time.monotonic() - _began:6.1f}s] {text}", file=sys.stderr, flush=True)


def tail(path: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log file; empty when there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 400 * lines))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


def run_logged(
    args: Sequence[str | Path],
    *,
    what: str,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run a long command, output appended to `log`, a line every 20 s; HackError with the log's end when it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with log.open("ab") as out:
        process = subprocess.Popen([str(arg) for arg in args], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, cwd=cwd)
        try:
            while True:
                try:
                    status = process.wait(timeout=HEARTBEAT_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    say(f"    … {what}: still working, {time.monotonic() - began:.0f} s (log: {log})")
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if status != 0:
        raise HackError(f"{what} failed with status {status}; the end of {log}:\n{tail(log)}")


def script(main: Callable[[], int]) -> None:
    """Run a script's main function: HackError becomes one line and status 1, an interrupt status 130."""
    try:
        sys.exit(main())
    except HackError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
