"""The API server as the bench asks it: plain JSON over pooled connections, many requests at once, and watches."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import urllib3
from kubernetes.client import Configuration
from kubernetes.config import load_kube_config

from floodhack.errors import HackError

Object = dict[str, Any]
MANAGER = "bench"
AT_ONCE = 8
CREATED = {200, 201}
GONE = 404


class Api:
    """The API server of one kubeconfig. Safe to use from several threads."""

    def __init__(self, kubeconfig: Path) -> None:
        found = Configuration()
        load_kube_config(config_file=str(kubeconfig), client_configuration=found, persist_config=False)  # type: ignore[no-untyped-call]
        self.server = str(found.host)
        self.authority = Path(str(found.ssl_ca_cert))
        self._pool = urllib3.PoolManager(
            maxsize=2 * AT_ONCE,
            ca_certs=str(found.ssl_ca_cert),
            cert_file=found.cert_file,
            key_file=found.key_file,
            retries=False,
        )

    def send(self, method: str, path: str, body: Any = None, *, content: str = "application/json") -> Object:
        """One request; the object it answers, empty where there is none of that name. HackError for any other failure."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content, "User-Agent": MANAGER}
        answer = self._pool.request(method, self.server + path, body=data, headers=headers, timeout=60.0)
        if answer.status == GONE:
            return {}
        if answer.status not in (*CREATED, 202):
            raise HackError(f"{method} {path}: {answer.status} {answer.data[:300].decode(errors='replace')}")
        found: Object = json.loads(answer.data)
        return found

    def get(self, path: str) -> Object:
        """One object or list; empty where there is none."""
        return self.send("GET", path)

    def apply(self, path: str, manifest: Object) -> Object:
        """Make an object what the manifest says, whether it is there or not."""
        where = f"{path}/{manifest['metadata']['name']}?fieldManager={MANAGER}&force=true"
        return self.send("PATCH", where, manifest, content="application/apply-patch+yaml")

    def delete(self, path: str) -> None:
        """Delete an object or, by the path of a collection, all of them. What depends on them goes later."""
        self.send("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"})

    def text(self, path: str) -> str:
        """What is not JSON, such as /metrics."""
        answer = self._pool.request("GET", self.server + path, timeout=60.0)
        if answer.status not in CREATED:
            raise HackError(f"GET {path}: {answer.status}")
        return str(answer.data.decode())

    def watch(self, path: str, stop: Callable[[], bool]) -> Iterator[Object]:
        """Events of a watch as they come, its first ones telling what is there, until ``stop`` holds at some event or pause."""
        where = f"{self.server}{path}?watch=true&resourceVersion=0"
        answer = self._pool.request("GET", where, preload_content=False, timeout=urllib3.Timeout(connect=10, read=600))
        try:
            for line in answer:
                if stop():
                    return
                yield json.loads(line)
        finally:
            answer.release_conn()
            answer.close()


def many(call: Callable[[Any], object], items: Iterable[Any]) -> None:
    """Call for each item, several at once; the first failure is raised."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(call, item) for item in items]:
            done.result()


def samples(text: str, name: str) -> dict[str, float]:
    """The samples of one metric in the Prometheus text format, by their labels as written."""
    found = re.findall(rf"^{re.escape(name)}(?:\{{(.*)\}})? ([^ \n]+)", text, re.M)
    return {labels: float(value) for labels, value in found}
