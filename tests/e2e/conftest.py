"""These tests install Floodwarden into a whole cluster: beside others they have one of their own, FLOODWARDEN_E2E_INSTANCE."""

from __future__ import annotations

import os

import pytest

INSTALLED = "FLOODWARDEN_E2E_INSTANCE"


@pytest.fixture(scope="session", autouse=True)
def instance() -> None:
    """Whatever this worker and the programs that it runs ask for from now on is that instance's."""
    if INSTALLED in os.environ:
        os.environ["FLOODWARDEN_INSTANCE"] = os.environ[INSTALLED]
