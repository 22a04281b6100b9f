"""``floodwarden check`` as a person types it, against a broker that is only in memory; ``tests/contract`` has a real one."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from floodwarden.brokers.base import BrokerError
from floodwarden.cli.app import app
from floodwarden.cli.checking import run
from floodwarden.core.delivery.survey import BrokerFound, Change, Placement, Source, Survey, TopicFound, Value
from floodwarden.core.observation import Unknown, UnknownReason
from tests.unit.cli.objects import BROKER, GUARDED, POLICY

NODES = (0, 1, 2)
OWN = {
    "default.replication.factor": "3",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
}
IN_SYNC = {"min.insync.replicas": "2", "transaction.state.log.min.isr": "2"}


class Memory:
    """A cluster of three nodes, all as asked for, with these topics; each is how often min.insync.replicas asks for."""

    def __init__(self, topics: Mapping[str, str | Unknown] | Exception) -> None:
        self.topics = topics
        self.surveys = 0
        self.closed = 0

    async def survey(self, wanted: Callable[[str], bool], settings: Collection[str]) -> Survey:
        self.surveys += 1
        if isinstance(self.topics, Exception):
            raise self.topics
        values = {key: Value(text, Source.FILE) for key, text in (OWN | IN_SYNC).items()}
        found = {name: self._topic(name, value) for name, value in self.topics.items() if wanted(name)}
        return Survey(found, tuple(BrokerFound(node, None, values, values) for node in NODES), 5)

    def _topic(self, name: str, value: str | Unknown) -> TopicFound:
        values = value if isinstance(value, Unknown) else {"min.insync.replicas": Value(value, Source.TOPIC)}
        return TopicFound(name, (Placement(0, NODES, NODES),), values)

    async def write(self, changes: Collection[Change]) -> Mapping[Change, Unknown]:
        raise AssertionError("a check wrote to a broker")

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Memory:
    """What every MessageBroker leads to."""
    memory = Memory({"orders": "2"})
    monkeypatch.setattr(run, "open_settings", lambda _broker, _secrets: memory)
    return memory


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with a MessageBroker and a DeliveryPolicy."""
    path = tmp_path / "policy.yaml"
    path.write_text(f"{BROKER}---\n{POLICY}")
    return path


def check(*options: str | Path, text: str | None = None, **environment: str) -> Result:
    arguments = ["check", *map(str, options)]
    return CliRunner().invoke(app, arguments, input=text, env={"COLUMNS": "160", **environment}, catch_exceptions=False)


def found(*options: str | Path, text: str | None = None) -> dict[str, Any]:
    """What it says as JSON."""
    return dict(json.loads(check(*options, "--output", "json", text=text).stdout))


DENIED = Unknown(UnknownReason.AUTHORIZATION_FAILED, "topic orders: allow Floodwarden's user DescribeConfigs (Kafka ACLs)")
STATUSES: dict[str, tuple[Any, int, str]] = {
    "as asked for": ({"orders": "2"}, 0, "compliant: 1 policy as asked for"),
    "too few in sync": ({"orders": "1"}, 1, "not compliant: 1 violation of 1 policy"),
    "denied": ({"orders": DENIED}, 2, "allow Floodwarden's user DescribeConfigs"),
    "differs, and a part is denied": ({"orders": DENIED, "orders-eu": "1"}, 1, "not compliant: 1 violation of 1 policy"),
    "no topic": ({"payments": "1"}, 2, "could not tell (NoTopicMatches)"),
    "unreachable": (
        BrokerError(UnknownReason.BROKER_UNREACHABLE, "kafka:9092 refused"),
        2,
        "(BrokerUnreachable): kafka:9092 refused",
    ),
}


@pytest.mark.parametrize(("topics", "status", "says"), STATUSES.values(), ids=STATUSES)
def test_the_exit_status_tells_the_result(broker: Memory, file: Path, topics: Any, status: int, says: str) -> None:
    """0, 1 or 2; the same in every format; and the connection is closed."""
    broker.topics = topics
    result = check("-f", file)
    assert (result.exit_code, result.stderr) == (status, "")
    assert says in result.stdout
    for output in ("json", "sarif", "junit"):
        assert check("-f", file, "-o", output).exit_code == status
    assert broker.surveys == broker.closed == 4


