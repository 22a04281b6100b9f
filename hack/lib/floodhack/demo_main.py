"""Puts the demo together: ground, story, summary, and what to do when something fails. Called by `hack/demo`."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from floodhack.demo_broker import DemoBroker
from floodhack.demo_brokers import BROKERS, DEFAULT, plan_for
from floodhack.demo_plan import Plan
from floodhack.demo_run import Outcome, Story
from floodhack.demo_shell import Shell
from floodhack.demo_stages import SYSTEM_NAMESPACE, Ground, lay
from floodhack.demo_summary import show, write_picture
from floodhack.demo_timeline import Timeline
from floodhack.demo_view import view_for
from floodhack.errors import HackError
from floodhack.instance import Instance
from floodhack.progress import say


def run(kind: str, *, fast: bool, plain: bool, down_after: bool, picture: Path) -> int:
    """Everything from nothing to the summary; the exit status."""
    plan = plan_for(kind, fast=fast)
    shell = Shell(Instance.current())
    broker = BROKERS[kind](shell.instance, plan)
    console = Console(stderr=False)
    ground = Ground(shell, plan, broker)
    try:
        lay(ground)
        outcome = _story(ground, console, plain=plain)
    except HackError as error:
        say("failed; gathering what the cluster says")
        raise HackError(f"{error}\n{advice(shell, broker, diagnose(shell, plan))}") from error
    except KeyboardInterrupt:
        say("interrupted: what was started still runs, and a spike ends by itself")
        say(f"`{_again(broker)}` starts over, `make clean` ends everything")
        raise
    write_picture(picture, plan, outcome)
    show(console, plan, broker, outcome, picture, left_running=not down_after)
    if not outcome.worked:
        failed = "; ".join(text for holds, text in outcome.proof if not holds)
        raise HackError(f"the demo did not work: {failed}\n{advice(shell, broker, diagnose(shell, plan))}")
    if down_after:
        return down(kind)
    return 0


def down(kind: str) -> int:
    """End the brokers and the cluster; the logs stay."""
    shell = Shell(Instance.current())
    try:
        shell.script("cluster", "down")
    finally:
        shell.script("brokers", "down", kind)
    return 0


def diagnose(shell: Shell, plan: Plan) -> Path:
    """Write what helps to understand a failure into one file, as far as the cluster answers; the file."""
    path = shell.folder / "diagnosis.txt"
    looks = [
        ("get", "pods", "-A", "-o", "wide"),
        ("get", "messagebrokers,backlogpolicies", "-n", plan.namespace, "-o", "yaml"),
        ("get", "events", "-A", "--sort-by=.lastTimestamp"),
        ("describe", "pods", "-n", SYSTEM_NAMESPACE),
        ("logs", "-n", SYSTEM_NAMESPACE, "-l", "app.kubernetes.io/name=floodwarden", "--tail=300"),
        ("logs", "-n", plan.namespace, f"deployment/{plan.producer}", "--tail=50"),
        ("logs", "-n", plan.namespace, f"deployment/{plan.deployment}", "--tail=50"),
    ]
    with path.open("w") as file:
        for look in looks:
            try:
                said = shell.kubectl("--request-timeout=10s", *look)
            except HackError as error:
                said = str(error)
            file.write(f"$ kubectl {' '.join(look)}\n{said}\n\n")
    return path


def advice(shell: Shell, broker: DemoBroker, diagnosis: Path) -> str:
    """Where to look and what to do after a failure."""
    return "\n".join(
        [
            f"  what the cluster said:   {diagnosis}",
            f"  what the demo did:       {shell.log}",
            f"  cluster's logs:          {shell.instance.cluster / 'logs'}",
            f"  brokers' logs:           {shell.instance.broker(broker.kind) / 'logs'}",
            f"  `{_again(broker)}` tries again from here; `make clean` ends everything, for a fresh start.",
        ]
    )


def _again(broker: DemoBroker) -> str:
    """The command that repeats this demo."""
    return "make demo" if broker.kind == DEFAULT else f"make demo BROKER={broker.kind}"


def _story(ground: Ground, console: Console, *, plain: bool) -> Outcome:
    broker = ground.broker
    timeline = Timeline(ground.plan.max_lag_messages, lag_of=broker.words.lag, rate_window=broker.rate_window)
    with view_for(timeline, console, plain=plain) as view:
        return Story(ground.shell, ground.plan, broker, timeline, view).tell()
