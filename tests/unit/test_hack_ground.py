"""The ground the hack scripts stand on: instances, pinned versions, image archives, hashes of inputs, the relay, kubeconfigs."""

from __future__ import annotations

import asyncio
import base64
import json
import tarfile
from pathlib import Path

import pytest

from floodhack import imagebuild, instance, kafka_jars, relay
from floodhack.archive import write_image
from floodhack.certificates import Authority
from floodhack.errors import HackError
from floodhack.gobuild import HELM, KIND, KUBERNETES
from floodhack.instance import Instance, cache_dir
from floodhack.kafka_settings import NODES, PORTS, KafkaSet
from floodhack.kubeapi import kubeconfig
from floodhack.leftovers import containers


@pytest.mark.parametrize(("number", "port"), [("0", 6443), ("1", 7443), ("9", 15443)])
def test_instances_have_their_own_ports(monkeypatch: pytest.MonkeyPatch, number: str, port: int) -> None:
    """Every port is the default plus 1000 × instance, and so is the state apart."""
    monkeypatch.setenv("FLOODWARDEN_INSTANCE", number)
    current = Instance.current()
    assert current.port(6443) == port
    assert current.kubeconfig == instance.CHECKOUT / ".run" / number / "cluster" / "kubeconfig"


@pytest.mark.parametrize("text", ["10", "-1", "one", ""])
def test_other_instances_are_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Only 0..9 are instances; the message says so."""
    monkeypatch.setenv("FLOODWARDEN_INSTANCE", text)
    with pytest.raises(HackError, match="from 0 to 9"):
        Instance.current()


def test_the_cache_is_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """FLOODWARDEN_CACHE goes before XDG_CACHE_HOME."""
    monkeypatch.delenv("FLOODWARDEN_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "floodwarden"
    monkeypatch.setenv("FLOODWARDEN_CACHE", str(tmp_path / "named"))
    assert cache_dir() == tmp_path / "named"


@pytest.mark.parametrize("module", [KUBERNETES, HELM, KIND], ids=lambda module: module.folder)
def test_versions_are_pinned(module: object) -> None:
    """Each program's version comes from the go.mod it is built by."""
    assert isinstance(module, type(KUBERNETES))
    assert module.version[0].isdigit()
    assert module.bin.name == f"{module.folder}-{module.version}"
    assert (module.source / "go.sum").exists()


@pytest.mark.parametrize(("asked", "line"), [("", "1.37"), ("1.29", "1.29"), ("1.29.15", "1.29"), ("1.37", "1.37")])
def test_kubernetes_is_asked_for_by_line_or_in_full(monkeypatch: pytest.MonkeyPatch, asked: str, line: str) -> None:
    """Each line's programs are pinned by a module of its own and lie apart in the cache."""
    monkeypatch.setenv("FLOODWARDEN_KUBERNETES", asked)
    assert KUBERNETES.version.startswith(f"{line}.")
    assert KUBERNETES.bin.name == f"kubernetes-{KUBERNETES.version}"


