"""What a JVM has loaded is kept once, by a program that ended by itself, and used from then on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from floodhack import class_archive

JAVA = """
import os, sys
options = dict(option.partition("=")[::2] for option in sys.argv[1:])
if "-XX:ArchiveClassesAtExit" in options:
    open(options["-XX:ArchiveClassesAtExit"], "w").write("classes")
print("with" if "-XX:SharedArchiveFile" in options else "without")
if "--killed" in options:
    os.kill(os.getpid(), 9)
sys.exit(3 if "--fails" in options else 0)
"""


@pytest.fixture
def java(tmp_path: Path) -> str:
    """A program that takes Java's options, and does what Java does with them."""
    program = tmp_path / "java"
    program.write_text(f"#!{sys.executable}\n{JAVA}")
    program.chmod(0o755)
    return str(program)


def said(jars: Path, *command: str) -> str:
    """What the program said."""
    done = class_archive.run(jars, command, stdout=subprocess.PIPE, text=True, check=False)
    return str(done.stdout).strip()


def test_the_second_run_has_what_the_first_one_left(java: str, tmp_path: Path) -> None:
    """Also where the first failed: what it loaded is the same."""
    assert class_archive.kept(tmp_path) == ()
    assert [said(tmp_path, java, "--fails"), said(tmp_path, java)] == ["without", "with"]
    assert [path.name for path in tmp_path.glob("classes*")] == [class_archive.NAME]


def test_a_killed_program_leaves_nothing(java: str, tmp_path: Path) -> None:
    """Half an archive would be worse than none."""
    said(tmp_path, java, "--killed")
    assert not list(tmp_path.glob("classes*"))
