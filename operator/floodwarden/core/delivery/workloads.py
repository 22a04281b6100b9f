"""Workloads that are labelled with a policy, and what their pod templates tell of clients' settings.

Pure. ``cluster.workloads`` reads them, ``spelling`` knows the names, ``rollouts`` decides what becomes of a difference. What
comes from a Secret, from the pod's own fields, or from a ConfigMap that is not there cannot be seen, and is said so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from floodwarden.core.delivery.clients import Wanted
from floodwarden.core.delivery.spelling import setting_of, settings_in, understood

LABEL: Final = "floodwarden.dev/delivery-policy"  # on a workload: the name of the policy that it is to follow
DEPLOYMENT: Final = "Deployment"
CONFIG_MAPS_AT_MOST: Final = 20  # of one workload


@dataclass(frozen=True, slots=True)
class Variable:
    """One entry of a container's environment: its ``value`` where that stands there, else the ConfigMap and key it comes from,
    or in words what it comes from that ``hides`` it."""

    name: str
    value: str | None = field(default=None, repr=False)
    config_map: str = ""
    key: str = ""
    hides: str = ""


@dataclass(frozen=True, slots=True)
class Import:
    """A whole ConfigMap that a container takes into its environment."""

    config_map: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Mount:
    """A ConfigMap that a container mounts; ``keys`` are those that become files, None for all."""

    config_map: str
    path: str
    keys: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a pod template. ``correctable``: its environment may be changed where it is one of a Deployment."""

    name: str
    variables: tuple[Variable, ...] = ()
    imports: tuple[Import, ...] = ()
    mounts: tuple[Mount, ...] = ()
    correctable: bool = True


