"""RocketMQ's jars, from Maven Central by Maven, held against pinned hashes and kept in the cache by version, and the Java
command lines that run them.

`hack/rocketmq/<version>/` names what is fetched (pom.xml) and what that must be (jars.sha256); `rocketmq.py` starts servers and
tools with the command lines made here.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from floodhack.errors import HackError
from floodhack.instance import CHECKOUT, cache_dir
from floodhack.kafka_jars import SMALL_JVM
from floodhack.locking import lock
from floodhack.presence import ensure_java
from floodhack.progress import run_logged, say

# By release line, the oldest of them last. Each has its folder with hashes, so there are no others.
VERSIONS = {"5.5": "5.5.0", "4.9": "4.9.7"}
DEFAULT_VERSION = next(iter(VERSIONS.values()))
SOURCES = CHECKOUT / "hack" / "rocketmq"

TOOLS = {"mqadmin": "org.apache.rocketmq.tools.command.MQAdminStartup"}
# What RocketMQ reaches into to give mapped files back; written for Java 8, which let everybody.
OPENED = tuple(
    f"--add-{how}=java.base/{package}=ALL-UNNAMED"
    for how in ("exports", "opens")
    for package in ("java.nio", "sun.nio.ch", "jdk.internal.ref")
)


def release(asked: str | None) -> str:
    """The version asked for, in full: that of a line such as 4.9, the default for nothing; HackError when it is not here."""
    version = VERSIONS.get(asked, asked) if asked else DEFAULT_VERSION
    if version not in VERSIONS.values():
        raise HackError(f"{asked!r} is no version of RocketMQ that is pinned here; there are {', '.join(VERSIONS)}")
    return version


def is_4(version: str) -> bool:
    """Whether it is of the old line: without a proxy, with access rules in a file."""
    return version.startswith("4.")


def pins(version: str) -> dict[str, str]:
    """The jars of one version: file name → SHA-256, as `sha256sum` writes them."""
    lines = (SOURCES / version / "jars.sha256").read_text().splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def differences(folder: Path, wanted: dict[str, str]) -> list[str]:
    """What is not as pinned in a folder of jars: changed, missing and unexpected ones by name; nothing when all is well."""
    found = {path.name: _digest(path) for path in folder.glob("*.jar")}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def jars(version: str) -> Path:
    """The folder with one version's jars, fetched at the first use; HackError when they cannot be had or are not as pinned."""
    home = cache_dir() / f"rocketmq-{version}"
    done = home / ".complete"
    if done.exists():
        return home
    ensure_java()
    with lock(cache_dir() / f"rocketmq-{version}.lock", f"the jars of RocketMQ {version}"):
        if done.exists():
            return home
        wanted = pins(version)
        say(f"fetching RocketMQ {version} from Maven Central ({len(wanted)} jars)")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        command: list[str | Path] = ["mvn", "-B", "-q", "-f", SOURCES / version / "pom.xml"]
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={home}"]
        log = cache_dir() / "logs" / f"rocketmq-{version}-maven.log"
        run_logged([*command, *goal], what=f"fetching RocketMQ {version}", log=log)
        wrong = differences(home, wanted)
        if wrong:
            pinned = SOURCES / version / "jars.sha256"
            raise HackError(
                f"{len(wrong)} jars in {home} are not what {pinned} says they must be, such as {', '.join(wrong[:3])}"
            )
        done.touch()
    return home


def java(version: str, main: str, *, heap: str, direct: str, options: tuple[str, ...] = ()) -> list[str]:
    """The command line that runs one class of RocketMQ with so much heap and memory outside it; its arguments come after."""
    memory = (f"-Xmx{heap}", f"-XX:MaxDirectMemorySize={direct}")
    return ["java", *SMALL_JVM, *memory, *OPENED, *options, "-cp", f"{jars(version)}/*", main]


def tool_arguments(name: str, name_server: str, args: list[str]) -> list[str]:
    """The arguments for a tool, with `-n name_server` unless they name one themselves; HackError when there is no such tool."""
    if name not in TOOLS:
        raise HackError(f"RocketMQ has no tool called {name!r} here; there is: {', '.join(TOOLS)}")
    named = any(arg == "-n" or arg.startswith("--namesrvAddr") for arg in args)
    if not args or args[0] == "help" or named:
        return args
    return [args[0], "-n", name_server, *args[1:]]


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