def test_a_policy_that_would_repair_only_looks(broker: Memory, file: Path) -> None:
    """Mode Enforce writes nothing from here, and says what it would do."""
    file.write_text(file.read_text().replace("  match:", "  mode: Enforce\n  match:"))
    broker.topics = {"orders": "1"}
    (violation,) = found("-f", file)["policies"][0]["violations"]
    assert (violation["action"], violation["reason"]) == ("Repair", "mode Enforce would write it")


def test_policies_of_one_broker_are_judged_together(broker: Memory, file: Path, tmp_path: Path) -> None:
    """With one survey, so that they are found to disagree, whichever file they are in."""
    other = tmp_path / "other.yaml"
    other.write_text(
        f"\n# asks for more\n{POLICY.replace('name: orders', 'name: strict').replace('minInSync: 2', 'minInSync: 3')}"
    )
    said = found("-f", file, "-f", other)
    assert broker.surveys == 1
    assert [(one["name"], one["file"], one["line"]) for one in said["policies"]] == [
        ("shop/orders", str(file), 10),
        ("shop/strict", str(other), 4),
    ]
    actions = [
        [one["action"] for one in policy["violations"] if one["resource"] == "topic orders"] for policy in said["policies"]
    ]
    assert actions == [["Conflict"], ["Conflict"]]


def test_from_standard_input(broker: Memory) -> None:
    """As with kubectl, a dash stands for it."""
    said = found("-f", "-", text=f"{BROKER}---\n{POLICY}")
    assert (said["result"], said["policies"][0]["file"]) == ("Compliant", "standard input")


