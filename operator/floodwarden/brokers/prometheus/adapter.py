"""One sweep over Prometheus: a single query for all groups, whatever the number of policies.

Implements ``brokers.base.Broker``. Who the members of a group are no exporter tells by partition: groups are left out, and
decisions do without. Numbers are of the exporter's last scrape, and new ones are a reading (``Reading.taken``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.prometheus.access import Access
from floodwarden.brokers.prometheus.answers import Unreadable, table
from floodwarden.brokers.prometheus.errors import unreadable
from floodwarden.brokers.prometheus.questions import Series, question
from floodwarden.brokers.prometheus.readings import reading
from floodwarden.brokers.prometheus.server import Server
from floodwarden.core.observation import Query, Reading, Snapshot, Subscription, Unknown

ALIVE: Final = "vector(1)"


class PrometheusBroker:
    """The groups of one cluster, as an exporter tells of them."""

    def __init__(self, access: Access, series: Series, matchers: Mapping[str, str], max_age: float) -> None:
        self._server = Server(access)
        self._address = access.address
        self._series = series
        self._matchers = matchers
        self._max_age = max_age
        self._last: Mapping[Subscription, Reading | Unknown] = {}

    async def observe(self, queries: Collection[Query]) -> Snapshot:
        """See ``Broker.observe``; ends within 5 seconds."""
        sent_before = self._server.requests
        subscriptions = dict.fromkeys(query.subscription for query in queries)
        groups = {subscription.group for subscription in subscriptions}
        expression = question(self._series, self._matchers, groups) if groups else ALIVE
        answer = await self._server.query(expression)
        if groups:
            self._last = self._read(answer, subscriptions)
        else:
            self._last = {}
        return Snapshot(readings=self._last, requests=self._server.requests - sent_before, nodes=(self._address,))

    async def close(self) -> None:
        """See ``Broker.close``."""
        await self._server.close()

    def _read(self, answer: object, subscriptions: Collection[Subscription]) -> Mapping[Subscription, Reading | Unknown]:
        series = self._series
        try:
            found = table(answer, series.labels)
        except Unreadable as error:
            raise BrokerError(unreadable(self._address, "").reason, f"{self._address} answered {error}") from None
        lag, starts = series.committed is None, series.log_start is not None
        return {
            subscription: _kept(self._last.get(subscription), reading(subscription, found, self._max_age, lag=lag, starts=starts))
            for subscription in subscriptions
        }


def _kept(last: Reading | Unknown | None, now: Reading | Unknown) -> Reading | Unknown:
    """The reading, the very one of the last sweep where it is the same, and at least its positions where these are."""
    if last == now and last is not None:
        return last
    if isinstance(last, Reading) and isinstance(now, Reading) and last.partitions == now.partitions:
        return replace(now, partitions=last.partitions)
    return now
