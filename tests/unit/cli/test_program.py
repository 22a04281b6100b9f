"""The installed program itself, under its own name and as a plugin of kubectl."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

INSTALLED = Path(sys.executable).with_name("floodwarden")


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("name", "calls_itself"), [("floodwarden", "floodwarden"), ("kubectl-floodwarden", "kubectl floodwarden")]
)
def test_it_works_under_either_name(tmp_path: Path, name: str, calls_itself: str) -> None:
    """A symlink that kubectl finds is all that is needed, and the help says so."""
    program = tmp_path / name
    program.symlink_to(INSTALLED)
    done = run(program, "explain", "acks")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "acks")
    told = run(program, "--help").stdout
    assert f"Usage: {calls_itself} " in told
    assert "kubectl-floodwarden" in told
