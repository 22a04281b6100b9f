"""``floodwarden explain``: every setting in words."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner, Result

from floodwarden.cli.app import app
from floodwarden.core.delivery.settings import EXPLAINED, Explained


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["explain", *arguments], catch_exceptions=False)


@pytest.mark.parametrize("one", EXPLAINED, ids=lambda one: str(one.name))
def test_all_that_is_known_is_told(one: Explained) -> None:
    """What, where it is asked for, why, what it costs and what it prevents."""
    result = explain(one.name)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == one.name
    told = [line.split(": ", 1)[1].strip() for line in lines[1:]]
    assert told == [
        one.what,
        one.field or "nowhere: it follows from what is asked for, and is only told",
        one.why,
        one.cost,
        one.prevents,
    ]


def test_names_are_taken_as_they_come() -> None:
    """By the broker's key or the policy's field, in any case."""
    for name in ("MIN.INSYNC.REPLICAS", "spec.replication.minInSync", "minInSync", "min_insync_replicas"):
        assert explain(name).stdout.startswith("min.insync.replicas\n")
    assert explain("spec.flush").stdout.startswith("flush.messages\n")


def test_without_a_name_all_are_listed() -> None:
    """One line each."""
    result = explain()
    assert result.exit_code == 0
    assert [line.split("  ")[0] for line in result.stdout.splitlines()] == [one.name for one in EXPLAINED]
    assert all(one.what in result.stdout for one in EXPLAINED)


UNKNOWN = {
    "nearly": (
        "min.insync.replica",
        "there is no setting min.insync.replica; did you mean min.insync.replicas, in-sync replicas or minInSyncReplicas? ",
    ),
    "in capitals": ("RETENTION.M", "did you mean retention.ms"),
    "nothing at all": ("...", "there is no setting .... `floodwarden explain` lists all"),
    "nothing like it": ("compression", "there is no setting compression. `floodwarden explain` lists all"),
    "hostile": ("\x1b[2J\u202e", "there is no setting \\x1b[2J\\u202e. `floodwarden explain` lists all"),
}


@pytest.mark.parametrize(("name", "says"), UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_name_says_what_there_is(name: str, says: str) -> None:
    """On stderr, with exit status 2."""
    result = explain(name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
    assert result.stderr.rstrip().endswith("`floodwarden explain` lists all there are")


def test_a_name_of_several_words() -> None:
    """As `check` tells it, without quotes."""
    assert explain("majority", "of", "members").stdout.startswith("majority of members\n")
