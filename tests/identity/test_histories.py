"""A hundred random histories of a crosswalk: records come, change and go, rules change, stewards decide and withdraw, plans are applied,
versions rolled back. After every step: each key has one id, no id changed hands, every old id leads to whoever has its records."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from records import RULES, SECRET, record_set

from identity.crosswalk import Crosswalk
from identity.errors import ContradictoryDecisions
from identity.model import MatchRule, RecordSet
from identity.resolve import resolve
from identity.stewardship.decision_log import decide, read_decisions, withdraw
from identity.stewardship.decisions import DIFFERENT, PIN, SAME, Decision, RecordName
from identity.versions.plans import apply, plan
from identity.versions.rollback import rollback
from identity.versions.store import CrosswalkStore

VILLAGES = 10
"""Histories that share a crosswalk: nobody of one agrees with anybody of another. What is global (rules, rollback) differs by seed."""
STEPS = 6
SOURCES = ("crm", "shop")

Record = tuple[str, int]
Ids = dict[Record, int]


class World:
    """What the sources hold, what stewards said, and what has been seen of the crosswalk."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.store = CrosswalkStore(folder / "crosswalk", keep=4)
        self.file = folder / "decisions.jsonl"
        self.rows: dict[Record, dict[str, Any]] = {}
        self.rules: dict[str, tuple[MatchRule, ...]] = RULES
        self.ids: Ids = {}
        self.ever: set[int] = set()
        self.bearers: dict[Record, list[int]] = {}
        self.leads_before: dict[int, int] = {}
        for village in range(VILLAGES):
            for _ in range(5):
                self.add(village)

    def add(self, village: int) -> None:
        number = next(n for n in iter(lambda: self.rng.randrange(60), None) if ("crm", village * 100 + n) not in self.rows)
        record = (self.rng.choice(SOURCES), village * 100 + number)
        self.rows[record] = {"k0": record[1], **self.values(village)}

    def values(self, village: int) -> dict[str, str | None]:
        email, phone = self.rng.choice([None, *range(4)]), self.rng.choice([None, *range(4)])
        return {
            "email": None if email is None else f"v{village}e{email}@x.de",
            "phone": None if phone is None else f"+49301{village:03}{phone:03}",
        }

    def change(self) -> None:
        """Something happens in most villages, and now and then to the rules."""
        for village in range(VILLAGES):
            here = sorted(r for r in self.rows if r[1] // 100 == village)
            for _ in range(self.rng.randrange(3)):
                match self.rng.choice(["add", "change", "delete", "decide", "decide", "withdraw"]):
                    case "change" if here:
                        self.rows[self.rng.choice(here)].update(self.values(village))
                    case "delete" if here:
                        self.rows.pop(here.pop(self.rng.randrange(len(here))))
                    case "decide" if len(here) > 1:
                        self.decide(*self.rng.sample(here, 2))
                    case "withdraw" if active := read_decisions(self.file).active():
                        withdraw(self.file, self.rng.choice(active).id, reason="r", by="b")
                    case _:
                        self.add(village)
        if self.rng.random() < 0.3:
            self.rules = {"individual": tuple(self.rng.sample(RULES["individual"], self.rng.randrange(3)))}

    def decide(self, one: Record, other: Record) -> None:
        verdict = self.rng.choice([SAME, DIFFERENT, PIN])
        a, b = (RecordName(source, "contact", (str(key),)) for source, key in (one, other))
        id360 = self.rng.choice(self.bearers.get(one, [10**14]))
        whom = (None, id360) if verdict == PIN else (b, None)
        made = Decision(verdict, "individual", "", a, *whom, "r", "b", datetime.now(UTC), None)
        if verdict != PIN or one in self.bearers:
            with suppress(ContradictoryDecisions):
                decide(self.file, made)

    def sets(self) -> list[RecordSet]:
        """The record sets, their rows in any order."""
        rows = {source: [row for record, row in self.rows.items() if record[0] == source] for source in SOURCES}
        return [record_set(self.rng.sample(rows[source], len(rows[source])), source) for source in SOURCES]

    def publish(self) -> None:
        decisions = read_decisions(self.file)
        if self.rng.random() < 0.3:
            made = plan(self.sets(), self.rules, self.store, SECRET, decisions=decisions)
            assert apply(self.store, decisions).version == made.version == self.serving.version
        else:
            resolve(self.sets(), self.rules, self.store, SECRET, decisions=decisions.active(), threads=self.rng.choice([1, 2]))

    @property
    def serving(self) -> Crosswalk:
        found = self.store.current()
        assert found
        return found

    def links(self) -> list[tuple[Any, ...]]:
        """Every row of every link table, in the order in which it lies in the file."""
        serving = self.serving
        return [(t.source, *row) for t in serving.links for row in serving.reader.execute(f"FROM xw.{t.name}").fetchall()]

    def read(self) -> Ids:
        links = self.links()
        found = {(source, key): id360 for source, key, id360, _ in links}
        assert len(found) == len(links), "a key with two ids"
        return found

    def pins(self) -> set[int]:
        return {d.id360 for d in read_decisions(self.file).active() if d.id360 is not None}

    def check(self, back: bool) -> None:
        before, now = self.ids, self.read()
        pins = self.pins()
        living = set(now.values())
        if not back:
            assert now.keys() == self.rows.keys()
            self._decisions_hold(now)
            new = living - set(before.values()) - pins
            assert not new & self.ever, "an id of the past was given to somebody"
            for id360 in (living & set(before.values())) - pins:
                assert {r for r, i in now.items() if i == id360} & {r for r, i in before.items() if i == id360}, "an id changed hands"
        for id360 in set(before.values()) - living:
            heirs = Counter(now[r] for r, i in before.items() if i == id360 and r in now)
            leads = self.serving.canonical(id360)
            assert not heirs or heirs[leads] == max(heirs.values()), "an id that ended does not lead to most of its records"
        for id360 in self.ever:
            end = self.serving.canonical(id360)
            assert self.serving.canonical(end) == end, "a chain"
            assert (
                end in living
                or self.leads_before.get(id360, -1) not in before.values()
                or not any(r in now for r, i in before.items() if i == self.leads_before[id360])
            ), "an old id leads nowhere, but its records are there"
        self.ids, self.ever = now, self.ever | living
        self.leads_before = {id360: self.serving.canonical(id360) for id360 in self.ever}
        for record, id360 in now.items():
            if id360 not in self.bearers.setdefault(record, []):
                self.bearers[record].append(id360)

    def _decisions_hold(self, now: Ids) -> None:
        for d in read_decisions(self.file).active():
            found = [now.get((r.source, int(r.key[0]))) for r in d.records]
            if None not in found:
                match d.verdict:
                    case "same":
                        assert found[0] == found[1]
                    case "different":
                        assert found[0] != found[1]
                    case "pin":
                        assert found[0] == d.id360


@pytest.mark.parametrize("seed", range(10))
def test_a_random_history(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("identity.versions.stable_ids.SPAN", 5000)  # ids collide all the time
    monkeypatch.setattr("identity.versions.store.sync", lambda path: None)  # nobody cuts the power here
    world = World(tmp_path, seed)
    for step in range(STEPS):
        back = step > 2 and world.rng.random() < 0.25
        if back:
            rollback(world.store, world.rng.choice(world.store.versions()[:-1]))
        else:
            world.change()
            world.publish()
        world.check(back)
    world.publish()
    world.check(False)
    links = world.links()
    resolve(world.sets(), world.rules, world.store, SECRET, decisions=read_decisions(world.file).active())
    assert world.links() == links, "unchanged data, other links"
