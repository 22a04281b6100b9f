"""The guard, against topics and groups in memory, is killed at every step: nothing is lost, and all is put back."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from floodwarden.core.delivery.wishes import Wishes
from tests.support.delivery import DAY
from tests.support.unread_world import World
from tests.unit.sweep.looks.test_guarding import guard, late_world


async def drained_after(world: World, policy: Wishes) -> None:
    """The group is late and the policy acts, then it catches up; each for as many audits as it takes."""
    world.restart()
    for _ in range(3):
        assert await world.audit_or_die(policy)
    world.commit("billing", 4)
    for _ in range(3):
        assert await world.audit_or_die(policy)


@pytest.mark.parametrize("own", [None, str(DAY)], ids=["inherited", "its own"])
@pytest.mark.parametrize("again", [True, False], ids=["and it acts", "and the policy is gone"])
async def test_killed_at_any_step(own: str | None, again: bool) -> None:
    """Whenever it dies while it extends or puts back, the original is there in the end, and was put back once at the most."""
    deaths = 0
    for extending in (True, False):
        for step in range(100):
            world, policy = late_world(own), guard()
            if not extending:
                await world.audit(policy)
                world.commit("billing", 4)
                await world.audit(policy)  # the next one agrees, and puts it back
            world.dies_at = step
            lived = await world.audit_or_die(policy)
            deaths += not lived
            if again:
                await drained_after(world, policy)
            else:
                world.restart()
                world.commit("billing", 4)
                for _ in range(3):
                    assert await world.audit_or_die()
            assert world.own["orders"] == own, step
            assert world.entries == frozenset(), step
            values = [change.value for change in world.writes]
            assert values in ([], [str(7 * DAY), own]), step
            if lived:
                break
        else:
            pytest.fail("it has no end")
    assert deaths > 15  # awaits at which it died


@settings(deadline=None, phases=(Phase.reuse, Phase.generate))  # making a case smaller takes minutes
@given(st.data())
async def test_nothing_is_lost_that_could_be_kept(data: st.DataObject) -> None:
    """Whatever groups do, whenever it is killed: no unread message younger than extendTo goes, and all is put back in the end."""
    own = data.draw(st.sampled_from([None, str(DAY), str(DAY // 2)]))
    world, policy = World(DAY), guard(4 * DAY)
    world.own["orders"] = own
    usual = world.retention()
    groups = ["a", "b"]
    for group in groups:
        world.commit(group, 0)
    for _ in range(data.draw(st.integers(15, 30))):
        world.produce(*sorted(data.draw(st.lists(st.integers(0, usual // 8000), min_size=1, max_size=3)), reverse=True))
        for group in groups:
            offset = world.committed[group]["orders"]
            assert isinstance(offset, int)
            offset = max(offset, world.starts["orders"])
            world.commit(group, min(len(world.messages["orders"]), offset + data.draw(st.sampled_from([0, 0, 0, 1, 3, 99]))))
        if data.draw(st.booleans()):
            world.dies_at = data.draw(st.integers(0, 20))
            if not await world.audit_or_die(policy):
                world.restart()
        world.dies_at = None
        await world.audit(policy)
        world.now += data.draw(st.integers(usual // 16000, usual // 4000 - 1))
        before = {group: world.committed[group]["orders"] for group in groups}
        world.expire()
        gone = world.messages["orders"][: world.starts["orders"]]
        for offset in before.values():
            assert isinstance(offset, int)
            unread_and_gone = gone[offset:]
            assert all(time < world.now * 1000 - 4 * DAY for time in unread_and_gone)
    for group in groups:
        world.commit(group, len(world.messages["orders"]))
    await world.audit(policy)
    await world.audit(policy)
    assert (world.own["orders"], world.entries) == (own, frozenset())
    assert {change.value for change in world.writes} <= {own, str(4 * DAY)}
