"""An API server of a few objects on 127.0.0.1, and the kubeconfig that names it: for commands that find their own way there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

Answers = Mapping[str, tuple[int, Any]]  # by path: HTTP status and JSON


@contextmanager
def small_api(answers: Answers, folder: Path, *, namespace: str | None = None) -> Iterator[Path]:
    """Serves ``answers``, whatever else is asked for does not exist; the kubeconfig, with the context's namespace."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.get(urlsplit(self.path).path, (404, {"message": "the server could not find the resource"}))
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nothing: what was asked is not of interest."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield kubeconfig(folder, server.server_address[1], namespace)
        server.shutdown()
        thread.join()


def kubeconfig(folder: Path, port: int, namespace: str | None = None) -> Path:
    """A kubeconfig for plain HTTP to a port of 127.0.0.1."""
    context = {"cluster": "here", "user": "me", **({"namespace": namespace} if namespace else {})}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": context}],
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "me", "user": {"token": "for-a-test"}}],
    }
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return file
