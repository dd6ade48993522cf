"""Evidence of exact rules alone, after a batch: it tells of each pair what a whole resolve tells."""

from __future__ import annotations

from pathlib import Path

import pytest
from batches import Both, World
from people import strangers
from records import RULES

from identity.crosswalk import Crosswalk
from identity.evidence.reading import evidence_of


def told(crosswalk: Crosswalk | None) -> list[set[str]]:
    """Of each rule, the levels of the pairs within clusters."""
    assert crosswalk is not None
    evidence = evidence_of(crosswalk, "individual", "")
    name = crosswalk.reader.execute("SELECT name FROM xw.evidence").fetchall()[0][0]
    used = [row for (row,) in crosswalk.reader.execute(f"SELECT DISTINCT pattern FROM xw.inside_{name} WHERE pattern >= 0").fetchall()]
    return [{factor.levels[evidence.patterns[row, i]] for row in used} for i, factor in enumerate(evidence.document.factors)]


@pytest.mark.parametrize(
    ("before", "comes"),
    [
        ([(0, 1, "email"), (2, 3, "phone")], (10, 11, "phone")),
        ([(2, 3, "phone")], (2, 3, "email")),
        ([(2, 3, "phone")], (10, 11, "email")),
    ],
    ids=["fewer rules than before", "more", "another"],
)
def test_a_batch_may_link_by_other_rules(
    tmp_path: Path, any_share: None, before: list[tuple[int, int, str]], comes: tuple[int, int, str]
) -> None:
    people = strangers(100, 0)
    for one, other, what in before:
        people[other][what] = people[one][what]
    both = Both(tmp_path, tmp_path, RULES, probable=False)
    world: World = {("crm", i): row for i, row in enumerate(people)}
    both.start(world)
    one, other, what = comes
    world["crm", other] = {**people[other], what: people[one][what]}
    both.go_on(world)
    assert told(both.little.current()) == told(both.whole.current())


def test_how_many_have_a_value_is_told_of_those_that_are_left(tmp_path: Path, any_share: None) -> None:
    people = [{**row, "phone": "07000111222"} if i < 20 else row for i, row in enumerate(strangers(200, 0))]
    both = Both(tmp_path, tmp_path, RULES, probable=False)
    world: World = {("crm", i): row for i, row in enumerate(people)}
    both.start(world)
    world = {key: row for key, row in world.items() if key[1] < 160} | {("crm", 500): {**people[0], "email": "new@x.test"}}
    both.go_on(world)
    assert told(both.little.current()) == told(both.whole.current())
    assert {"same, on 21 records"} in [levels - {"not known to agree"} for levels in told(both.little.current())]
