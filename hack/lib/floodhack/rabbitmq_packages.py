"""RabbitMQ and the Erlang it runs on: the distribution's packages, unpacked into the cache and never installed.

Installing them would make a user and enable a system-wide service and epmd; unpacked they need no root, start nothing by
themselves and leave a RabbitMQ that is installed alone. `rabbitmq.py` runs what lies here.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from floodhack.errors import HackError
from floodhack.instance import CHECKOUT, cache_dir
from floodhack.locking import lock
from floodhack.presence import download_packages
from floodhack.progress import say

SOURCES = CHECKOUT / "hack" / "rabbitmq"
# The parts of Erlang that the server's package depends on, and what these depend on.
ERLANG = (
    "asn1", "base", "crypto", "eldap", "ftp", "inets", "mnesia", "os-mon", "parsetools", "public-key", "runtime-tools",
    "snmp", "ssl", "syntax-tools", "tftp", "tools", "xmerl",
)  # fmt: skip
PACKAGES = ("rabbitmq-server", *(f"erlang-{part}" for part in ERLANG))
# Where Debian's start script of Erlang looks for the rest, wherever it lies itself.
ERLANG_ROOT = "/usr/lib/erlang"
TOOLS = ("rabbitmq-diagnostics", "rabbitmq-plugins", "rabbitmq-queues", "rabbitmq-streams", "rabbitmq-upgrade", "rabbitmqctl")


@dataclass(frozen=True)
class Programs:
    """What was unpacked: `root` stands for the root folder of a machine it would be installed on."""

    root: Path

    @property
    def server(self) -> Path:
        """RabbitMQ's own folder."""
        found = sorted((self.root / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
        if len(found) != 1:
            raise HackError(f"no RabbitMQ, or several, in {self.root}; remove that folder and try again")
        return found[0]

    @property
    def version(self) -> str:
        """RabbitMQ's version, such as 3.10.8."""
        return self.server.name.rpartition("-")[2]

    @property
    def erlang(self) -> Path:
        """The folder of `erl` and `epmd`."""
        return self.root / "usr/lib/erlang/bin"

    @property
    def admin(self) -> Path:
        """rabbitmqadmin, a Python script."""
        return self.root / "usr/bin/rabbitmqadmin"

    def tool(self, name: str) -> Path:
        """The start script of one of RabbitMQ's own command-line tools."""
        if name not in TOOLS:
            raise HackError(
                f"RabbitMQ {self.version} has no tool called {name!r}; there are: {', '.join((*TOOLS, 'rabbitmqadmin'))}"
            )
        return self.server / "sbin" / name


def programs() -> Programs:
    """RabbitMQ as this release of the distribution has it, fetched on first use."""
    release = platform.freedesktop_os_release()
    # A release keeps its version of RabbitMQ, so that what is there needs no look at the package lists.
    home = cache_dir() / f"rabbitmq-{release['ID']}-{release.get('VERSION_ID', 'rolling')}"
    done = home / ".complete"
    if done.exists():
        return Programs(home)
    with lock(home.with_suffix(".lock"), "RabbitMQ's packages"):
        if done.exists():
            return Programs(home)
        say("fetching RabbitMQ and Erlang from the distribution (about 35 MB)")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        _unpack(home)
        done.touch()
    return Programs(home)


def _unpack(home: Path) -> None:
    archives = home / "archives"
    archives.mkdir()
    download_packages(PACKAGES, archives)
    for archive in sorted(archives.glob("*.deb")):
        done = subprocess.run(["dpkg-deb", "--extract", archive, home], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise HackError(f"unpacking {archive.name} failed: {done.stderr.strip()}")
    shutil.rmtree(archives)
    relocate(Programs(home).erlang / "erl")


def relocate(script: Path) -> None:
    """Make Erlang's start script look where it lies; HackError when it names no folder, as it would not run."""
    text = script.read_text()
    if ERLANG_ROOT not in text:
        raise HackError(f"{script} does not name {ERLANG_ROOT}: this Erlang is packaged in a way that is not known here")
    script.write_text(text.replace(ERLANG_ROOT, str(script.parents[1])))
