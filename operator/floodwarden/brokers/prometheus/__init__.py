"""Prometheus: reads the lag of consumer groups from the series of an exporter, where the brokers themselves cannot be reached.

From the outside in: ``adapter`` (one sweep) with ``questions`` (PromQL), ``answers`` (what came back) and ``readings`` (what it
means) → ``server`` (HTTP) → ``access`` (address and credentials); ``errors`` translates what goes wrong. ``kind`` tells all
others what the type is.
"""

from floodwarden.brokers.http import AccessError
from floodwarden.brokers.prometheus.access import Access
from floodwarden.brokers.prometheus.adapter import PrometheusBroker

__all__ = ["Access", "AccessError", "PrometheusBroker"]
