"""RabbitMQ of hack/brokers, as far as it runs nothing: ports, files, users, how tools are pointed at nodes, kinds of brokers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from floodhack import kafka_settings
from floodhack.brokers import KINDS
from floodhack.errors import HackError
from floodhack.instance import HIGHEST_INSTANCE, Instance
from floodhack.leftovers import end_strays
from floodhack.process import Daemon, strays
from floodhack.rabbitmq_packages import Programs, relocate
from floodhack.rabbitmq_settings import NODES, PORTS, TOOL_PORTS, RabbitSet
from floodhack.waiting import until

OTHERS = (2379, 2380, 6443, 8080, 8180, 8280, 8281, 8283, 8290, 8320, 8380, 9490, 10248, 10250, 10257, 10259)
PARENT = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("forked", flush=True)
import time; time.sleep(600)
"""


@pytest.fixture
def rabbit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RabbitSet:
    """A set with its facts written, in a folder of the test's own."""
    monkeypatch.setattr(Instance, "run", property(lambda self: tmp_path / str(self.number)))
    made = RabbitSet(Instance(2))
    made.write_clients("3.10.8")
    return made


@pytest.fixture
def installed(tmp_path: Path) -> Programs:
    """What looks like the unpacked packages."""
    (tmp_path / "root/usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8").mkdir(parents=True)
    return Programs(tmp_path / "root")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon("parent", tmp_path)
    yield made
    for pid in list(strays(tmp_path)):
        os.kill(pid, signal.SIGKILL)
    made.stop(seconds=0)


def _ports(instance: Instance) -> list[int]:
    rabbit = RabbitSet(instance)
    tools = [instance.port(port) for port in range(TOOL_PORTS[0], TOOL_PORTS[1] + 1)]
    return [*(rabbit.port(name, node) for name in PORTS for node in NODES), rabbit.epmd_port, *tools]


def _ports_of_others(instance: Instance) -> set[int]:
    sets = [kafka_settings.KafkaSet(instance), kafka_settings.KafkaSet(instance, "3.9.2")]
    kafka = {one.port(name, node) for one in sets for name in kafka_settings.PORTS for node in kafka_settings.NODES}
    return kafka | {instance.port(port) for port in OTHERS}


def test_no_port_is_used_twice() -> None:
    """All instances of RabbitMQ run beside each other, beside Kafka and beside the clusters, below the kernel's own ports."""
    instances = [Instance(number) for number in range(HIGHEST_INSTANCE + 1)]
    ports = [port for instance in instances for port in _ports(instance)]
    assert len(ports) == len(set(ports))
    assert not set(ports) & set().union(*map(_ports_of_others, instances))
    assert max(ports) < 32768


def test_what_clients_need_is_written_once(rabbit: RabbitSet) -> None:
    """Addresses of the instance, a password for each user, readable by the owner only; a second time changes nothing."""
    facts = json.loads(rabbit.clients.read_text())
    assert facts["addresses"]["amqp"] == ["127.0.0.1:7672", "127.0.0.1:7772", "127.0.0.1:7872"]
    assert facts["addresses"]["management_tls"][1] == "https://127.0.0.1:17771"
    tags = {name: (user["tags"], user["rights"]) for name, user in facts["users"].items()}
    assert tags == {
        "administrator": (["administrator"], ".*"),
        "application": ([], ".*"),
        "monitoring": (["monitoring"], "^$"),
        "nobody": ([], None),
    }
    assert len({user["password"] for user in facts["users"].values()}) == 4
    secret = [rabbit.clients, rabbit.home / ".erlang.cookie"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in secret)
    rabbit.write_clients("3.12.1")
    assert json.loads(rabbit.clients.read_text()) == facts


@pytest.mark.parametrize(("node", "peers"), [(0, [0]), (1, [0, 1]), (2, [0, 2])])
def test_every_node_joins_the_first(rabbit: RabbitSet, node: int, peers: list[int]) -> None:
    """Node 0 looks for nobody and so founds the cluster; each of the others looks for it, and knows itself."""
    rabbit.write_node(node)
    lines = rabbit.configuration(node).read_text().splitlines()
    listed = [line.rpartition(" = ")[2] for line in lines if "classic_config.nodes" in line]
    assert listed == [rabbit.name(peer) for peer in peers]
    assert f"listeners.tcp.1 = 127.0.0.1:{rabbit.port('amqp', node)}" in lines
    assert f"management.ssl.port = {rabbit.port('management_tls', node)}" in lines
    assert rabbit.configuration(node).stat().st_mode & 0o077 == 0