def test_addresses_stand_in_for_a_broker(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """In plain text; the policy needs no MessageBroker then."""
    asked: list[Any] = []

    def opened(broker: Any, _secrets: Any) -> Memory:
        asked.append(broker.spec.kafka)
        return Memory({"orders": "2"})

    monkeypatch.setattr(run, "open_settings", opened)
    file.write_text(POLICY)
    assert check("-f", file, "--bootstrap-servers", "a:9092, b:9093").exit_code == 0
    assert asked[0].bootstrap_servers == ("a:9092", "b:9093")
    assert asked[0].security.protocol.value == "PLAINTEXT"


ALLOWED = POLICY.replace("namespace: shop", "namespace: reports").replace(
    "brokerRef: {name: main}", "brokerRef: {name: main, namespace: shop}"
)
WRONG_FILES = {
    "nothing": ("", [], "the files: there is no DeliveryPolicy in them: give a file that holds one"),
    "other kinds": ("kind: Deployment\n", [], "the files: there is no DeliveryPolicy in them"),
    "no broker": (
        POLICY,
        [],
        "line 2: its MessageBroker shop/main is not in the files: give its file too, or --bootstrap-servers",
    ),
    "another broker": (
        f"{POLICY}---\n{BROKER.replace('shop', 'other')}",
        [],
        "its MessageBroker shop/main is not in the files, only other/main: give its file too",
    ),
    "a typing error": (
        POLICY.replace("minInSync", "minInsync"),
        [],
        "line 2: DeliveryPolicy: spec.replication.minInsync is no field",
    ),
    "a rule of the CRD": (
        POLICY.replace("factor: 3", "factor: 1"),
        [],
        "line 2: DeliveryPolicy: spec.replication.minInSync must not",
    ),
    "no YAML": ("kind: [", [], "it is not YAML"),
    "the same twice": (f"{POLICY}---\n{POLICY}", [], "line 11: DeliveryPolicy shop/orders stands in "),
    "a broker that does not allow it": (
        f"{BROKER}---\n{ALLOWED}",
        [],
        "MessageBroker shop/main does not allow namespace reports",
    ),
    "addresses beside a broker": (
        f"{BROKER}---\n{POLICY}",
        ["--bootstrap-servers", "a:9092"],
        "--bootstrap-servers: every MessageBroker that a policy names is in the files: leave it out",
    ),
    "addresses for two brokers": (
        f"{POLICY}---\n{POLICY.replace('name: orders', 'name: other').replace('name: main', 'name: eu')}",
        ["--bootstrap-servers", "a:9092"],
        "--bootstrap-servers: it can stand in for one MessageBroker, and these are in no file: shop/main, shop/eu",
    ),
    "no address": (
        POLICY,
        ["--bootstrap-servers", "a"],
        "--bootstrap-servers: MessageBroker: spec.kafka.bootstrapServers[0]: must be host:port",
    ),
    "no such output": (POLICY, ["--output", "xml"], "'xml' is not one of"),
    "a Secret that is none": (
        f"{POLICY}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\ndata: 7\n",
        [],
        "Secret a: data must be a mapping",
    ),
}


@pytest.mark.parametrize(("text", "options", "says"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_wrong_input_says_what_to_do(broker: Memory, file: Path, text: str, options: list[str], says: str) -> None:
    """Exit status 2, one line with the file, and nobody is asked."""
    file.write_text(text)
    result = check("-f", file, *options)
    assert (result.exit_code, result.stdout, broker.surveys) == (2, "", 0)
    assert says in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr


def test_a_missing_file_and_no_file() -> None:
    """Wrong input like any other."""
    assert check("-f", "none.yaml").stderr == "floodwarden: none.yaml: cannot be read: No such file or directory\n"
    assert [check("-f", "none.yaml").exit_code, check().exit_code] == [2, 2]


def test_a_broker_that_allows_other_namespaces(broker: Memory, file: Path) -> None:
    """As it is allowed in the cluster."""
    file.write_text(f"{BROKER}  allowedNamespaces: [reports]\n---\n{ALLOWED}")
    assert check("-f", file).exit_code == 0


def test_a_mistake_of_ours_is_no_violation(broker: Memory, file: Path) -> None:
    """Exit status 2, where it happened, and not a word of the error, which may quote a Secret."""
    broker.topics = RuntimeError("hunter2")
    result = check("-f", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "in survey" in result.stderr
    assert "RuntimeError: this is a mistake in Floodwarden" in result.stderr
    assert "hunter2" not in result.output


def test_hostile_file_names_are_escaped(tmp_path: Path) -> None:
    """On the way to stderr too."""
    result = check("-f", tmp_path / "a\x1b[2J\n.yaml")
    assert "a\\x1b[2J\\n.yaml: cannot be read" in result.stderr
    assert "\x1b" not in result.stderr


def test_credentials_that_are_nowhere_are_asked_for(broker: Memory, file: Path) -> None:
    """With the variables that would do; what other MessageBrokers have is told all the same."""
    other = BROKER.replace("name: main", "name: other") + "---\n" + POLICY.replace("name: orders", "name: others")
    file.write_text(f"{GUARDED}---\n{POLICY}---\n{other.replace('{name: main}', '{name: other}')}")
    result = check("-f", file, "-o", "json")
    assert result.exit_code == 2
    told = {one["name"]: one for one in json.loads(result.stdout)["policies"]}
    assert told["shop/others"]["result"] == "Compliant"
    assert broker.surveys == 1
    assert told["shop/orders"]["result"] == "Unknown"
    assert (
        "Secret shop/kafka-credentials, which MessageBroker shop/main names, is not in the files: "
        "add it to them, or set FLOODWARDEN_USERNAME and FLOODWARDEN_PASSWORD in the environment"
    ) in result.stdout


def test_a_folder_is_the_manifests_in_it(broker: Memory, tmp_path: Path) -> None:
    """As with kubectl: those with its endings, and no folder below."""
    (tmp_path / "policy.yml").write_text(POLICY)
    (tmp_path / "broker.yaml").write_text(BROKER)
    (tmp_path / "notes.txt").write_text("kind: [")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "policy.yaml").write_text(POLICY)
    assert check("-f", tmp_path).exit_code == 0
    assert broker.surveys == 1


def test_a_folder_without_manifests(broker: Memory, tmp_path: Path) -> None:
    """It is said which one, and what it should hold."""
    result = check("-f", tmp_path)
    assert (result.exit_code, broker.surveys) == (2, 0)
    assert "there is no manifest in this folder" in result.stderr
