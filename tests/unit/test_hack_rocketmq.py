"""RocketMQ's servers for development: pinned jars, sets that stand side by side, their configuration."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from floodhack import instance, rocketmq_jars
from floodhack.errors import HackError
from floodhack.instance import HIGHEST_INSTANCE, Instance
from floodhack.kafka_settings import NODES as KAFKA_NODES
from floodhack.kafka_settings import PORTS as KAFKA_PORTS
from floodhack.kafka_settings import KafkaSet
from floodhack.rocketmq import RocketMQ
from floodhack.rocketmq_settings import RocketMQSet

SETS = [(version, acl) for version in rocketmq_jars.VERSIONS.values() for acl in (False, True)]


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """State goes below a folder of the test's own."""
    monkeypatch.setattr(instance, "CHECKOUT", tmp_path)
    return tmp_path


def made(version: str = rocketmq_jars.DEFAULT_VERSION, *, acl: bool = False) -> RocketMQSet:
    """A set with its facts and all its configuration on disk."""
    rocketmq = RocketMQSet(Instance(0), version, acl)
    rocketmq.folder.mkdir(parents=True)
    rocketmq.write_clients()
    for node in rocketmq.nodes:
        rocketmq.write_configuration(node)
    return rocketmq


def properties(path: Path) -> dict[str, str]:
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


@pytest.mark.parametrize(
    ("asked", "version"), [(None, "5.5.0"), ("", "5.5.0"), ("5.5", "5.5.0"), ("4.9", "4.9.7"), ("4.9.7", "4.9.7")]
)
def test_the_version_is_asked_for_by_line_or_in_full(asked: str | None, version: str) -> None:
    """A release line stands for the one version of it that is pinned, nothing for the default."""
    assert rocketmq_jars.release(asked) == version


@pytest.mark.parametrize("asked", ["5", "5.5.1", "4.9.8", "newest", "../5.5.0"])
def test_other_versions_are_refused(asked: str) -> None:
    """What no hashes are pinned for is named, with what could be asked for."""
    with pytest.raises(HackError, match=r"5\.5, 4\.9"):
        rocketmq_jars.release(asked)


@pytest.mark.parametrize("version", rocketmq_jars.VERSIONS.values())
def test_every_jar_is_pinned(version: str) -> None:
    """The list names the servers and tools of just this version, and each jar has a whole SHA-256."""
    pins = rocketmq_jars.pins(version)
    parts = ["namesrv", "broker", "tools", *([] if rocketmq_jars.is_4(version) else ["proxy"])]
    assert {f"rocketmq-{part}-{version}.jar" for part in parts} <= pins.keys()
    assert all(len(bytes.fromhex(digest)) == 32 for digest in pins.values())


def test_jars_that_are_not_as_pinned_are_named(tmp_path: Path) -> None:
    """A changed, a missing and an unexpected jar; one that is as it must be is not."""
    for name in ("good", "changed", "unexpected"):
        (tmp_path / f"{name}.jar").write_text(name)
    pins = {f"{name}.jar": hashlib.sha256(b"good").hexdigest() for name in ("good", "changed", "missing")}
    assert rocketmq_jars.differences(tmp_path, pins) == ["changed.jar", "missing.jar", "unexpected.jar"]
    assert rocketmq_jars.differences(tmp_path, {}) == ["changed.jar", "good.jar", "unexpected.jar"]


def test_what_was_fetched_is_held_against_the_pins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A jar that is not as pinned is neither used nor taken for fetched the next time."""
    monkeypatch.setenv("FLOODWARDEN_CACHE", str(tmp_path))
    monkeypatch.setattr(rocketmq_jars, "ensure_java", lambda: None)

    def fetch(*_: object, **__: object) -> None:
        (tmp_path / "rocketmq-5.5.0" / "rocketmq-broker-5.5.0.jar").write_text("another")

    monkeypatch.setattr(rocketmq_jars, "run_logged", fetch)
    for _ in range(2):
        with pytest.raises(HackError, match=r"are not what .*jars\.sha256 says"):
            rocketmq_jars.jars("5.5.0")


@pytest.mark.parametrize(
    ("args", "whole"),
    [
        (["clusterList"], ["clusterList", "-n", "here:1"]),
        (["topicRoute", "-t", "orders"], ["topicRoute", "-n", "here:1", "-t", "orders"]),
        (["clusterList", "-n", "there:2"], ["clusterList", "-n", "there:2"]),
        (["help", "clusterList"], ["help", "clusterList"]),
        ([], []),
    ],
)
def test_mqadmin_asks_our_name_server_unless_told_otherwise(args: list[str], whole: list[str]) -> None:
    """The name server comes after the subcommand, where mqadmin looks for it."""
    assert rocketmq_jars.tool_arguments("mqadmin", "here:1", args) == whole


def test_other_tools_are_refused() -> None:
    """What there is, is named."""
    with pytest.raises(HackError, match="there is: mqadmin"):
        rocketmq_jars.tool_arguments("mqbroker", "here:1", [])


def test_sets_stand_side_by_side() -> None:
    """Each version, with ACLs and without, has folder and ports of its own in every instance, and none of Kafka's."""
    numbers = range(HIGHEST_INSTANCE + 1)
    sets = [RocketMQSet(Instance(number), version, acl) for number in numbers for version, acl in SETS]
    ports = [port for rocketmq in sets for node in rocketmq.nodes for port in rocketmq.ports(node)]
    kafkas = [KafkaSet(Instance(number), version) for number in numbers for version in ("4.3.1", "3.9.2")]
    taken = {kafka.port(name, node) for kafka in kafkas for name in KAFKA_PORTS for node in KAFKA_NODES}
    assert len(ports) == len(set(ports))
    assert not taken & set(ports)
    assert len({rocketmq.folder for rocketmq in sets}) == len(sets)


