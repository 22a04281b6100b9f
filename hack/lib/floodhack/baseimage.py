"""The base image for machines that reach no registry of images: this distribution's Python, put together by debootstrap."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from floodhack.archive import write_image
from floodhack.errors import HackError
from floodhack.instance import cache_dir
from floodhack.locking import lock
from floodhack.presence import ensure_commands
from floodhack.progress import run_logged, say

# Counted up whenever what is made here changes.
VERSION = 2
BASE_IMAGE = f"localhost/floodwarden-base:{VERSION}"
# Where a distribution keeps the packages below; Debian's are all in main.
COMPONENTS = {"ubuntu": "main,universe"}
PACKAGES = "python3,python3-venv,ca-certificates"
# What apt needs at run time only, and what nobody reads in a container.
USELESS = ("var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/doc", "usr/share/man", "usr/share/locale")


def base_archive() -> Path:
    """The archive with the base image, made unless the cache has it: about a minute."""
    release = platform.freedesktop_os_release()
    suite = release.get("VERSION_CODENAME", "")
    archive = cache_dir() / "images" / f"base-{VERSION}-{release['ID']}-{suite}-{platform.machine()}.tar"
    with lock(cache_dir() / "images" / "base.lock", "the base image"):
        if not archive.exists():
            ensure_commands({"debootstrap": "debootstrap", "tar": "tar"})
            _build(archive, release["ID"], suite)
    return archive


def _build(archive: Path, distribution: str, suite: str) -> None:
    mirror = _mirror(suite)
    say(f"making the base image from this distribution ({suite}), once")
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix="base-") as scratch:
        root = Path(scratch) / "root"
        run_logged(
            [
                "debootstrap",
                "--variant=minbase",
                f"--components={COMPONENTS.get(distribution, 'main')}",
                f"--include={PACKAGES}",
                suite,
                root,
                mirror,
            ],
            what="debootstrap",
            log=cache_dir() / "logs" / "base-image.log",
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )
        for name in USELESS:
            shutil.rmtree(root / name, ignore_errors=True)
            (root / name).mkdir(parents=True)
        layer = Path(scratch) / "layer.tar"
        subprocess.run(["tar", "--numeric-owner", "--one-file-system", "-C", root, "-cf", layer, "."], check=True)
        write_image(archive, layer, BASE_IMAGE, {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "Cmd": ["python3"]})


def _mirror(suite: str) -> str:
    """The mirror that apt is set up with for the suite."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in listed.stdout.splitlines():
        codename, _, address = line.partition(" ")
        if codename == suite and address.startswith(("http", "file")):
            return address
    raise HackError(f"apt names no mirror for {suite}; set up apt's sources, or build with docker and a public base image")
