"""The wall clock is set forward by a day and back by an hour while the operator runs: deciding goes by another clock."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from floodhack.api_proxy import ApiProxy
from floodhack.presence import ensure_commands
from tests.integration.faults.conftest import Run
from tests.integration.loop.replica_log import replica_log
from tests.integration.loop.shop import BROKER, POLICY, Shop
from tests.support.operator_process import OperatorProcess

JUMPS = {"+86400": timedelta(days=1), "-3600": timedelta(hours=-1), "+0": timedelta()}
LIBRARY = Path(f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}/faketime/libfaketimeMT.so.1")


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """The file that says how far the operator's wall clock is off."""
    ensure_commands({str(LIBRARY): "libfaketime"})
    file = tmp_path / "clock"
    file.write_text("+0\n")
    return file


def set_clock(file: Path, offset: str) -> None:
    """Let the clock jump, at once for whoever reads it."""
    draft = file.with_suffix(".new")
    draft.write_text(f"{offset}\n")
    draft.rename(file)


def test_the_clock_jumps(
    proxy: ApiProxy, run: Run, open_shop: Callable[[OperatorProcess], Shop], clock: Path, tmp_path: Path
) -> None:
    """No window, age or deadline runs out by a jump, and the times in the status are those of the clock as it is then."""
    faked = {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    # Through the proxy, because a certificate is not valid yet an hour before it was made.
    operator = run(kubeconfig=proxy.kubeconfig(tmp_path / "kubeconfig"), env=faked)
    operator.await_ready()
    shop = open_shop(operator)
    shop.make_topic(4)
    shop.idle(3)
    shop.broker()
    shop.policy(maxLag={"messages": 100, "seconds": 900}, consumers={"scaleDown": {"stabilization": "10m"}})
    shop.await_condition("WithinLag", "True", "WithinLimit")
    shop.produce(2)  # messages whose age is told in seconds
    shop.await_status(lambda s: s["lag"]["messages"] == 8 and "seconds" in s["lag"], "what waits, and for how long")
    before = transitions(shop)
    with replica_log(shop.kubectl, POLICY, shop.namespace) as replicas:
        for offset, jump in JUMPS.items():
            set_clock(clock, offset)
            shop.patch("fwmb", BROKER, {"spec": {"allowedNamespaces": [f"jump{offset.replace('+', '-')}"]}})  # so that it reports
            shop.until(partial(swept_at, shop, jump), f"a sweep at {offset} s")
            shop.let_it_decide(8)
            assert shop.status()["lag"].get("seconds", 0) < 900
            assert shop.condition("WithinLag") == ("True", "WithinLimit")
            assert operator.get("/healthz")[0] == 200
        set_clock(clock, "+86400")
        assert operator.end() == 0
        operator.start()
        operator.await_ready()
        shop.let_it_decide(8)
    assert replicas == [3]
    assert shop.reasons() == []
    assert transitions(shop) == before


def transitions(shop: Shop) -> dict[str, str]:
    """When each condition last changed."""
    return {condition["type"]: condition["lastTransitionTime"] for condition in shop.status()["conditions"]}


def swept_at(shop: Shop, jump: timedelta) -> bool:
    """Whether the broker's last sweep was at the time that the clock shows after its jump."""
    status = shop.kubectl.get("fwmb", BROKER, namespace=shop.namespace)["status"]
    at = datetime.fromisoformat(status["lastSweep"]["at"])
    return abs(at - (datetime.now(UTC) + jump)) < timedelta(minutes=2)
