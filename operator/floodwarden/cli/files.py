"""Files that commands are given, and the end of a command that was given something wrong: one line, exit status 2."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, TypeVar

import typer

from floodwarden.api.manifests import ManifestError
from floodwarden.core.text import plain
from floodwarden.sim.scenario import WrongInput

WRONG: Final = 2  # exit status
SUFFIXES: Final = (".yaml", ".yml", ".json")
LINE_BYTES: Final = 2000  # of what is said of one thing that is wrong

Result = TypeVar("Result")


def understood(file: Path, largest: int, understand: Callable[[str], Result]) -> Result:
    """What a file says; where it cannot be read or understood, the end, with a word on what to do. - is standard input."""
    name = name_of(file)
    try:
        if str(file) == "-":
            content = sys.stdin.buffer.read(largest + 1)
        else:
            with file.open("rb") as opened:
                content = opened.read(largest + 1)
        if len(content) > largest:
            raise WrongInput(f"it is larger than {largest / 1e6:g} MB; give a smaller one")
        return understand(content.decode("utf-8-sig"))
    except OSError as error:
        raise wrong(name, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise wrong(name, "it is no text in UTF-8") from error
    except (ManifestError, WrongInput) as error:
        raise wrong(name, str(error)) from error


def expanded(paths: Iterable[Path]) -> list[Path]:
    """The files, and the manifests in folders, as ``kubectl --filename`` takes them: not those in folders below."""
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        try:
            found = sorted(one for one in path.iterdir() if one.suffix in SUFFIXES and one.is_file())
        except OSError as error:
            raise wrong(str(path), f"cannot be read: {error.strerror}") from error
        if not found:
            raise wrong(str(path), f"there is no manifest in this folder: give one with files that end in {', '.join(SUFFIXES)}")
        files += found
    return files


def name_of(file: Path) -> str:
    """A file's name for people."""
    return "standard input" if str(file) == "-" else str(file)


def wrong(what: str, why: str) -> typer.Exit:
    """Say what is wrong; raise what is returned."""
    typer.echo(plain(f"floodwarden: {what}: {why}", LINE_BYTES), err=True)
    return typer.Exit(WRONG)
