"""A real Prometheus on 127.0.0.1, from the distribution's package: it scrapes an operator and evaluates the chart's alerts."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import yaml
from prometheus_api_client import PrometheusConnect

from floodhack.presence import ensure_commands
from floodhack.waiting import listening, until

Sample = dict[str, Any]


def ensure_prometheus() -> None:
    """Have `prometheus` and `promtool`; as root they are installed where they are missing."""
    ensure_commands({"prometheus": "prometheus", "promtool": "prometheus"})


class Prometheus:
    """One process with its data in ``folder``; started by ``start``, ended by ``end``."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._client = PrometheusConnect(url=f"http://127.0.0.1:{port}")

    def start(self, scraped: str, rules: Path) -> None:
        """Scrape ``scraped`` (host:port) each second as the chart's ServiceMonitor does, and evaluate a file of rules."""
        assert not listening(self._port), f"port {self._port} is taken"
        job = {
            "job_name": "floodwarden-metrics",
            "honor_labels": True,
            # As the Prometheus Operator labels what it finds: the pod's namespace.
            "static_configs": [{"targets": [scraped], "labels": {"namespace": "floodwarden-system"}}],
        }
        every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config = self._folder / "prometheus.yml"
        config.write_text(yaml.safe_dump({"global": every, "rule_files": [str(rules)], "scrape_configs": [job]}))
        command = [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        until(lambda: listening(self._port), seconds=60, what="Prometheus listens", dead=self._died)
        until(lambda: bool(self.query("up == 1")), seconds=60, what="Prometheus scrapes the operator", dead=self._died)

    def end(self) -> None:
        """End it, if it runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)

    def query(self, expression: str) -> list[Sample]:
        """The samples of an instant query; an expression that Prometheus refuses is an error."""
        found: list[Sample] = self._client.custom_query(expression)
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Every alerting rule with its health and its alerts."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/api/v1/rules", timeout=10) as answer:
            groups = json.load(answer)["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def _died(self) -> str | None:
        assert self._process is not None
        if self._process.poll() is None:
            return None
        return f"it ended with status {self._process.returncode}; see {self._folder / 'prometheus.log'}"
