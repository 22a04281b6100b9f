"""What the demo leaves a person with: times, a picture, the proof, the Events, and commands to go on with."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from floodhack.demo_broker import DemoBroker, Words
from floodhack.demo_chart import picture
from floodhack.demo_plan import Plan
from floodhack.demo_run import Outcome, rate_command
from floodhack.demo_stages import RELEASE, SYSTEM_NAMESPACE
from floodhack.demo_svg import svg
from floodhack.demo_timeline import Said, Times, peak, steps

WIDEST = 120


def time_rows(acts: Times, words: Words) -> list[tuple[str, str]]:
    """The acts in words, with the seconds from the beginning of the spike."""
    told = [
        ("the lag passed its limit", acts.over_limit),
        ("Floodwarden scaled the Deployment", acts.decided),
        ("all new pods were ready", acts.pods_ready),
        (words.at_work, acts.owners_ready),
        ("the lag was back under its limit", acts.drained),
        ("the extra pods were taken away", acts.lowered),
    ]
    known = sorted(((at, what) for what, at in told if at is not None), key=lambda row: row[0])
    return [("the spike began", "0.0 s"), *((what, f"{at - acts.spike:.1f} s") for at, what in known)]


def heading(plan: Plan, outcome: Outcome) -> str:
    """The picture's headline."""
    raises = [step for step in steps(outcome.timeline.samples) if step.after > step.before]
    how = {1: "one step", 2: "two steps"}.get(len(raises))
    change = f": {raises[0].before} → {raises[-1].after} consumers in {how}" if how else ""
    return f"{plan.steady_rate} → {plan.spike_rate} messages a second{change}"


def commands(plan: Plan, broker: DemoBroker) -> list[tuple[str, str]]:
    """What to try next, each with what it shows."""
    at = f"-n {plan.namespace}"
    return [
        ('eval "$(hack/cluster env)"', "kubectl and helm for this cluster, in this shell"),
        (f"kubectl get fwmb,fwbp {at}", "lag, replicas and state at a glance"),
        (f"kubectl describe fwbp {plan.policy} {at}", "conditions, what was learnt, the Events"),
        (f"kubectl get events {at} --field-selector involvedObject.kind=BacklogPolicy", "what Floodwarden said"),
        (f"kubectl exec {at} deployment/{plan.producer} -- {' '.join(rate_command(plan))}", "another spike"),
        (f"kubectl get deployment {plan.deployment} {at} --watch", "and watch the replicas follow"),
        (f"kubectl logs {at} deployment/{plan.deployment} --tail=20", "a consumer at work"),
        (f"kubectl logs -n {SYSTEM_NAMESPACE} deployment/{RELEASE} --tail=20", "Floodwarden's own log"),
        (f"hack/brokers tool {broker.kind} {' '.join(broker.tool_command())}", f"the same lag by {broker.words.name}'s own tool"),
        ("make clean", "end the cluster and the brokers"),
    ]


def write_picture(path: Path, plan: Plan, outcome: Outcome) -> None:
    """Write the SVG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(svg(outcome.timeline, heading(plan, outcome)))


def show(console: Console, plan: Plan, broker: DemoBroker, outcome: Outcome, svg_path: Path, *, left_running: bool) -> None:
    """Print the summary."""
    width = min(console.width, WIDEST)
    console.print()
    console.rule("[bold]What happened", align="left")
    console.print(picture(outcome.timeline, width))
    console.print()
    table = Table(box=None, padding=(0, 2), show_header=False)
    table.add_column(justify="right", style="bold")
    table.add_column()
    for what, when in time_rows(outcome.acts, broker.words):
        table.add_row(when, what)
    console.print(table)
    console.print()
    for line in figures(plan, outcome):
        console.print(f"  {line}", highlight=False)
    for note in broker.words.notes:
        console.print(Padding(note, (0, 0, 0, 2)), highlight=False)
    console.print()
    console.rule("[bold]Checked without Floodwarden's help", align="left")
    for holds, text in outcome.proof:
        console.print(Text.assemble(("  ✓ " if holds else "  ✗ ", "green" if holds else "bold red"), text))
    console.print()
    console.rule("[bold]What Floodwarden said", align="left")
    console.print(events_table(outcome.timeline.said))
    if left_running:
        console.print()
        console.rule("[bold]Go on from here: everything still runs", align="left")
        for command, shows in commands(plan, broker):
            console.print(Text.assemble((f"  # {shows}\n", "dim"), f"  {command}"), soft_wrap=True)
    console.print(f"\nThe picture as SVG: {svg_path}", highlight=False, soft_wrap=True)


def figures(plan: Plan, outcome: Outcome) -> list[str]:
    """The run in a few sentences."""
    taken = [f"{step.before} → {step.after}" for step in steps(outcome.timeline.samples)]
    highest = peak(outcome.timeline.samples)
    last = outcome.timeline.last
    lines = [f"Steps taken: {', '.join(taken) or 'none'}."]
    if highest is not None and outcome.timeline.spike_at is not None:
        lines.append(f"Peak lag: {highest[1]:,} messages, {highest[0] - outcome.timeline.spike_at:.1f} s after the spike began.")
    if last is not None and last.lag is not None:
        lines.append(
            f"Lag at the end: {last.lag:,} messages of {last.produced or 0:,} produced; limit {plan.max_lag_messages:,}."
        )
    return lines


def events_table(said: list[Said]) -> Table:
    """Floodwarden's Events, oldest first."""
    table = Table(box=None, padding=(0, 2), header_style="dim")
    table.add_column("time", style="dim", no_wrap=True)
    table.add_column("about", no_wrap=True)
    table.add_column("reason", no_wrap=True)
    table.add_column("message")
    for one in sorted(said, key=lambda event: event.at):
        when = time.strftime("%H:%M:%S", time.localtime(one.at))
        table.add_row(when, one.about, Text(one.reason, style="yellow" if one.warning else "green"), Text(one.message))
    return table
