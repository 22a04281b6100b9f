"""The producer's rate, changed while it runs by a file in the pod: `python -m demo_clients.rate 700 90` means 700 msg/s for 90 s.

`kubectl exec` runs this in the producer's pod; `producer.py` reads the file five times a second. The wish ends by itself,
so whoever asked for a spike need not live to end it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from .settings import Settings

HIGHEST = 5000.0


def wish(text: str, now: float, base: float) -> float:
    """Messages a second that a file's text asks for at `now` (seconds since the epoch); `base` when it ended or is unreadable."""
    try:
        rate, end = (float(word) for word in text.split())
    except ValueError:
        return base
    return min(max(rate, 0.0), HIGHEST) if now < end else base


def current(path: Path, now: float, base: float) -> float:
    """The rate to send at now."""
    try:
        return wish(path.read_text(), now, base)
    except OSError:
        return base


def main() -> int:
    """Write the wish; the exit status."""
    settings = Settings()
    try:
        rate, seconds = float(sys.argv[1]), float(sys.argv[2])
    except (IndexError, ValueError):
        print(
            f"usage: demo_clients.rate MESSAGES_PER_SECOND SECONDS   (after that {settings.base_rate:.0f} msg/s again)",
            file=sys.stderr,
        )
        return 2
    draft = settings.control.with_suffix(".new")
    draft.write_text(f"{rate} {time.time() + seconds}\n")
    draft.rename(settings.control)
    print(f"{rate:.0f} msg/s for {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
