"""What pod templates tell of clients' settings: each place with its value, and what cannot be seen is said, never guessed."""

from __future__ import annotations

import pytest

from floodwarden.core.delivery.clients import ACKS, AUTO_COMMIT, Role, Wanted
from floodwarden.core.delivery.workloads import (
    CONFIG_MAPS_AT_MOST,
    ConfigMaps,
    Container,
    Import,
    Mount,
    Place,
    Variable,
    Workload,
    config_of,
    differing,
    places,
    unseen,
)

ALL = Wanted(ACKS, "all", Role.PRODUCER)
LATE = Wanted(AUTO_COMMIT, "false", Role.CONSUMER)
MAPS: ConfigMaps = {
    "app": config_of(
        {"application.properties": "acks=1\n", "other.properties": "enable.auto.commit=true\n", "ACKS": "0", "PASSWORD": "x"}
    ),
    "other": config_of({"ACKS": "1"}),
    "gone": None,
}


def deployment(*containers: Container, kind: str = "Deployment") -> Workload:
    return Workload(kind, "shop", "producer", "safe", "uid", "1", containers)


def app(*variables: Variable, imports: tuple[Import, ...] = (), mounts: tuple[Mount, ...] = ()) -> Container:
    return Container("app", variables, imports, mounts)


PLACES = {
    "a plain variable": (
        app(Variable("KAFKA_ACKS", "1"), Variable("PASSWORD", "hunter2")),
        [Place(ACKS, "container app, variable KAFKA_ACKS", "1", "", ("app", "KAFKA_ACKS"))],
    ),
    "a variable that says nothing": (
        app(Variable("KAFKA_ACKS", "many")),
        [Place(ACKS, "container app, variable KAFKA_ACKS", None, "a text that is no value of it", ("app", "KAFKA_ACKS"))],
    ),
    "of one name twice the last counts, and is not patched": (
        app(Variable("ACKS", "all"), Variable("ACKS", "1")),
        [Place(ACKS, "container app, variable ACKS", "1")],
    ),
    "from a ConfigMap": (
        app(Variable("KAFKA_ACKS", config_map="app", key="ACKS")),
        [Place(ACKS, "container app, variable KAFKA_ACKS, ConfigMap app", "0")],
    ),
    "from a key that is not there": (
        app(Variable("KAFKA_ACKS", config_map="app", key="acks")),
        [Place(ACKS, "container app, variable KAFKA_ACKS, ConfigMap app", None, "ConfigMap app, which has no key acks")],
    ),
    "from a ConfigMap that could not be read": (
        app(Variable("KAFKA_ACKS", config_map="forbidden", key="acks")),
        [
            Place(
                ACKS,
                "container app, variable KAFKA_ACKS, ConfigMap forbidden",
                None,
                "ConfigMap forbidden, which could not be read",
            )
        ],
    ),
    "from a Secret": (
        app(Variable("KAFKA_ACKS", hides="a Secret")),
        [Place(ACKS, "container app, variable KAFKA_ACKS", None, "a Secret")],
    ),
    "the whole ConfigMap as variables": (
        app(imports=(Import("app", "KAFKA_"), Import("gone"))),
        [Place(ACKS, "container app, environment, ConfigMap app, key KAFKA_ACKS", "0")],
    ),
    "the container's own variable counts before a ConfigMap's": (
        app(Variable("ACKS", "all"), imports=(Import("app"),)),
        [Place(ACKS, "container app, variable ACKS", "all", "", ("app", "ACKS"))],
    ),
    "of two ConfigMaps the last": (
        app(imports=(Import("app"), Import("other"))),
        [Place(ACKS, "container app, environment, ConfigMap other, key ACKS", "1")],
    ),
    "the whole ConfigMap as files": (
        app(mounts=(Mount("app", "/etc/app"), Mount("gone", "/etc/gone"))),
        [
            Place(ACKS, "container app, /etc/app, ConfigMap app, key application.properties", "1"),
            Place(AUTO_COMMIT, "container app, /etc/app, ConfigMap app, key other.properties", "true"),
        ],
    ),
    "some keys as files": (
        app(mounts=(Mount("app", "/etc/app", frozenset({"other.properties"})),)),
        [Place(AUTO_COMMIT, "container app, /etc/app, ConfigMap app, key other.properties", "true")],
    ),
    "nothing": (app(Variable("LOG_LEVEL", "info")), []),
}


