"""Builds the programs the cluster is made of from pinned Go modules, once per version, into the cache.

Each module folder of hack/ (`kubernetes`, `helm`, `kind`) pins by go.mod and go.sum what is built from it. A program is built
to a temporary name and renamed, so what lies in the cache is whole. Where an older release line can be had as well, its module
lies beside, as in `kubernetes-1.29`, and an environment variable chooses it.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from floodhack.errors import HackError
from floodhack.instance import CHECKOUT, cache_dir
from floodhack.locking import lock
from floodhack.presence import ensure_go
from floodhack.progress import run_logged, say


@dataclass(frozen=True)
class GoModule:
    """One module folder of hack/ and the programs built from it: their name → the package."""

    folder: str
    pinned: str
    packages: dict[str, str]
    stamps: Callable[[str], dict[str, str]]
    chosen_by: str = ""
    """The environment variable that asks for another version than the usual one."""

    @property
    def source(self) -> Path:
        """The folder with go.mod and go.sum; HackError when a version is asked for that none has."""
        asked = os.environ.get(self.chosen_by)
        if not asked:
            return CHECKOUT / "hack" / self.folder
        for source, version in self.versions().items():
            if f"{version}.".startswith(f"{asked}."):
                return source
        known = ", ".join(self.versions().values())
        raise HackError(f"{self.chosen_by}={asked!r}: there is no such version of {self.folder} here, only {known}")

    @property
    def version(self) -> str:
        """The version go.mod pins, without the leading v."""
        return self._pinned_in(self.source)

    def versions(self) -> dict[Path, str]:
        """Every version there is a module for, by its folder."""
        folders = [CHECKOUT / "hack" / self.folder, *sorted((CHECKOUT / "hack").glob(f"{self.folder}-*"))]
        return {folder: self._pinned_in(folder) for folder in folders}

    def _pinned_in(self, source: Path) -> str:
        found = re.search(rf"^(?:require )?\s*{re.escape(self.pinned)} v(\S+)", (source / "go.mod").read_text(), re.M)
        if found is None:
            raise HackError(f"{source / 'go.mod'} does not require {self.pinned}; restore the file")
        return found[1]

    @property
    def bin(self) -> Path:
        """Where the programs of this version lie."""
        return cache_dir() / "bin" / f"{self.folder}-{self.version}"

    def ensure(self, *names: str) -> Path:
        """Build what is missing of the programs named, or of all, minutes when nothing is cached; their folder."""
        if self._missing(names):
            with lock(cache_dir() / "bin" / f"{self.folder}.lock", f"building {self.folder}"):
                self._build(self._missing(names))
        return self.bin

    def _missing(self, names: Iterable[str]) -> list[str]:
        return [name for name in (names or self.packages) if not (self.bin / name).exists()]

    def _build(self, names: list[str]) -> None:
        if not names:
            return
        go, environment = ensure_go()
        self.bin.mkdir(parents=True, exist_ok=True)
        flags = " ".join(f"-X {name}={value}" for name, value in self.stamps(self.version).items())
        log = cache_dir() / "logs" / f"build-{self.folder}-{self.version}.log"
        for count, name in enumerate(names, 1):
            began = time.monotonic()
            say(f"building {name} {self.version} ({count} of {len(names)}; cached afterwards in {self.bin})")
            draft = self.bin / f".{name}.new"
            run_logged(
                [go, "build", "-o", draft, "-ldflags", f"-s -w {flags}".strip(), self.packages[name]],
                what=f"building {name}",
                log=log,
                env={**environment, "CGO_ENABLED": "0"},
                cwd=self.source,
            )
            draft.rename(self.bin / name)
            say(f"built {name} in {time.monotonic() - began:.0f} s")


def _kubernetes_stamps(version: str) -> dict[str, str]:
    major, minor, _ = version.split(".", 2)
    component = "k8s.io/component-base/version"
    return {
        f"{component}.gitVersion": f"v{version}",
        f"{component}.gitMajor": major,
        f"{component}.gitMinor": minor,
        "k8s.io/client-go/pkg/version.gitVersion": f"v{version}",
    }


KUBERNETES = GoModule(
    folder="kubernetes",
    pinned="k8s.io/kubernetes",
    packages={
        **{
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in ("kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
        },
        "pause": "./pause",
    },
    stamps=_kubernetes_stamps,
    chosen_by="FLOODWARDEN_KUBERNETES",
)

HELM = GoModule(
    folder="helm",
    pinned="helm.sh/helm/v4",
    packages={"helm": "helm.sh/helm/v4/cmd/helm"},
    stamps=lambda version: {"helm.sh/helm/v4/internal/version.version": f"v{version}"},
)

KIND = GoModule(folder="kind", pinned="sigs.k8s.io/kind", packages={"kind": "sigs.k8s.io/kind"}, stamps=lambda _: {})
