"""The ledger of one MessageBroker: written before something is done, and never worse than what was kept."""

from __future__ import annotations

from dataclasses import replace

from floodwarden.cluster.ledger import LedgerProblem, Page
from floodwarden.core.delivery.ledger import Entry, Purpose, Resource, dumped
from floodwarden.core.delivery.ledger import Kept as Ledger
from floodwarden.sweep.ledger import BrokerLedger

ENTRY = Entry(Purpose.GUARD, Resource.TOPIC, "orders", "retention.ms", "1000", "2000", "shop/safe")
OTHER = replace(ENTRY, name="bills", before=None)
LOST = LedgerProblem("the API server is away")


def text_of(*entries: Entry, cluster: str = "") -> str:
    return dumped(Ledger(frozenset(entries), cluster))


class Kept:
    """A ConfigMap in memory; ``lost`` says how the next request fails."""

    def __init__(self, *entries: Entry) -> None:
        self.text = text_of(*entries) if entries else ""
        self.version = 1
        self.lost: list[str] = []
        self.reads = 0

    async def read(self, about: str) -> Page | LedgerProblem:
        self.reads += 1
        return LOST if "read" in self.lost else Page(about, self.text, str(self.version))

    async def write(self, page: Page, text: str) -> Page | LedgerProblem:
        if "write" in self.lost:
            return LOST
        assert page.version == str(self.version), "written over what was not seen"
        self.text, self.version = text, self.version + 1
        if "answer" in self.lost:  # it arrived all the same
            return LOST
        return Page(page.about, text, str(self.version))


def ledger(kept: Kept) -> BrokerLedger:
    return BrokerLedger(kept, "broker shop/main")  # type: ignore[arg-type]


async def test_what_another_replica_wrote_is_found() -> None:
    """It is read once: nobody else writes it while the share is ours."""
    kept = Kept(ENTRY)
    found = ledger(kept)
    assert await found.read() is None
    assert found.entries == {ENTRY}
    assert await found.read() is None
    assert kept.reads == 1


async def test_what_was_there_first_is_kept() -> None:
    """A second change of the same place must not take our own value for what was there before."""
    kept = Kept(ENTRY)
    found = ledger(kept)
    assert await found.add([replace(ENTRY, before="2000", written="3000"), OTHER]) is None
    assert found.entries == {ENTRY, OTHER}
    assert kept.text == text_of(ENTRY, OTHER)


async def test_dropped_and_gone() -> None:
    """What is undone is forgotten; to forget it twice writes nothing."""
    kept = Kept(ENTRY, OTHER)
    found = ledger(kept)
    assert await found.drop([ENTRY]) is None
    assert found.entries == {OTHER}
    version = kept.version
    assert await found.drop([ENTRY]) is None
    assert kept.version == version


async def test_nothing_is_written_down_where_it_cannot_be() -> None:
    """The problem is returned, and what is known stays."""
    for how in ("read", "write"):
        kept = Kept(ENTRY)
        kept.lost = [how]
        found = ledger(kept)
        assert await found.add([OTHER]) == LOST
        assert kept.text == text_of(ENTRY)
        kept.lost = []
        assert await found.add([OTHER]) is None
        assert found.entries == {ENTRY, OTHER}


async def test_a_lost_answer_is_read_again() -> None:
    """The entry arrived although nobody said so: it is known before anything else is done."""
    kept = Kept()
    found = ledger(kept)
    kept.lost = ["answer"]
    assert await found.add([ENTRY]) == LOST
    kept.lost = []
    assert await found.read() is None
    assert found.entries == {ENTRY}


async def test_what_cannot_be_understood_is_left_as_it_is() -> None:
    """Somebody spoilt it: nothing is changed for a while until it is mended, for nobody would know what was there before."""
    kept = Kept()
    kept.text = "spoilt"
    found = ledger(kept)
    problem = await found.add([ENTRY])
    assert problem is not None
    assert "mend it, or delete it" in problem.message
    assert kept.text == "spoilt"
    kept.text = ""
    assert await found.add([ENTRY]) is None
    assert kept.text == text_of(ENTRY)


async def test_other_brokers() -> None:
    """What was changed on one cluster is not undone on another one, and its entries are kept."""
    kept = Kept()
    kept.text = text_of(ENTRY, cluster="old")
    found = ledger(kept)
    await found.read()
    assert found.foreign("old") is None
    problem = found.foreign("new")
    assert problem is not None
    assert "cluster old" in problem.message
    assert kept.text == text_of(ENTRY, cluster="old")
    assert await found.drop([ENTRY]) is None
    assert found.foreign("new") is None
    assert await found.add([ENTRY]) is None
    assert kept.text == text_of(ENTRY, cluster="new")


async def test_a_ledger_that_was_deleted_as_advised_is_forgotten() -> None:
    """It is read again as long as it is about other brokers: no restart is needed."""
    kept = Kept(ENTRY)
    kept.text = text_of(ENTRY, cluster="old")
    found = ledger(kept)
    await found.read()
    assert found.foreign("new") is not None
    kept.text, kept.version = "", 2
    assert await found.read() is None
    assert found.foreign("new") is None
    assert found.entries == frozenset()
