"""Every number of replicas that an object asked for, one after the other, as a watch of kubectl tells them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from floodhack.waiting import until
from tests.support.kubectl import Kubectl


@contextmanager
def replica_log(kubectl: Kubectl, name: str, namespace: str, *, kind: str = "deployment") -> Iterator[list[int]]:
    """A list that grows with every change while the context lasts; it begins with what is asked for now."""
    process = kubectl.start("get", kind, name, "-n", namespace, "--watch", "-o", r"jsonpath={.spec.replicas}{'\n'}")
    seen: list[int] = []

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            value = int(line)
            if not seen or seen[-1] != value:
                seen.append(value)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        until(lambda: bool(seen), seconds=60, what=f"the replicas of {kind} {name}")
        yield seen
    finally:
        process.terminate()
        process.wait(10)
        reader.join(10)
