"""Builds the images of deploy/Dockerfile: with docker where an engine answers, else with buildah on a base of our own.

An image carries the hash of what it was built from as a label, so nothing is built twice. Buildah keeps its layers in the cache.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from floodhack import leftovers
from floodhack.baseimage import BASE_IMAGE, base_archive
from floodhack.errors import HackError
from floodhack.instance import CHECKOUT, cache_dir
from floodhack.kind import docker_answers
from floodhack.locking import lock
from floodhack.node import overlays
from floodhack.presence import ensure_commands
from floodhack.progress import run_logged, say

DOCKERFILE = CHECKOUT / "deploy" / "Dockerfile"
LABEL = "dev.floodwarden.inputs"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Target:
    """One image of the Dockerfile: its stage, its usual name, and what it is made from, relative to the checkout.

    `slow` is the stage whose layers take long and seldom change, where there is one.
    """

    stage: str
    slow: str | None
    tag: str
    inputs: tuple[str, ...]
    dockerfile: Path = DOCKERFILE


TARGETS = {
    target.stage: target
    for target in (
        Target(
            "operator",
            "dependencies",
            "localhost/floodwarden:dev",
            ("hack/requirements/build.txt", "hack/requirements/runtime.txt", "pyproject.toml", "README.md", "operator"),
        ),
        Target(
            "demo",
            "demo-dependencies",
            "localhost/floodwarden-demo:dev",
            ("hack/requirements/build.txt", "hack/requirements/demo.txt", "hack/demo_clients"),
        ),
        # What the tests upgrade from; on top of the operator's image, which has to be there.
        Target(
            "previous",
            None,
            "localhost/floodwarden:previous",
            ("hack/requirements/runtime.txt", "tests/e2e/previous"),
            CHECKOUT / "tests" / "e2e" / "previous" / "Dockerfile",
        ),
    )
}


def _files(target: Target) -> Iterator[Path]:
    for name in ("deploy/Dockerfile", ".dockerignore", *target.inputs):
        path = CHECKOUT / name
        if path.is_dir():
            yield from sorted(f for f in path.rglob("*") if f.is_file() and "__pycache__" not in f.parts)
        elif path.exists():
            yield path


def inputs_hash(target: Target, base: str) -> str:
    """What the image is made from, as one hash."""
    digest = hashlib.sha256(base.encode())
    for path in _files(target):
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(CHECKOUT)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


class Builder(ABC):
    """A program that builds images; what docker and buildah have in common."""

    base: str

    def ensure(self, target: Target, tag: str) -> bool:
        """Build the image unless the one of that name has the same inputs; whether it was built."""
        with self._lock():
            wanted = inputs_hash(target, self.base)
            if self._label(tag) == wanted:
                return False
            say(f"building {tag} ({type(self).__name__.lower()})")
            self._build(target, tag, ["--target", target.stage, "--label", f"{LABEL}={wanted}", "-t", tag])
            return True

    def save(self, tag: str, archive: Path) -> None:
        """Write the image to a docker archive."""
        with self._lock():
            self._save(tag, archive)

    def run(self, tag: str, *command: str) -> str:
        """What a command prints in a container of the image; HackError when it fails."""
        with self._lock():
            return self._run(tag, *command)

    @staticmethod
    def _lock() -> AbstractContextManager[None]:
        return lock(cache_dir() / "images" / "build.lock", "the images")

    @abstractmethod
    def _save(self, tag: str, archive: Path) -> None: ...

    @abstractmethod
    def _run(self, tag: str, *command: str) -> str: ...

    @abstractmethod
    def identity(self, tag: str) -> str:
        """The id of the image; HackError when there is none."""

    @abstractmethod
    def _build(self, target: Target, tag: str, options: list[str]) -> None: ...

    @abstractmethod
    def _label(self, tag: str) -> str: ...


class Docker(Builder):
    """Builds with a Docker engine, on the public base image that the Dockerfile names."""

    base = ""

    def _save(self, tag: str, archive: Path) -> None:
        _run("docker", "save", "-o", archive, tag)

    def _run(self, tag: str, *command: str) -> str:
        return _run("docker", "run", "--rm", "--network=none", "--entrypoint", command[0], tag, *command[1:])

    def identity(self, tag: str) -> str:
        """The id of the image; HackError when there is none."""
        return _run("docker", "image", "inspect", "--format", "{{.Id}}", tag).strip()

    def _build(self, target: Target, tag: str, options: list[str]) -> None:
        command: list[str | Path] = ["docker", "build", "-f", target.dockerfile, *options, CHECKOUT]
        run_logged(command, what=f"building {tag}", log=cache_dir() / "logs" / "image.log")

    def _label(self, tag: str) -> str:
        return _ask("docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', tag)


class Buildah(Builder):
    """Builds with buildah, on a base image made from this distribution."""

    base = BASE_IMAGE

    def __init__(self) -> None:
        ensure_commands({"buildah": "buildah"})
        if os.geteuid() != 0:
            raise HackError("building images without a Docker engine needs root: run it with sudo, or start Docker")
        self.storage = cache_dir() / "images" / "storage"
        self.storage.mkdir(parents=True, exist_ok=True)
        driver = "overlay" if overlays(self.storage) else "vfs"
        places: list[str | Path] = ["--root", self.storage, "--runroot", self.storage / "run"]
        self.buildah = ["buildah", *places, "--storage-driver", driver]

    def _save(self, tag: str, archive: Path) -> None:
        archive.unlink(missing_ok=True)
        _run(*self.buildah, "push", "--quiet", tag, f"docker-archive:{archive}:{tag}")
        self._tidy()

    def _run(self, tag: str, *command: str) -> str:
        container = _run(*self.buildah, "from", "--pull-never", tag).strip()
        try:
            return _run(*self.buildah, "run", "--isolation", "chroot", container, "--", *command)
        finally:
            _ask(*self.buildah, "rm", container)
            self._tidy()

    def identity(self, tag: str) -> str:
        """The id of the image; HackError when there is none."""
        return _run(*self.buildah, "inspect", "--type", "image", "--format", "{{.FromImageID}}", tag).strip()

    def _build(self, target: Target, tag: str, options: list[str]) -> None:
        log = cache_dir() / "logs" / "image.log"
        if not _ask(*self.buildah, "images", "--quiet", BASE_IMAGE):
            pull = [*self.buildah, "pull", "--quiet", f"docker-archive:{base_archive()}"]
            run_logged(pull, what="taking in the base image", log=log)
        # Where a proxy ends TLS, its authority is in the machine's bundle: lent to the build, not left in the image.
        settings = self.storage.with_name("pip.conf")
        settings.write_text(f"[global]\ncert = {CERTIFICATES}\n")
        lent = {CERTIFICATES: CERTIFICATES, settings: Path("/etc/pip.conf")} if CERTIFICATES.exists() else {}
        volumes = [part for here, there in lent.items() for part in ("-v", f"{here}:{there}:ro")]
        build = [
            *self.buildah, "build", "--isolation", "chroot", "--layers", "--format", "docker",
            "--build-arg", f"BASE={BASE_IMAGE}", *volumes, "-f", target.dockerfile,
        ]  # fmt: skip
        try:
            if target.slow:
                # With a name the slow layers outlive the pruning of those that nothing uses any more.
                named = ["--target", target.slow, "-t", f"localhost/floodwarden-{target.slow}"]
                run_logged([*build, *named, CHECKOUT], what=f"building the {target.slow} of {tag}", log=log)
            run_logged([*build, *options, CHECKOUT], what=f"building {tag}", log=log)
            _ask(*self.buildah, "rmi", "--prune")
        except BaseException:
            # A build that ends halfway leaves its container behind, mounted.
            _ask(*self.buildah, "rm", "--all")
            raise
        finally:
            self._tidy()

    def _label(self, tag: str) -> str:
        return _ask(*self.buildah, "inspect", "--type", "image", "--format", f'{{{{index .OCIv1.Config.Labels "{LABEL}"}}}}', tag)

    def _tidy(self) -> None:
        leftovers.unmount_below(self.storage)


def builder() -> Builder:
    """The builder for this machine; FLOODWARDEN_ENGINE=native means buildah even where Docker answers."""
    if os.environ.get("FLOODWARDEN_ENGINE") != "native" and docker_answers():
        return Docker()
    return Buildah()


def _ask(*args: str | Path) -> str:
    """What the command prints, stripped; empty when it fails, as it does for an image that is not there."""
    return subprocess.run(args, capture_output=True, text=True, check=False).stdout.strip()


def _run(*args: str | Path) -> str:
    done = subprocess.run(args, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise HackError(f"`{' '.join(map(str, args))}` failed: {done.stderr.strip()}")
    return done.stdout
