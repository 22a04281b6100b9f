"""The pure parts of the demo's clients, and its manifests."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from floodhack.demo_plan import FULL
from floodhack.demo_stages import manifest
from hack.demo_clients.rate import HIGHEST, current, wish

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        (f"700 {NOW + 60}", 700.0),
        (f"700 {NOW}", 60.0),
        (f"0 {NOW + 60}", 0.0),
        (f"-5 {NOW + 60}", 0.0),
        (f"1e9 {NOW + 60}", HIGHEST),
        ("", 60.0),
        ("700", 60.0),
        ("fast please", 60.0),
    ],
    ids=["wished", "over", "silence", "negative", "too much", "empty", "no end", "not numbers"],
)
def test_a_wish_for_a_rate(text: str, rate: float) -> None:
    """A wish holds until its end; what cannot be understood is no wish."""
    assert wish(text, NOW, 60.0) == rate


def test_no_file_is_no_wish(tmp_path: Path) -> None:
    assert current(tmp_path / "rate", NOW, 60.0) == 60.0


@pytest.mark.parametrize("name", ["clients.yaml", "policy.yaml"])
def test_manifests_are_filled_completely(name: str) -> None:
    """Every name in braces has a value, and what comes out is YAML with a kind and a name."""
    text = manifest(name, FULL, ["127.0.0.1:9092", "127.0.0.1:9192"], "localhost/demo:dev")
    assert "$" not in text
    documents = list(yaml.safe_load_all(text))
    assert all(document["kind"] and document["metadata"]["name"] for document in documents)


def test_the_policy_carries_the_plans_numbers() -> None:
    broker, policy = yaml.safe_load_all(manifest("policy.yaml", FULL, ["127.0.0.1:9092"], "unused"))
    assert broker["spec"]["kafka"]["bootstrapServers"] == ["127.0.0.1:9092"]
    assert policy["spec"]["maxLag"] == {"messages": FULL.max_lag_messages, "seconds": FULL.max_lag_seconds}
    assert policy["spec"]["consumers"]["maxReplicas"] == FULL.max_replicas
