"""Links held in memory give what the file gives."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest
from records import RULES, SECRET, record_set

from identity.crosswalk import OFTEN, Crosswalk
from identity.resolve import resolve
from identity.versions.store import CrosswalkStore

NAMES = ["ada", "Ada", "ädå", "zoë", "東京", "😀", "", " ", "a'b"]


@pytest.fixture
def crosswalk(tmp_path: Path) -> Crosswalk:
    draw, store = random.Random(7), CrosswalkStore(tmp_path)
    people = [f"p{i}@x.co" for i in range(150)]
    crm = [{"k0": i - 100, "email": draw.choice(people)} for i in range(300)]
    shop = [{"k0": f"{name}{i or ''}", "email": draw.choice(people)} for name in NAMES for i in range(12)]
    pairs = [{"k0": i % 7, "k1": f"{draw.choice(NAMES)}{i}", "email": draw.choice(people)} for i in range(200)]
    for one in ({}, dict.fromkeys(people[2:18], people[1])):  # then some people become one: their ids redirect
        rows = [[row | {"email": one.get(row["email"], row["email"])} for row in some] for some in (crm, shop, pairs)]
        sets = [
            record_set(rows[0], "crm", "t"),
            record_set(rows[1], "shop", "t", key=(("id", "VARCHAR"),)),
            record_set(rows[2], "pos", "t", key=(("store", "BIGINT"), ("no", "VARCHAR"))),
        ]
        resolve(sets, RULES, store, SECRET)
    current = store.current()
    assert current is not None
    return current


def test_they_give_what_the_file_gives(crosswalk: Crosswalk) -> None:
    ids = [i for (i,) in crosswalk.reader.execute("SELECT id360 FROM xw.id_history").fetchall()] + [1, 10**15]
    assert crosswalk.reader.execute("SELECT count(*) FROM xw.redirect").fetchone() != (0,)
    keys = [
        (t.source, row)
        for t in crosswalk.links
        for row in crosswalk.reader.execute(f"SELECT {', '.join(t.columns)} FROM xw.{t.name}").fetchall()
    ]
    keys += [("crm", (10**6,)), ("crm", ("5",)), ("shop", ("nobody",)), ("pos", (3, "nobody")), ("pos", (3,)), ("nowhere", (1,))]
    asked = Crosswalk(crosswalk.path)

    def answers() -> list[object]:
        return [
            *(asked.lookup(i) for i in ids[:50]),
            *(asked.canonical(i) for i in ids),
            *(asked.id_of("individual", "", s, "t", k) for s, k in keys[:50]),
        ]

    def everything() -> list[object]:
        return [*(asked.lookup(i) for i in ids), *(asked.id_of("individual", "", s, "t", k) for s, k in keys), *answers()]

    first = answers()
    assert not asked._held
    asked.hold()
    assert len(asked._held) == len(crosswalk.links) == 3
    assert answers() == first
    held = everything()
    asked._held, asked._redirects, asked._asked = {}, None, OFTEN + 1
    assert everything() == held


def test_who_asks_often_has_them_held(crosswalk: Crosswalk) -> None:
    for i in range(OFTEN):
        assert not crosswalk._held
        crosswalk.lookup(i)
    for thread in threading.enumerate():
        if thread.name == "c360-links":
            thread.join()
    assert crosswalk._held
