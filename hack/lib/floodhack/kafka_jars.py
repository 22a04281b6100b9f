"""Kafka's jars, from Maven Central by Maven, kept in the cache by version, and the Java command lines that run them.

`hack/kafka/pom.xml` names what is fetched; `kafka.py` starts brokers and tools with the command lines made here.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from floodhack.errors import HackError
from floodhack.instance import CHECKOUT, cache_dir
from floodhack.locking import lock
from floodhack.presence import ensure_java
from floodhack.progress import run_logged, say

# By release line, the oldest of them last: what the contract tests run against. The first is the one that runs unless asked.
VERSIONS = {"4.3": "4.3.1", "3.9": "3.9.2"}
DEFAULT_VERSION = next(iter(VERSIONS.values()))
SOURCES = CHECKOUT / "hack" / "kafka"

# Serial collector and first compiler only: three brokers on two cores start sooner and idle cheaper.
SMALL_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.awt.headless=true")

# Names as in Kafka's own bin/ folder, without `.sh`.
TOOLS = {
    "kafka-acls": "org.apache.kafka.tools.AclCommand",
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-cluster": "org.apache.kafka.tools.ClusterTool",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "kafka-features": "org.apache.kafka.tools.FeatureCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-groups": "org.apache.kafka.tools.GroupsCommand",
    "kafka-leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "kafka-metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "kafka-share-groups": "org.apache.kafka.tools.consumer.group.ShareGroupCommand",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-transactions": "org.apache.kafka.tools.TransactionsCommand",
}
# Kafka 3 has these elsewhere, and does not have those.
TOOLS_OF_3 = {
    "kafka-acls": "kafka.admin.AclCommand",
    "kafka-broker-api-versions": "kafka.admin.BrokerApiVersionsCommand",
    "kafka-console-producer": "kafka.tools.ConsoleProducer",
    "kafka-dump-log": "kafka.tools.DumpLogSegments",
}
NEWER_THAN_3 = {"kafka-groups", "kafka-share-groups"}
# These work on files, or take their servers in a way of their own.
WITHOUT_BOOTSTRAP = {"kafka-dump-log", "kafka-producer-perf-test"}


def release(asked: str | None) -> str:
    """The version asked for, in full: that of a release line such as 3.9, the default for nothing; HackError when it is none."""
    version = VERSIONS.get(asked, asked) if asked else DEFAULT_VERSION
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise HackError(f"{asked!r} is no version of Kafka; give one in full, or one of {', '.join(VERSIONS)}")
    return version


def tools(version: str) -> dict[str, str]:
    """Kafka's own tools in one version: their name → their class."""
    if not version.startswith("3."):
        return TOOLS
    return {name: main for name, main in (TOOLS | TOOLS_OF_3).items() if name not in NEWER_THAN_3}


def jars(version: str) -> Path:
    """The folder with the jars of one Kafka version, fetched at the first use; HackError when Maven cannot get them."""
    home = cache_dir() / f"kafka-{version}"
    done = home / ".complete"
    if done.exists():
        return home
    ensure_java()
    with lock(home.with_suffix(".lock"), f"the jars of Kafka {version}"):
        if done.exists():
            return home
        say(f"fetching Kafka {version} from Maven Central (about 45 MB)")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        command: list[str | Path] = ["mvn", "-B", "-q", "-f", SOURCES / "pom.xml", f"-Dkafka.version={version}"]
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={home}"]
        log = cache_dir() / "logs" / f"kafka-{version}-maven.log"
        run_logged([*command, *goal], what=f"fetching Kafka {version}", log=log)
        done.touch()
    return home


def java(version: str, main: str, *, heap: str, log4j2: str, options: tuple[str, ...] = ()) -> list[str]:
    """The command line that runs one class of Kafka; its own arguments come after."""
    logging = f"-Dlog4j2.configurationFile={SOURCES / log4j2}"
    return ["java", *SMALL_JVM, f"-Xmx{heap}", logging, *options, "-cp", f"{jars(version)}/*", main]


def tool(version: str, name: str, bootstrap: str, args: list[str]) -> list[str]:
    """The command line of one of Kafka's own tools, pointed at `bootstrap` unless the arguments name servers themselves."""
    known = tools(version)
    if name not in known:
        raise HackError(f"Kafka {version} has no tool called {name!r}; there are: {', '.join(sorted(known))}")
    if name not in WITHOUT_BOOTSTRAP and not any(arg.startswith("--bootstrap-") for arg in args):
        args = ["--bootstrap-server", bootstrap, *args]
    return [*java(version, known[name], heap="256m", log4j2="tools-log4j2.properties"), *args]
