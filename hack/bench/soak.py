"""`make soak`: half an hour with a thousand policies that come, change and go, and the memory stays what it was.

Also that the API server is left in peace: watches that it ends are taken up where they were and nothing is listed again, and
what does not change is not written. The operator is the installed program, seen from outside: /proc, its /metrics and probes,
and a proxy that counts its requests. Prints a table, writes .bench/soak.json, and ends with status 1 where a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import linear_regression, median

from account import Account, account
from fleet import API, add, fleet, name_of, topics
from ground import Ground, ground
from operator_run import Operator, operator
from timing import looks, settled, window
from traffic import traffic

from floodhack.api_proxy import ApiProxy
from floodhack.errors import HackError
from floodhack.instance import CHECKOUT
from floodhack.progress import say, script
from floodhack.waiting import until
from floodwarden.api.crd import RESOURCES

RESULTS = CHECKOUT / ".bench" / "soak.json"
EVERY = 5.0  # seconds between two looks
CHURN = 1.0  # seconds between two changes of the fleet
SHARE = 10  # one topic in so many has traffic
RATE = 1  # messages per second and partition
ENDED_EVERY = 45.0  # seconds between two ends of all watches, beside those that the API server ends itself
QUIET = 60.0  # seconds of the last phase, in which nothing changes
SEED = 4
BOUNDS = {
    "memory_growth": 0.05,  # of the last third over the second
    "watcher_lists": len(RESOURCES),  # the first of each kind; every other list would be one again
    "idle_writes_per_minute": 6,
    "not_alive": 0,
    "tracebacks": 0,
}


@dataclass
class Samples:
    """What was seen every few seconds: seconds since the begin, and MiB resident."""

    at: list[float] = field(default_factory=list)
    rss: list[float] = field(default_factory=list)
    not_alive: int = 0

    def add(self, at: float, rss: float, alive: bool) -> None:
        """One look."""
        self.at.append(at)
        self.rss.append(rss)
        self.not_alive += not alive

    def third(self, number: int) -> float:
        """The median of a third of the time (0, 1, 2), in MiB."""
        bounds = [index * len(self.rss) // 3 for index in (number, number + 1)]
        return median(self.rss[slice(*bounds)])

    def slope(self) -> float:
        """MiB per hour after the first third, which is for warming up."""
        begin = len(self.at) // 3
        return linear_regression(self.at[begin:], self.rss[begin:]).slope * 3600


class Churn:
    """Changes one policy after the other: edits it, or deletes it and makes it again."""

    def __init__(self, stage: Ground, space: str, policies: int) -> None:
        self._api, self._space, self._policies = stage.api, space, policies
        self._choose = random.Random(SEED)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="churn", daemon=True)
        self.edited = self.replaced = 0
        self.failed: Exception | None = None
        self._thread.start()

    def close(self) -> None:
        """End; HackError where a change failed."""
        self._end.set()
        self._thread.join()
        if self.failed is not None:
            raise HackError(f"a policy could not be changed: {self.failed}")

    def _run(self) -> None:
        while not self._end.wait(CHURN) and self.failed is None:
            try:
                self._change(self._choose.randrange(self._policies))
            except (HackError, OSError) as error:
                self.failed = error

    def _change(self, number: int) -> None:
        path = f"/apis/{API}/namespaces/{self._space}/backlogpolicies/{name_of(number)}"
        if self._choose.random() < 0.5:
            change = {"spec": {"maxLag": {"messages": self._choose.randrange(500, 5000)}}}
            self._api.send("PATCH", path, change, content="application/merge-patch+json")
            self.edited += 1
            return
        self._api.delete(path)
        until(lambda: not self._api.get(path), seconds=30, what=f"{path} gone")  # no finalizer holds it
        add(self._api, self._space, number)
        self.replaced += 1


@contextmanager
def churn(stage: Ground, space: str, policies: int) -> Iterator[Churn]:
    """Changes as long as the context lasts."""
    running = Churn(stage, space, policies)
    try:
        yield running
    finally:
        running.close()


def soak(stage: Ground, who: Account, policies: int, minutes: float) -> dict[str, float]:
    """The figures."""
    folder = stage.instance.run / "bench"
    with ApiProxy(stage.instance.kubeconfig) as proxy:
        through = replace(who, kubeconfig=proxy.kubeconfig(folder / "through-proxy"))
        with fleet(stage, policies) as space, operator(stage, through) as process:
            process.log.unlink(missing_ok=True)
            process.start()
            until(lambda: process.decided() >= policies, seconds=300, what=f"{policies} policies decided", dead=process.died)
            seen = Samples()
            names = [name_of(number) for number in range(0, policies, SHARE)]
            with traffic(stage, names, RATE), churn(stage, space, policies) as changes:
                _look_on(process, proxy, seen, minutes * 60)
            watches = proxy.count("watch")
            idle = _idle_writes(proxy)
            return {
                "soak_policies": policies,
                "soak_minutes": minutes,
                "edited": changes.edited,
                "replaced": changes.replaced,
                "rss_mib_first_third": seen.third(0),
                "rss_mib_second_third": seen.third(1),
                "rss_mib_last_third": seen.third(2),
                "rss_mib_per_hour": seen.slope(),
                "memory_growth": seen.third(2) / seen.third(1) - 1,
                "watches": watches,
                "watcher_lists": sum(number for agent, number in proxy.lists.items() if agent.startswith("kopf")),
                "idle_writes_per_minute": idle,
                "not_alive": seen.not_alive,
                "tracebacks": process.log.read_text().count("Traceback"),
            }


def _look_on(process: Operator, proxy: ApiProxy, seen: Samples, seconds: float) -> None:
    ended = said = 0.0
    for passed in looks(seconds, EVERY):
        if process.died():
            raise HackError(str(process.died()))
        seen.add(passed, _resident(process.pid), process.alive())
        if passed - ended >= ENDED_EVERY:
            proxy.end_watches()
            ended = passed
        if passed - said >= 60:
            say(f"  {passed / 60:.0f} min: {seen.rss[-1]:.0f} MiB; lists by {dict(proxy.lists)}")
            said = passed


def _idle_writes(proxy: ApiProxy) -> float:
    """Writes per minute, without leases, once the last changes have been told."""
    settled(lambda: _writes(proxy), quiet=10, seconds=300, what="nothing more to write")
    before = _writes(proxy)
    window(QUIET)
    return (_writes(proxy) - before) / (QUIET / 60)


def _writes(proxy: ApiProxy) -> int:
    return proxy.count("create", "update", "patch", "delete") - proxy.count(
        "create", "update", "patch", "delete", resource="leases"
    )


def _resident(pid: int) -> float:
    """MiB resident now."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0]) / 1024


def missed(results: dict[str, float]) -> Sequence[str]:
    """The bounds that do not hold."""
    return [f"{name} is {results[name]:.3g}, not at most {bound:g}" for name, bound in BOUNDS.items() if results[name] > bound]


def main() -> int:
    """Soak, print, write; the exit status."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--policies", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=30.0)
    asked = parser.parse_args()
    with ground() as stage, account(stage) as who, topics(stage, asked.policies):
        results = {name: round(value, 4) for name, value in soak(stage, who, asked.policies, asked.minutes).items()}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    for name, value in results.items():
        bound = f"   at most {BOUNDS[name]:g}" if name in BOUNDS else ""
        print(f"{name:28} {value:>12,.4g}{bound}")
    for line in missed(results):
        print(f"missed: {line}", file=sys.stderr)
    return 1 if missed(results) else 0


if __name__ == "__main__":
    script(main)
