"""Survivorship written a second time, in Python, over the records as they are: who wins, and where it says the value is from."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from typing import Any

import pytest

from tests.support.world import World
from views.model import Survivorship, SurvivorshipRule

Row = dict[str, Any]
ATTRIBUTES = (
    "email", "phone", "first_name", "last_name", "full_name", "birth_date", "city", "country", "status", "vip", "score", "points", "brand",
    "segment", "created_at", "updated_at", "street", "gender",
)  # fmt: skip


def winner(rules: Survivorship, attribute: str, records: list[Row]) -> Row | None:
    """The record whose value survives. Records come in the order of their keys within a source."""
    there = [r for r in records if r[attribute] is not None]
    if not there:
        return None
    counts = Counter(r[attribute] for r in there)
    order = rules.order(attribute)

    def latest(record: Row) -> tuple[Any, ...]:
        at = record["updated_at"]
        return (at is not None, at or dt.datetime.min, trust(record), -record["ord"])

    def trust(record: Row) -> int:
        return len(order) - order.index(record["source"]) if record["source"] in order else 0

    measures: dict[SurvivorshipRule, Any] = {
        SurvivorshipRule.LATEST: latest,
        SurvivorshipRule.PRIORITY: lambda r: (trust(r), *latest(r)),
        SurvivorshipRule.FREQUENT: lambda r: (counts[r[attribute]], *latest(r)),
        SurvivorshipRule.LONGEST: lambda r: (len(str(r[attribute])), *latest(r)),
        SurvivorshipRule.ANY: lambda r: (trust(r), -r["ord"]),
        SurvivorshipRule.MAX: lambda r: (r[attribute], *latest(r)),
    }
    rule = rules.rule(attribute)
    if rule is SurvivorshipRule.MIN:
        least = min(r[attribute] for r in there)
        return max((r for r in there if r[attribute] == least), key=latest)
    return max(there, key=measures[rule])


@pytest.fixture(scope="module")
def people(world: World) -> dict[int, list[Row]]:
    """The records of each person, with the rank of their key."""
    session = world.project.session("root")
    columns = ", ".join(f"r.{a}" for a in ATTRIBUTES)
    rows = session.sql(f"SELECT r.id360, r.source, r.key, {columns} FROM individual_record r WHERE r.id360 IS NOT NULL").arrow().to_pylist()
    crosswalk = world.project.store.current()
    assert crosswalk is not None
    cursor = world.project.trusted.cursor()
    alias = world.project.trusted.attach(crosswalk)
    ranks = {}
    for link in crosswalk.links:
        key = "k0::VARCHAR" if len(link.columns) == 1 else f"json_array({', '.join(link.columns)})::VARCHAR"
        for text, rank in cursor.execute(f"SELECT {key}, ord FROM {alias}.main.{link.name}").fetchall():
            ranks[link.source, text] = rank
    found = defaultdict(list)
    for row in rows:
        found[row["id360"]].append(row | {"ord": ranks[row["source"], row["key"]]})
    return found


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_who_survives(world: World, people: dict[int, list[Row]], attribute: str) -> None:
    rules = world.project.model.survivorship["individual"]
    parts = ", ".join(f"i.{attribute}__{p}" for p in ("source", "key", "as_of"))
    answer = world.project.session("root").sql(f"SELECT i.id360, i.{attribute}, {parts} FROM individual i").fetchall()
    got = {row[0]: row[1:] for row in answer}
    assert got.keys() == people.keys()
    for id360, records in people.items():
        best = winner(rules, attribute, records)
        if best is None:
            assert got[id360] == (None,) * 4
            continue
        assert got[id360][0] == best[attribute]
        if ties(rules, attribute, records, best):
            continue  # two sources' keys of one rank: either may be named
        assert got[id360][1:] == (best["source"], best["key"], best["updated_at"]), f"of {id360}"


def ties(rules: Survivorship, attribute: str, records: list[Row], best: Row) -> bool:
    """Whether another source's record is just as good: only the value must agree then."""
    others = [r for r in records if r is not best and r[attribute] == best[attribute]]
    named = rules.order(attribute)
    return any(
        (r["updated_at"], r["ord"]) == (best["updated_at"], best["ord"]) and r["source"] not in named and best["source"] not in named
        for r in others
    )


def test_how_many_records_and_the_latest(world: World, people: dict[int, list[Row]]) -> None:
    answer = world.project.session("root").sql("SELECT id360, records, last_updated_at FROM individual").fetchall()
    assert {id360 for id360, _, _ in answer} == set(people)
    for id360, records, latest in answer:
        assert records == len(people[id360])
        assert latest == max((r["updated_at"] for r in people[id360] if r["updated_at"]), default=None)
