"""`make bench`: what a sweep costs, as a table and as .bench/results.json (counts, CPU seconds and bytes; no wall times)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import deciding
import reading

from floodhack.instance import CHECKOUT, Instance

RESULTS = CHECKOUT / ".bench" / "results.json"


def main() -> None:
    """Measure, print, write. Brokers that run are used; else some are started, and ended again."""
    brokers = str(CHECKOUT / "hack" / "brokers")
    ran = subprocess.run([brokers, "status", "kafka"], check=False, capture_output=True).returncode == 0
    subprocess.run([brokers, "up", "kafka"], check=True)
    try:
        clients = json.loads((Instance.current().broker("kafka") / "clients.json").read_text())
        results = reading.measure(clients["bootstrap"]["PLAINTEXT"], [100, 1000])
    finally:
        if not ran:
            subprocess.run([brokers, "down", "kafka"], check=True)
    results |= deciding.run(1000)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    for name, value in results.items():
        print(f"{name:32} {value:>12,.4g}")
    print(f"written to {Path(RESULTS).relative_to(CHECKOUT)}")


if __name__ == "__main__":
    main()
