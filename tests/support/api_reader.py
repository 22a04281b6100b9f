"""What the API server has, over a connection that stays open: tests look several times a second, and a process of kubectl for
each look took much of all the CPU. What tests change, and what users are shown, goes through kubectl itself."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kubernetes import config, dynamic
from kubernetes.dynamic.exceptions import DynamicApiError
from urllib3.exceptions import HTTPError

Object = dict[str, Any]
SECONDS = 60.0


class KubectlError(AssertionError):
    """kubectl ended with an error, or what it is spared could not be read; the text is what was said."""


class ApiReader:
    """Reads as a kubeconfig says. Kinds are named as kubectl takes them: ``fwbp``, ``deployment``, ``events``."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._kinds: dict[str, Any] = {}

    def one(self, kind: str, name: str, namespace: str) -> Object:
        """One object; KubectlError where there is none."""
        return self._read(kind, name=name, namespace=namespace)

    def some(self, kind: str, namespace: str, **selectors: str) -> list[Object]:
        """The objects of a namespace that ``label_selector`` and ``field_selector`` choose."""
        return [dict(found) for found in self._read(kind, namespace=namespace, **selectors)["items"]]

    @cached_property
    def _client(self) -> Any:
        self._folder = TemporaryDirectory()  # for what the client knows of kinds, which would else outlive the cluster
        connection = config.new_client_from_config(str(self._kubeconfig))  # type: ignore[no-untyped-call]
        return dynamic.DynamicClient(connection, cache_file=f"{self._folder.name}/kinds.json")  # type: ignore[no-untyped-call]

    def _read(self, kind: str, **asked: str) -> Object:
        try:
            try:
                found: Object = self._kind(kind).get(**asked, _request_timeout=SECONDS).to_dict()
            except DynamicApiError as error:
                if error.status != 404 or _details(error).get("name"):
                    raise
                self._forget()  # its definition was made anew meanwhile, in another version
                found = self._kind(kind).get(**asked, _request_timeout=SECONDS).to_dict()
        except DynamicApiError as error:
            raise KubectlError(_message(error)) from error
        except HTTPError as error:
            raise KubectlError(str(error)) from error
        return found

    def _kind(self, name: str) -> Any:
        if name not in self._kinds:
            found = self._named(name)
            if found is None:
                self._forget()  # it may have been defined a moment ago
                found = self._named(name)
            if found is None:
                raise KubectlError(f'the server does not have a resource type "{name}"')
            self._kinds[name] = found
        return self._kinds[name]

    def _named(self, name: str) -> Any:
        known = [one for one in self._client.resources.search() if not isinstance(one, dynamic.resource.ResourceList)]
        names = ((one, (one.name, one.singular_name, one.kind.lower(), *(one.short_names or ()))) for one in known)
        return next((one for one, called in names if name.lower() in called), None)

    def _forget(self) -> None:
        self._kinds.clear()
        self._client.resources.invalidate_cache()


def _said(error: DynamicApiError) -> Object:
    try:
        said = json.loads(error.body or "")
    except (TypeError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _details(error: DynamicApiError) -> Object:
    return _said(error).get("details") or {}


def _message(error: DynamicApiError) -> str:
    """As kubectl words it."""
    said = _said(error)
    return f"Error from server ({said.get('reason', error.reason)}): {said.get('message', error.body)}"
