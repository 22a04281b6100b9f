"""Fixtures of the security tests: those of the faults' tests, with an operator for each test."""

from __future__ import annotations

from tests.contract.kafka.conftest import kafka as kafka
from tests.integration.faults.conftest import open_shop as open_shop
from tests.integration.faults.conftest import operator as operator
from tests.integration.faults.conftest import pytest_runtest_makereport as pytest_runtest_makereport
from tests.integration.faults.conftest import run as run
from tests.integration.faults.conftest import shop as shop
from tests.integration.loop.conftest import demo_image as demo_image
