"""A real Prometheus on 127.0.0.1, and an exporter for it that tells what kafka_exporter and kminion tell, under their names."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import yaml

from floodhack.waiting import listening, until

USER = "watcher"
PASSWORD = "scrape-me"
# Of the password, as Prometheus' web.config wants it.
HASH = "$2b$05$NqMxfCNbuLj0C5S2eoqeoO2mOx4LxSws1u7Z9cvPrgjfSMJ.C.CE."


@dataclass
class Told:
    """One partition, as one group stands to it; ``committed`` is None where it never committed."""

    end: int
    committed: int | None
    start: int = 0


@dataclass
class Exporter:
    """Tells what it is given. ``style`` is kafka_exporter or kminion; ``extra`` goes to each series; ``stamp``: milliseconds."""

    style: str = "kafka_exporter"
    group: str = "billing"
    topics: dict[str, list[Told]] = field(default_factory=lambda: {"orders": [Told(100, 60, 10), Told(50, 50)]})
    extra: str = ""
    stamp: int | None = None
    more: str = ""

    def text(self) -> str:
        """What a scrape gets."""
        lines = (self._kafka_exporter if self.style == "kafka_exporter" else self._kminion)()
        stamp = "" if self.stamp is None else f" {self.stamp}"
        return "".join(f"{line}{stamp}\n" for line in lines) + self.more

    def _partitions(self) -> Iterator[tuple[str, int, Told]]:
        for topic, partitions in self.topics.items():
            for number, told in enumerate(partitions):
                yield topic, number, told

    def _kafka_exporter(self) -> Iterator[str]:
        extra = f",{self.extra}" if self.extra else ""
        for topic, partitions in self.topics.items():
            yield f'kafka_topic_partitions{{topic="{topic}"{extra}}} {len(partitions)}'
        for topic, number, told in self._partitions():
            place = f'partition="{number}",topic="{topic}"{extra}'
            lag = -1 if told.committed is None else told.end - told.committed
            committed = -1 if told.committed is None else told.committed
            yield f"kafka_topic_partition_current_offset{{{place}}} {told.end}"
            yield f"kafka_topic_partition_oldest_offset{{{place}}} {told.start}"
            yield f'kafka_consumergroup_current_offset{{consumergroup="{self.group}",{place}}} {committed}'
            yield f'kafka_consumergroup_lag{{consumergroup="{self.group}",{place}}} {lag}'

    def _kminion(self) -> Iterator[str]:
        extra = f",{self.extra}" if self.extra else ""
        for topic, partitions in self.topics.items():
            fixed = f'cleanup_policy="delete",partition_count="{len(partitions)}",replication_factor="3",topic_name="{topic}"'
            yield f"kminion_kafka_topic_info{{{fixed}{extra}}} 1"
        for topic, number, told in self._partitions():
            place = f'partition_id="{number}",topic_name="{topic}"{extra}'
            yield f"kminion_kafka_topic_partition_high_water_mark{{{place}}} {told.end}"
            yield f"kminion_kafka_topic_partition_low_water_mark{{{place}}} {told.start}"
            if told.committed is not None:
                lag = max(0, told.end - told.committed)
                yield f'kminion_kafka_consumer_group_topic_partition_lag{{group_id="{self.group}",{place}}} {lag}'


@contextmanager
def exporting(exporter: Exporter) -> Iterator[str]:
    """Serve what it tells; yields host:port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exporter.text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class RealPrometheus:
    """One server with its data in ``folder``; it may be killed and started again."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self._port}"

    def start(self, *targets: str, flags: tuple[str, ...] = (), web: dict[str, Any] | None = None) -> None:
        """Scrape the targets each second."""
        assert not listening(self._port), f"port {self._port} is taken"
        job = {"job_name": "kafka", "scrape_timeout": "1s", "static_configs": [{"targets": list(targets)}]}
        config, rules = self._folder / "prometheus.yml", self._folder / "web.yml"
        config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}))
        rules.write_text(yaml.safe_dump(web or {}))
        command = [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
            f"--web.config.file={rules}",
            *flags,
        ]
        with (self._folder / "prometheus.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        until(lambda: listening(self._port), seconds=60, what="Prometheus listens", dead=self._died)

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it accept connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _died(self) -> str | None:
        assert self._process is not None
        status = self._process.poll()
        return None if status is None else f"it ended with status {status}; see {self._folder / 'prometheus.log'}"