@pytest.mark.parametrize(("container", "expected"), PLACES.values(), ids=PLACES)
def test_places(container: Container, expected: list[Place]) -> None:
    """Everything that tells of a setting, where it is, and whether a patch can correct it."""
    assert places(deployment(container), MAPS) == expected


def test_only_deployments_are_patched() -> None:
    """A variable of anything else, or of a container that starts first and stays, is only told."""
    variable = Variable("KAFKA_ACKS", "1")
    others = [
        deployment(app(variable), kind="StatefulSet"),
        deployment(Container("sidecar", (variable,), correctable=False)),
    ]
    assert [place.variable for one in others for place in places(one, {})] == [None, None]
    assert [place.value for one in others for place in places(one, {})] == ["1", "1"]


def test_what_differs() -> None:
    """Places that say something else; neither those that are right nor those that cannot be seen."""
    right, wrong, hidden, other = (
        Place(ACKS, "a", "all"),
        Place(ACKS, "b", "1"),
        Place(ACKS, "c", None, "a Secret"),
        Place(AUTO_COMMIT, "d", "true"),
    )
    assert differing([right, wrong, hidden, other], ALL) == [wrong]


UNSEEN = {
    "neither setting": (app(), ["Deployment shop/producer: acks, enable.auto.commit cannot be seen in its pod template"]),
    "one of them": (
        app(Variable("KAFKA_ACKS", "all")),
        ["Deployment shop/producer: enable.auto.commit cannot be seen in its pod template"],
    ),
    "both are there": (app(Variable("KAFKA_ACKS", "all"), Variable("ENABLE_AUTO_COMMIT", "true")), []),
    "one of them in a Secret": (
        app(Variable("KAFKA_ACKS", hides="a Secret"), Variable("ENABLE_AUTO_COMMIT", "false")),
        ["Deployment shop/producer: acks comes from a Secret (container app, variable KAFKA_ACKS) and cannot be seen"],
    ),
    "a Secret beside a wrong value: that is told already": (
        app(Variable("KAFKA_ACKS", hides="a Secret"), Variable("ACKS", "1"), Variable("ENABLE_AUTO_COMMIT", "false")),
        [],
    ),
    "a ConfigMap that is not there": (
        app(Variable("KAFKA_ACKS", "all"), Variable("ENABLE_AUTO_COMMIT", "false"), mounts=(Mount("gone", "/etc"),)),
        ["Deployment shop/producer: ConfigMap gone does not exist, so what it would set cannot be seen"],
    ),
}


@pytest.mark.parametrize(("container", "expected"), UNSEEN.values(), ids=UNSEEN)
def test_what_cannot_be_seen_is_said(container: Container, expected: list[str]) -> None:
    """A program may set in code what its pod template does not show: that is neither right nor wrong."""
    workload = deployment(container)
    assert list(unseen(workload, places(workload, MAPS), [ALL, LATE], MAPS)) == expected


def test_which_configmaps_are_read() -> None:
    """Those that may tell of a setting, each once; not those of other variables, and not without end."""
    one = deployment(
        app(
            Variable("KAFKA_ACKS", config_map="a", key="x"),
            Variable("PASSWORD", config_map="b", key="x"),
            imports=(Import("c"),),
            mounts=(Mount("a", "/a"), Mount("d", "/d")),
        )
    )
    assert one.config_maps == ("a", "c", "d")
    assert not one.crowded
    crowd = deployment(app(mounts=tuple(Mount(f"m{number}", "/m") for number in range(CONFIG_MAPS_AT_MOST + 1))))
    assert len(crowd.config_maps) == CONFIG_MAPS_AT_MOST
    assert "Deployment shop/producer: only the first 20 of its ConfigMaps are looked at" in list(unseen(crowd, [], [], {}))


def test_values_are_not_shown() -> None:
    """A variable's value stays out of logs, for it may be a secret."""
    assert "hunter2" not in repr(deployment(app(Variable("PASSWORD", "hunter2"))))
