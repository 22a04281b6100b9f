"""Short programs on the JVM spend most of their time on loading classes: what one has loaded is kept for all that follow it.

The archive (Java's "AppCDS") lies beside the jars, in the cache. One program's archive serves all that share its class path; one
that does not fit, as after an update of Java, is left aside by the JVM without a word. Measured for kafka-topics: 1.2 → 0.6 CPU
seconds.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NAME = "classes.jsa"
# The JVM would tell on standard output which classes it cannot keep.
QUIET = "-Xlog:disable"


def kept(jars: Path) -> tuple[str, ...]:
    """Java's options that make use of what is kept beside these jars; none where nothing is."""
    archive = jars / NAME
    return (QUIET, f"-XX:SharedArchiveFile={archive}") if archive.exists() else ()


def run(jars: Path, command: Sequence[str], **how: Any) -> subprocess.CompletedProcess[Any]:
    """Run ``java …`` as ``subprocess.run`` does. The first that ends by itself leaves the archive, which takes some seconds."""
    java, *rest = command
    options = kept(jars)
    if options:
        return subprocess.run([java, *options, *rest], **how)
    draft = jars / f"{NAME}.{os.getpid()}"
    try:
        done = subprocess.run([java, QUIET, f"-XX:ArchiveClassesAtExit={draft}", *rest], **how)
        if done.returncode >= 0 and draft.exists():  # a signal would have left a part of it
            draft.replace(jars / NAME)
        return done
    finally:
        draft.unlink(missing_ok=True)