def test_only_rocketmq_5_has_a_proxy(checkout: Path) -> None:
    """Its node and its address are there where it is, and nowhere else."""
    new, old = made(), made("4.9.7")
    assert new.nodes == ("namesrv", "master", "slave", "proxy")
    assert old.nodes == ("namesrv", "master", "slave")
    assert new.facts["proxy"] == {"grpc": "127.0.0.1:9878", "remoting": "127.0.0.1:9879"}
    assert old.facts["proxy"] is None


@pytest.mark.parametrize(("version", "acl"), SETS)
def test_master_and_slave_are_one_broker(checkout: Path, version: str, acl: bool) -> None:
    """They share name and name server, and differ in what they are, where they listen and where their data lies."""
    rocketmq = made(version, acl=acl)
    master, slave = (properties(rocketmq.configuration(node)) for node in ("master", "slave"))
    different = {name for name in master if master[name] != slave[name]}
    new = set() if rocketmq_jars.is_4(version) else {"timerWheelEnable"}
    assert different == {"brokerId", "brokerRole", "listenPort", "storePathRootDir", "storePathCommitLog"} | new
    assert (master["brokerId"], master["brokerRole"], slave["brokerRole"]) == ("0", "ASYNC_MASTER", "SLAVE")
    assert master["namesrvAddr"] == rocketmq.address("namesrv")
    assert Path(slave["storePathCommitLog"]).is_relative_to(rocketmq.folder)


def test_a_brokers_configuration_is_its_own_once_written(checkout: Path) -> None:
    """What a broker, or a test, changed in it is still there at the next start."""
    rocketmq = made()
    path = rocketmq.configuration("master")
    path.write_text(path.read_text() + "flushDiskType=SYNC_FLUSH\n")
    rocketmq.write_configuration("master")
    assert properties(path)["flushDiskType"] == "SYNC_FLUSH"


def test_what_a_killed_node_left_is_gone_at_its_next_start(checkout: Path) -> None:
    """Unpacked native libraries would pile up, tens of megabytes at each kill."""
    rocketmq = made()
    left = rocketmq.home("master") / "tmp" / "library.so"
    left.touch()
    rocketmq.write_configuration("master")
    assert not left.exists()
    assert left.parent.is_dir()


@pytest.mark.parametrize("version", rocketmq_jars.VERSIONS.values())
def test_secrets_are_there_with_acls_only_and_for_their_owner(checkout: Path, version: str) -> None:
    """Clients and servers know the same ones; nobody else may read the files they are in."""
    assert made(version).credentials() is None
    rocketmq = made(version, acl=True)
    administrator, application = rocketmq.credentials(), rocketmq.credentials("application")
    assert administrator is not None
    assert application is not None
    assert administrator.secret_key != application.secret_key
    holding = [path for path in rocketmq.folder.rglob("*") if path.is_file() and administrator.secret_key in path.read_text()]
    assert {path.name for path in holding} >= {"clients.json", "tools.yml"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in holding)
    rules = rocketmq.home("master") / "conf" / "plain_acl.yml"
    if rocketmq_jars.is_4(version):
        assert properties(rocketmq.configuration("master"))["aclEnable"] == "true"
        assert application.secret_key in rules.read_text()
    else:
        inner = json.loads(properties(rocketmq.configuration("master"))["innerClientAuthenticationCredentials"])
        proxys = json.loads(rocketmq.configuration("proxy").read_text())
        assert json.loads(proxys["innerClientAuthenticationCredentials"]) == inner
        assert inner == {"accessKey": administrator.access_key, "secretKey": administrator.secret_key}


@pytest.mark.parametrize(("value", "acl"), [("", False), ("0", False), ("1", True)])
def test_acls_are_asked_for_in_the_environment(monkeypatch: pytest.MonkeyPatch, value: str, acl: bool) -> None:
    """As versions are, unless the caller says."""
    monkeypatch.setenv("FLOODWARDEN_ROCKETMQ_ACL", value)
    monkeypatch.setenv("FLOODWARDEN_ROCKETMQ", "4.9")
    asked = RocketMQ(Instance(0)).set
    assert (asked.version, asked.acl) == ("4.9.7", acl)
    assert RocketMQ(Instance(0), "5.5", acl=not acl).set.acl is not acl


@pytest.mark.parametrize("node", ["proxy", "2", "masters"])
def test_a_node_that_is_not_there_is_refused(checkout: Path, node: str) -> None:
    """The message names those that are."""
    made("4.9.7")
    with pytest.raises(HackError, match=r"namesrv, master, slave$"):
        RocketMQ(Instance(0), "4.9", acl=False).stop(node, kill=True)