@dataclass(frozen=True, slots=True)
class Rollout:
    """How far a Deployment's newest pod template has come."""

    complete: bool
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment, StatefulSet or DaemonSet. ``policy`` is the name its label has; ``version`` its resourceVersion."""

    kind: str
    namespace: str
    name: str
    policy: str
    uid: str = ""
    version: str = ""
    containers: tuple[Container, ...] = ()
    rollout: Rollout = Rollout(complete=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def config_maps(self) -> tuple[str, ...]:
        """The names of the ConfigMaps that may tell of settings, the first of them where there are very many."""
        return tuple(self._config_maps())[:CONFIG_MAPS_AT_MOST]

    @property
    def crowded(self) -> bool:
        """Whether there are more ConfigMaps than are looked at."""
        return len(self._config_maps()) > CONFIG_MAPS_AT_MOST

    def _config_maps(self) -> dict[str, None]:
        named = (
            name
            for container in self.containers
            for name in (
                *(one.config_map for one in container.variables if one.config_map and setting_of(one.name)),
                *(one.config_map for one in container.imports),
                *(one.config_map for one in container.mounts),
            )
        )
        return dict.fromkeys(named)


@dataclass(frozen=True, slots=True)
class Place:
    """One place that tells of a setting. ``value`` is as ``spelling.understood`` has it, None where it cannot be seen, because of
    what ``hides`` it. ``variable``: the container and variable that hold it plainly, which a patch can correct."""

    setting: str
    where: str
    value: str | None
    hides: str = ""
    variable: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """A ConfigMap: what it has for variables, and what each of its texts says where it is a file."""

    data: Mapping[str, str] = field(repr=False)
    files: Mapping[str, tuple[tuple[str, str | None], ...]]


def config_of(data: Mapping[str, str]) -> Config:
    """Reads the texts, which takes a while where they are long."""
    return Config(data, {key: tuple((setting, value) for setting, _, value in settings_in(text)) for key, text in data.items()})


ConfigMaps = Mapping[str, Config | None]
"""By name; None for those that do not exist. Those that could not be read are left out."""


def places(workload: Workload, config_maps: ConfigMaps) -> list[Place]:
    """Everything in a workload's pod template that tells of a client's setting."""
    return [place for container in workload.containers for place in _places(workload, container, config_maps)]


def _places(workload: Workload, container: Container, config_maps: ConfigMaps) -> Iterator[Place]:
    names = [variable.name for variable in container.variables]
    imported: dict[str, Place] = {}  # of several with one name the last counts, and one of the container's own before all
    for one in container.imports:
        for key, text in _data(config_maps, one.config_map).items():
            name, where = one.prefix + key, f"container {container.name}, environment, ConfigMap {one.config_map}"
            imported.update((name, place) for place in _of_text(name, text, where))
    yield from (place for name, place in imported.items() if name not in names)
    for variable in {one.name: one for one in container.variables}.values():
        setting = setting_of(variable.name)
        if setting is not None:
            # Of two entries with one name the API server would patch either.
            plain = workload.kind == DEPLOYMENT and container.correctable and names.count(variable.name) == 1
            yield _of_variable(setting, container.name, variable, config_maps, plain=plain)
    for mount in container.mounts:
        config = config_maps.get(mount.config_map)
        for key, told in config.files.items() if config is not None else ():
            if mount.keys is None or key in mount.keys:
                where = f"container {container.name}, {mount.path}, ConfigMap {mount.config_map}, key {key}"
                for setting, value in told:
                    yield Place(setting, where, value, "" if value else "a text that is no value of it")


def _data(config_maps: ConfigMaps, name: str) -> Mapping[str, str]:
    config = config_maps.get(name)
    return config.data if config is not None else {}


def _of_text(name: str, text: str, where: str) -> Iterator[Place]:
    setting = setting_of(name)
    if setting is not None:
        value = understood(setting, text)
        yield Place(setting, f"{where}, key {name}", value, "" if value else "a text that is no value of it")


def _of_variable(setting: str, container: str, variable: Variable, config_maps: ConfigMaps, *, plain: bool) -> Place:
    where = f"container {container}, variable {variable.name}"
    if variable.value is not None:
        value = understood(setting, variable.value)
        held = (container, variable.name) if plain else None
        return Place(setting, where, value, "" if value else "a text that is no value of it", held)
    if not variable.config_map:
        return Place(setting, where, None, variable.hides)
    source = f"ConfigMap {variable.config_map}"
    where = f"{where}, {source}"
    if variable.config_map not in config_maps:
        return Place(setting, where, None, f"{source}, which could not be read")
    text = _data(config_maps, variable.config_map).get(variable.key)
    if text is None:
        return Place(setting, where, None, f"{source}, which has no key {variable.key}")
    value = understood(setting, text)
    return Place(setting, where, value, "" if value else "a text that is no value of it")


def differing(found: Sequence[Place], wanted: Wanted) -> list[Place]:
    """The places that say something else than what is wanted; what cannot be seen is not among them."""
    return [place for place in found if place.setting == wanted.setting and place.value and not wanted.met_by(place.value)]


def unseen(workload: Workload, found: Sequence[Place], wanted: Sequence[Wanted], config_maps: ConfigMaps) -> Iterator[str]:
    """What cannot be told of a workload, in sentences."""
    absent = [one.setting for one in wanted if one.setting not in {place.setting for place in found}]
    if absent:
        yield f"{workload}: {', '.join(absent)} cannot be seen in its pod template"
    for one in wanted:
        told = [place for place in found if place.setting == one.setting]
        hidden = [place for place in told if place.value is None]
        if hidden and not differing(told, one):
            yield f"{workload}: {one.setting} comes from {hidden[0].hides} ({hidden[0].where}) and cannot be seen"
    missing = [name for name in workload.config_maps if name in config_maps and config_maps[name] is None]
    if missing:
        yield f"{workload}: ConfigMap {', '.join(missing)} does not exist, so what it would set cannot be seen"
    if workload.crowded:
        yield f"{workload}: only the first {CONFIG_MAPS_AT_MOST} of its ConfigMaps are looked at"
