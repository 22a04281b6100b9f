"""The soak in a short form: a tenth of the policies, for as long as it takes to see that it works and that nothing is amiss."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from floodhack.instance import CHECKOUT


@pytest.mark.usefixtures("cluster")
def test_a_short_soak() -> None:
    """Policies come, change and go for a minute and a half: every bound of the soak holds."""
    command = [sys.executable, str(CHECKOUT / "hack" / "bench" / "soak.py"), "--policies", "100", "--minutes", "1.5"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "hack" / "lib")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=900)
    sys.stderr.write(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
