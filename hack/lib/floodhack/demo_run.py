"""The demo's story: steady traffic, a spike, what Floodwarden makes of it, and the proof. `demo_stages` has laid the ground.

Every wait has an end, and says what it waited for in vain.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from floodhack.demo_broker import Counting, DemoBroker, Proof
from floodhack.demo_plan import Plan
from floodhack.demo_proof import drained, look, none_lost, scaled
from floodhack.demo_sampler import ClusterLook, Sampler
from floodhack.demo_shell import Shell
from floodhack.demo_timeline import Timeline, Times, times
from floodhack.demo_view import View
from floodhack.errors import HackError
from floodhack.waiting import until

FIRST_READING_SECONDS = 60.0
PROOF_SECONDS = 60.0
# Longer than any proof may take; the pause is ended as soon as there is one.
PAUSE_SECONDS = 120


@dataclass(frozen=True)
class Outcome:
    """What a run showed."""

    timeline: Timeline
    acts: Times
    proof: Proof

    @property
    def worked(self) -> bool:
        """Whether every part of the proof holds."""
        return all(holds for holds, _ in self.proof)


class Story:
    """One run of the traffic, over a timeline that is filled meanwhile."""

    def __init__(self, shell: Shell, plan: Plan, broker: DemoBroker, timeline: Timeline, view: View) -> None:
        self.shell = shell
        self.plan = plan
        self.broker = broker
        self.timeline = timeline
        self.view = view
        self.sampler = Sampler(timeline, broker.look(), ClusterLook(shell.instance.kubeconfig, plan), view.seen)

    def tell(self) -> Outcome:
        """Run it all; HackError as soon as an act fails."""
        plan = self.plan
        self.sampler.start()
        try:
            before = self._steady()
            self._spike()
            proof = self._scaled(before)
            proof += self._drained()
            self._pass((self.timeline.spike_end or 0.0) - time.time())
            if plan.watch_lowering:
                self._lowered()
            if isinstance(self.broker, Counting):
                proof += self._counted(self.broker)
        finally:
            self.sampler.stop()
        return Outcome(self.timeline, self._acts(), proof)

    def _steady(self) -> int:
        """Steady traffic for a while; the replicas that carry it."""
        plan = self.plan
        self.view.act(f"{plan.steady_rate} msg/s for {plan.steady_seconds} s")

        def flowing() -> bool:
            last = self.timeline.last
            return last is not None and last.owners == plan.min_replicas and bool(last.committed) and last.messages is not None

        self._until(flowing, FIRST_READING_SECONDS, "consumers that commit and a first reading by Floodwarden")
        self._pass(plan.steady_seconds)
        last = self.timeline.last
        assert last is not None
        if last.replicas is None or (last.lag or 0) > plan.max_lag_messages:
            much = f"the lag is {last.lag} with {last.replicas} pods"
            raise HackError(f"steady traffic should stay within the limit, but {much}; is the machine busy with something else?")
        return last.replicas

    def _spike(self) -> None:
        plan = self.plan
        self.view.act(f"a spike: {plan.spike_rate} msg/s for {plan.spike_seconds} s")
        # The wish ends by itself in the producer's pod, whatever becomes of this program.
        self._wish(rate_command(plan))
        self.timeline.spike_at = time.time()
        self.timeline.spike_end = self.timeline.spike_at + plan.spike_seconds

    def _scaled(self, before: int) -> Proof:
        plan = self.plan
        self._until(lambda: self._acts().decided is not None, plan.scale_patience, "Floodwarden to scale the Deployment")
        raised = self.timeline.last
        self.view.act(f"Floodwarden scaled {plan.deployment} to {raised.replicas if raised else '?'} replicas; the pods start")
        self._until(lambda: self._acts().pods_ready is not None, plan.ready_patience, "the new pods to be ready")
        self._until(lambda: self._acts().owners_ready is not None, plan.ready_patience, self.broker.words.to_be_at_work)
        self.view.act(
            f"all consumers are at work, the backlog drains; asking {self.broker.words.name}'s own tool and the Deployment"
        )
        return self._proved(lambda: scaled(look(self.shell, plan, self.broker), self.broker.words, before=before))

    def _drained(self) -> Proof:
        plan = self.plan
        what = f"the lag to come back under {plan.max_lag_messages:,} messages"
        self._until(lambda: self._acts().drained is not None, plan.drain_patience, what)
        self.view.act(f"the lag is under the limit again; asking {self.broker.words.name}'s own tool")
        return self._proved(lambda: drained(look(self.shell, plan, self.broker), self.broker.words, plan))

    def _counted(self, broker: Counting) -> Proof:
        """Whether what was confirmed to the producer was processed, once both have nothing left to do."""
        plan = self.plan
        self.view.act("the producer pauses; what was confirmed to it and what its consumers acknowledged is counted")
        self._wish(rate_command(plan, 0, PAUSE_SECONDS))
        try:
            return self._proved(lambda: none_lost(broker.accounts(self.shell)))
        finally:
            self._wish(rate_command(plan, plan.steady_rate, 0))

    def _proved(self, judge: Callable[[], Proof]) -> Proof:
        """Look with the broker's tool and kubectl until all holds; the last look's verdict, which may be that it does not."""
        deadline = time.monotonic() + PROOF_SECONDS
        while True:
            proof = judge()
            if all(holds for holds, _ in proof) or time.monotonic() > deadline:
                return proof

    def _lowered(self) -> None:
        plan = self.plan
        self.view.act(
            f"{plan.steady_rate} msg/s again; Floodwarden waits {plan.stabilization_seconds} s before it takes pods away"
        )

        def lowered() -> bool:
            last = self.timeline.last
            if self._acts().lowered is None or last is None or last.replicas is None:
                return False
            return last.ready == last.replicas <= self.broker.at_rest

        self._until(lowered, plan.lower_patience, f"Floodwarden to go back to {self.broker.at_rest} replicas")
        last = self.timeline.last
        self.view.act(f"{last.replicas if last else '?'} pods again; {plan.after_seconds} s more, to see that they are enough")
        self._pass(plan.after_seconds)

    def _wish(self, command: list[str]) -> None:
        """Run a command in the producer's pod."""
        self.shell.kubectl("exec", "-n", self.plan.namespace, f"deployment/{self.plan.producer}", "--", *command)

    def _acts(self) -> Times:
        return times(self.timeline, self.plan.calm_seconds)

    def _pass(self, seconds: float) -> None:
        """Let time pass, for as long as the sampler lives."""
        end = time.monotonic() + seconds
        self._until(lambda: time.monotonic() >= end, seconds + 10.0, "time to pass")

    def _until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        def dead() -> str | None:
            return None if self.sampler.is_alive() else "the sampler has ended, which it should not"

        try:
            until(condition, seconds=seconds, what=f"waiting for {what}", every=0.2, dead=dead)
        except HackError as error:
            trouble = f" (last trouble of the demo's own readings: {self.sampler.trouble})" if self.sampler.trouble else ""
            raise HackError(f"{error}{trouble}") from error


def rate_command(plan: Plan, rate: int | None = None, seconds: int | None = None) -> list[str]:
    """What to run in the producer's pod for another rate, by default for the spike."""
    wish = (plan.spike_rate if rate is None else rate, plan.spike_seconds if seconds is None else seconds)
    return ["python", "-m", "demo_clients.rate", *map(str, wish)]
