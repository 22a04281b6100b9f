"""The few questions the cluster scripts ask the API server themselves, with a client certificate and the standard library."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from floodhack.certificates import Pair


@dataclass(frozen=True)
class KubeApi:
    """An API server on 127.0.0.1, asked as the holder of one certificate."""

    port: int
    authority: Path
    client: Pair

    def get(self, path: str) -> Any | None:
        """The JSON (or else the text) at a path; None while the server does not answer it with 200."""
        try:
            context = ssl.create_default_context(cafile=str(self.authority))
            context.load_cert_chain(self.client.certificate, self.client.key)
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=5, context=context)
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                body = response.read()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException):
            return None
        if response.status != 200:
            return None
        try:
            return json.loads(body)
        except ValueError:
            return body.decode(errors="replace")

    def ready(self) -> bool:
        """Whether the API server calls itself ready."""
        return self.get("/readyz") is not None

    def node_ready(self, name: str) -> bool:
        """Whether the node is Ready and takes pods."""
        node = self.get(f"/api/v1/nodes/{name}")
        if node is None or node["spec"].get("taints"):
            return False
        return any(c["type"] == "Ready" and c["status"] == "True" for c in node.get("status", {}).get("conditions", []))

    def accounts_ready(self) -> bool:
        """Whether pods can be made in the default namespace: its service account and the CA's ConfigMap exist."""
        namespace = "/api/v1/namespaces/default"
        return all(
            self.get(f"{namespace}/{path}") is not None for path in ("serviceaccounts/default", "configmaps/kube-root-ca.crt")
        )


def kubeconfig(port: int, authority: Path, client: Pair, name: str) -> str:
    """A kubeconfig (JSON, which is YAML too) that refers to nothing outside itself."""

    def embedded(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": embedded(authority)}
    user = {"client-certificate-data": embedded(client.certificate), "client-key-data": embedded(client.key)}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        },
        indent=2,
    )