def test_a_cluster_is_founded_once_node_0_has_tables(rabbit: RabbitSet) -> None:
    """An empty folder is none yet, nor is what another node has: the others must wait for node 0."""
    for node in NODES:
        rabbit.write_node(node)
    table = f"{rabbit.name(0)}/rabbit_user.DCD"
    (rabbit.data(1) / table).parent.mkdir()
    (rabbit.data(1) / table).touch()
    assert not rabbit.founded
    (rabbit.data(0) / table).parent.mkdir()
    (rabbit.data(0) / table).touch()
    assert rabbit.founded


def test_statistics_keep_their_interval(rabbit: RabbitSet) -> None:
    """What users have is what is tested: five seconds, which is what a node does when it is told nothing."""
    rabbit.write_node(0)
    assert "collect_statistics" not in rabbit.configuration(0).read_text()


def test_nothing_of_an_installed_rabbitmq_is_read(rabbit: RabbitSet, installed: Programs) -> None:
    """Every file and folder that a node is told of lies in the instance's folder, the checkout or the unpacked packages."""
    told = rabbit.environment(1, installed)
    paths = [value for name, value in told.items() if name.startswith("RABBITMQ_") and value.startswith("/")]
    roots = (rabbit.folder, installed.root, Path(__file__).parents[2])
    assert len(paths) == 10
    assert all(any(Path(path).is_relative_to(root) for root in roots) for path in paths)
    assert told["HOME"] == str(rabbit.home)
    assert told["PATH"].startswith(f"{installed.erlang}:")


@pytest.mark.parametrize(
    ("given", "pointed"),
    [
        (["list_queues"], ["--node", "rabbit-1@localhost", "list_queues"]),
        (["--node", "2", "list_queues"], ["--node", "rabbit-2@localhost", "list_queues"]),
        (["list_queues", "-n", "0"], ["list_queues", "-n", "rabbit-0@localhost"]),
        (["-N", "0", "list", "queues"], ["-N", "rabbit-0@localhost", "list", "queues"]),
        (["--node=2", "status"], ["--node=rabbit-2@localhost", "status"]),
        (["--node", "rabbit@elsewhere", "status"], ["--node", "rabbit@elsewhere", "status"]),
        (["await_online_nodes", "2"], ["--node", "rabbit-1@localhost", "await_online_nodes", "2"]),
    ],
    ids=["none named", "by number", "short, after the command", "rabbitmqadmin's", "with =", "in full", "a number of its own"],
)
def test_tools_are_pointed_at_nodes(rabbit: RabbitSet, given: list[str], pointed: list[str]) -> None:
    """Nodes are called by number; without one a tool asks the node it is given."""
    assert rabbit.pointed(given, 1) == pointed


def test_what_is_unpacked_is_known_by_its_version(installed: Programs) -> None:
    """The version is that of the server's folder; a tool there is none of is refused with those there are."""
    assert installed.version == "3.10.8"
    assert installed.tool("rabbitmqctl") == installed.server / "sbin" / "rabbitmqctl"
    with pytest.raises(HackError, match=r"'kafka-topics'.*rabbitmqctl"):
        installed.tool("kafka-topics")
    with pytest.raises(HackError, match="remove that folder"):
        _ = Programs(installed.root / "usr").version


def test_erlang_is_told_where_it_lies(tmp_path: Path) -> None:
    """The start script names the folder it was unpacked to; one that names none would run another Erlang, and is refused."""
    script = tmp_path / "erlang" / "bin" / "erl"
    script.parent.mkdir(parents=True)
    script.write_text("ROOTDIR=/usr/lib/erlang\nBINDIR=$ROOTDIR/bin\n")
    relocate(script)
    assert script.read_text() == f"ROOTDIR={tmp_path}/erlang\nBINDIR=$ROOTDIR/bin\n"
    with pytest.raises(HackError, match="not known here"):
        relocate(script)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_kind_of_brokers_knows_its_nodes(name: str) -> None:
    """Nodes are called as they are shown; another one is refused with those there are."""
    kind = KINDS[name]
    assert [kind.node(str(node)) for node in kind.nodes] == list(kind.nodes)
    with pytest.raises(HackError, match=str(kind.nodes[-1])):
        kind.node("7")


def test_strays_are_ended_and_what_is_known_is_spared(daemon: Daemon) -> None:
    """A process that is known keeps its children, which carry the same mark; once it is not known, all of them end."""
    daemon.start([sys.executable, "-c", PARENT])
    until(lambda: "forked" in daemon.log.read_text(), seconds=20, what="the child is there")
    pid = daemon.pid()
    assert pid is not None
    family = set(strays(daemon.folder))
    assert len(family) == 2
    stray = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env={"FLOODWARDEN_RUN": str(daemon.folder)})
    until(lambda: stray.pid in set(strays(daemon.folder)), seconds=20, what="the stray is seen")
    assert end_strays(daemon.folder, sparing=[pid]) == [stray.pid]
    stray.wait()
    assert set(strays(daemon.folder)) == family
    assert set(end_strays(daemon.folder)) == family
