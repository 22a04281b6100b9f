"""``core.sharing``: every share has a taker, loads stay even, and nothing moves without need."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from floodwarden.core.sharing import Moves, moves

MEMBERS = ("a", "b", "c")


def shares(**holders: str | None) -> dict[str, str | None]:
    return dict(holders)


def test_one_replica_takes_everything() -> None:
    """Whoever is alone sweeps all."""
    assert moves("a", shares(x=None, y=None), ["a"]).take == ("x", "y")


def test_what_nobody_has_is_dealt_out() -> None:
    """Each replica takes its part of what is free, and all parts together are the whole."""
    free = shares(x=None, y=None, z=None)
    taken = [moves(me, free, MEMBERS).take for me in MEMBERS]
    assert sorted(share for part in taken for share in part) == ["x", "y", "z"]
    assert max(map(len, taken)) == 1


def test_a_newcomer_is_given_its_part_once_it_has_settled() -> None:
    """Not while pods come and go: one share at a time, from whoever has most."""
    held = shares(w="a", x="b", y="b", z="a")
    assert moves("a", held, MEMBERS, settled=["a", "b"]).give is None
    assert moves("a", held, MEMBERS, settled=MEMBERS) == Moves(give=("z", "c"))
    assert moves("b", held, MEMBERS, settled=MEMBERS).give is None


def test_what_is_kept_is_never_given_and_weighs_nothing() -> None:
    """The leader's share stays where it is, however many MessageBrokers it sweeps besides."""
    held = shares(leader="a", x="a", y="b")
    assert moves("a", held, ["a", "b"], kept={"leader"}) == Moves()
    assert moves("a", shares(leader="a", x="a", y="a"), ["a", "b"], kept={"leader"}).give == ("y", "b")


@given(
    st.dictionaries(st.text("xyz", min_size=1, max_size=3), st.sampled_from([*MEMBERS, "gone", None]), max_size=12),
    st.sets(st.sampled_from(MEMBERS), min_size=1),
)
def test_comes_to_rest_evenly(holders: dict[str, str | None], members: set[str]) -> None:
    """From any beginning: all shares are held by the living, none has two more than another, and then nothing moves."""
    for _ in range(60):
        alive = {share: holder if holder in members else None for share, holder in holders.items()}
        plans = {me: moves(me, alive, members) for me in sorted(members)}
        taken = [share for plan in plans.values() for share in plan.take]
        assert sorted(taken) == sorted(share for share, holder in alive.items() if holder is None)
        if not taken and all(plan.give is None for plan in plans.values()):
            break
        for me, plan in plans.items():
            holders |= dict.fromkeys(plan.take, me)
            if plan.give is not None:
                assert holders[plan.give[0]] == me
                holders[plan.give[0]] = plan.give[1]
    loads = [list(holders.values()).count(member) for member in members]
    assert sum(loads) == len(holders)
    assert max(loads) - min(loads) <= 1