@pytest.mark.parametrize("asked", ["1.2", "1.30", "newest"])
def test_other_versions_of_kubernetes_are_refused(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    """What there is no module for is named, with what there is."""
    monkeypatch.setenv("FLOODWARDEN_KUBERNETES", asked)
    with pytest.raises(HackError, match=r"1\.37.*1\.29"):
        _ = KUBERNETES.version


@pytest.mark.parametrize(
    ("asked", "version"), [(None, "4.3.1"), ("", "4.3.1"), ("4.3", "4.3.1"), ("3.9", "3.9.2"), ("4.0.1", "4.0.1")]
)
def test_kafkas_version_is_asked_for_by_line_or_in_full(asked: str | None, version: str) -> None:
    """A release line stands for one patch of it, nothing for the default."""
    assert kafka_jars.release(asked) == version


@pytest.mark.parametrize("asked", ["4", "3.8", "newest", "../4.3.1", "4.3.1 "])
def test_other_versions_of_kafka_are_refused(asked: str) -> None:
    """What is no version is named, with what could be asked for."""
    with pytest.raises(HackError, match=r"4\.3, 3\.9"):
        kafka_jars.release(asked)


def test_sets_of_two_versions_stand_side_by_side() -> None:
    """Each has folder and ports of its own, in every instance."""
    usual, other = KafkaSet(Instance(2)), KafkaSet(Instance(2), "3.9.2")
    assert (usual.folder.name, other.folder.name) == ("kafka", "kafka-3.9.2")
    ports = [{kafka.port(name, node) for name in PORTS for node in NODES} for kafka in (usual, other)]
    assert not ports[0] & ports[1]
    assert all(11000 < port < 12000 for port in ports[0] | ports[1])


def test_kafkas_tools_are_known_by_version() -> None:
    """Kafka 3 keeps some tools elsewhere and lacks others."""
    assert kafka_jars.tools("4.3.1")["kafka-acls"].startswith("org.apache.kafka.tools.")
    assert kafka_jars.tools("3.9.2")["kafka-acls"] == "kafka.admin.AclCommand"
    assert "kafka-share-groups" not in kafka_jars.tools("3.9.2")


def test_an_image_archive_accounts_for_its_layer(tmp_path: Path) -> None:
    """What loads a docker archive finds the layer under its digest, a dated history of the same length, and the name."""
    layer = tmp_path / "layer"
    with tarfile.open(layer, "w") as tar:
        tar.add(__file__, arcname="program")
    write_image(tmp_path / "image.tar", layer, "localhost/try:1", {"Entrypoint": ["/program"]})
    with tarfile.open(tmp_path / "image.tar") as tar:
        read = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]
    assert json.loads(read["manifest.json"]) == [
        {"Config": "config.json", "RepoTags": ["localhost/try:1"], "Layers": ["layer.tar"]}
    ]
    config = json.loads(read["config.json"])
    assert read["layer.tar"] == layer.read_bytes()
    assert config["config"] == {"Entrypoint": ["/program"]}
    assert len(config["history"]) == len(config["rootfs"]["diff_ids"]) == 1


def test_an_image_is_built_anew_when_an_input_changes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The hash follows contents, names and the base, and nothing else, such as compiled Python."""
    monkeypatch.setattr(imagebuild, "CHECKOUT", tmp_path)
    target = imagebuild.Target("stage", "slow", "tag", ("code",))
    (tmp_path / "code" / "__pycache__").mkdir(parents=True)
    (tmp_path / "code" / "one.py").write_text("1")
    first = imagebuild.inputs_hash(target, "base")
    (tmp_path / "code" / "__pycache__" / "one.pyc").write_text("x")
    (tmp_path / "elsewhere.py").write_text("x")
    assert imagebuild.inputs_hash(target, "base") == first
    assert imagebuild.inputs_hash(target, "another base") != first
    (tmp_path / "code" / "one.py").write_text("2")
    second = imagebuild.inputs_hash(target, "base")
    (tmp_path / "code" / "one.py").rename(tmp_path / "code" / "two.py")
    assert len({first, second, imagebuild.inputs_hash(target, "base")}) == 3


def test_a_kubeconfig_stands_by_itself(tmp_path: Path) -> None:
    """Certificates are embedded, so the file may be copied; keys are for their owner only."""
    authority = Authority(tmp_path / "pki")
    authority.create()
    admin = authority.issue("admin", "me", ["system:masters"])
    config = json.loads(kubeconfig(6443, authority.pair.certificate, admin, "try"))
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"
    assert base64.b64decode(config["users"][0]["user"]["client-key-data"]) == admin.key.read_bytes()
    assert admin.key.stat().st_mode & 0o077 == 0
    assert authority.issue("admin", "me") == admin


def test_containers_are_known_from_the_runtime_or_from_runc(tmp_path: Path) -> None:
    """Whichever of the two notes survived, every container of the node is named once."""
    for note in ("state/io.containerd.runtime.v2.task/k8s.io/a", "runc/k8s.io/a", "runc/k8s.io/b"):
        (tmp_path / note).mkdir(parents=True)
    assert containers(tmp_path) == {"a", "b"}
    assert containers(tmp_path / "nowhere") == set()


async def test_the_relay_passes_both_ways() -> None:
    """What connects at one address is served by the same port of the other, in both directions, until either side closes."""

    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
        writer.close()

    behind = await asyncio.start_server(shout, "127.0.0.1", 0)
    port = behind.sockets[0].getsockname()[1]
    front = await relay.serve("127.0.0.2", "127.0.0.1", port)
    async with behind, front:
        reader, writer = await asyncio.open_connection("127.0.0.2", port)
        writer.write(b"backlog\n")
        assert await reader.readline() == b"BACKLOG\n"
        writer.close()
        assert await reader.read() == b""
