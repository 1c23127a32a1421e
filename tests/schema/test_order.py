"""The order of a run over several databases: as listed, unless a file requires something else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from multidb.schema.ledger import Ledger
from multidb.schema.order import put_in_order
from multidb.schema.plan import Plan, plan
from tests.schema.notes import script


def planned(**databases: list[str]) -> dict[str, Plan]:
    """Plans by database: for each of its migrations what it requires, "" for nothing."""
    return {
        name: plan(
            name,
            tuple(
                script(
                    (f"-- Requires: {requires}\n" if requires else "") + "-- Up\nSELECT 1;", version=n, database=name
                )
                for n, requires in enumerate(files, 1)
            ),
            Ledger(),
        )
        for name, files in databases.items()
    }


def legs(plans: dict[str, Plan], *applied: str) -> list[tuple[str, tuple[int, ...]]]:
    order = put_in_order(plans, lambda requirement: str(requirement) in applied)
    return [(leg.database, leg.pending_versions) for leg in order.legs]


def test_without_requirements_the_list_is_the_order() -> None:
    """One leg a database, and none for one without anything pending."""
    assert [("b", (1, 2)), ("a", (1,))] == legs(planned(b=["", ""], c=[], a=[""]))


def test_a_database_goes_as_far_as_its_requirements_are_met() -> None:
    """a2 needs b2, b2 needs a1: two databases take turns."""
    plans = planned(a=["", "b:2", ""], b=["", "a:1"])

    assert [("a", (1,)), ("b", (1, 2)), ("a", (2, 3))] == legs(plans)
    assert [1, 3] == [leg.to for leg in put_in_order(plans, lambda _: False).legs if leg.database == "a"]


def test_what_is_applied_already_is_met() -> None:
    """By the ledger of a database that is not in this run, too."""
    assert [("a", (1,))] == legs(planned(a=["app:3"]), "app:3")


def test_a_circle_is_found_before_anything_runs() -> None:
    """Both are stuck, each with the one that it waits for; what is in no circle is still in order."""
    order = put_in_order(planned(a=["b:1"], b=["a:1"], c=[""]), lambda _: False)

    assert ["c"] == [leg.database for leg in order.legs]
    assert ["a", "b"] == sorted(order.stuck)
    assert "a: migration 1 initial requires b:1, which itself waits" in order.stuck["a"].message


def test_a_requirement_that_nobody_can_meet_is_told() -> None:
    """A version that does not exist, or a database that is not migrated here."""
    order = put_in_order(planned(a=["app:3"], b=["a:2"]), lambda _: False)

    assert () == order.legs
    assert "requires app:3, which is neither applied nor pending" in order.stuck["a"].message
    assert "requires a:2, which is neither applied nor pending" in order.stuck["b"].message


@given(st.lists(st.lists(st.integers(0, 3), max_size=4), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_the_legs_are_every_plan_once_in_an_order_that_keeps_every_requirement(
    counts: list[list[int]], random: object
) -> None:
    """Whatever requires what: nothing is left out in silence, nothing comes twice, nothing too early."""
    names = [f"d{n}" for n in range(len(counts))]
    plans = planned(
        **{
            name: [
                "" if other >= len(names) or names[other] == name else f"{names[other]}:{at + 1}"
                for at, other in enumerate(row)
            ]
            for name, row in zip(names, counts, strict=True)
        }
    )

    order = put_in_order(plans, lambda _: False)

    done: list[str] = []
    for leg in order.legs:
        for one in leg.pending:
            assert all(str(requirement) in done for requirement in one.requires)
            done.append(f"{leg.database}:{one.version}")
    assert len(done) == len(set(done))
    for name, one in plans.items():
        ran = [f"{name}:{version}" for version in one.pending_versions]
        whole = [item for item in done if item in ran]
        assert ran[: len(whole)] == whole
        assert (name in order.stuck) == (len(whole) < len(ran))
