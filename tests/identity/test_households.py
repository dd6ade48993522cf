"""Households of the people that a resolve finds: who is in one, ids that stay, incrementally as a whole, and back again."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import ClassVar

import pytest
from batches import IDENTIFIERS, MODEL, SOURCES, Both, history, sets
from people import Row, kin, people_set, strangers
from records import RULES, SECRET

from identity.crosswalk import Crosswalk
from identity.engines import Engines
from identity.incremental.record_index import NoIndex
from identity.incremental.resolving import incremental
from identity.model import Households
from identity.report import ResolveReport
from identity.resolve import resolve
from identity.versions.lineage import lineage
from identity.versions.rollback import rollback
from identity.versions.store import CrosswalkStore


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained on people of whom some live together."""
    folder = tmp_path_factory.mktemp("trained")
    rows = strangers(1300, 300)
    world = {(SOURCES[i % 2], i): row for i, row in enumerate(rows + kin(rows[:300]))}
    engines = Engines(SECRET, {"individual": MODEL}, folder / "models")
    resolve(sets(world), {}, CrosswalkStore(folder / "state"), SECRET, engines=engines)
    engines.save()
    return folder / "models"


def households(crosswalk: Crosswalk | None) -> dict[int, set[int]]:
    """The people of each household, by id."""
    assert crosswalk is not None
    found: dict[int, set[int]] = defaultdict(set)
    for table in crosswalk.households:
        for person, household in crosswalk.reader.execute(f"SELECT k0, id360 FROM xw.{table.name}").fetchall():
            found[household].add(person)
    return dict(found)


def pairs(crosswalk: Crosswalk | None) -> list[tuple[int, int, int]]:
    """The pairs of records kept as evidence, by source and key instead of number."""
    assert crosswalk is not None
    from identity.evidence.reading import evidence_of
    from identity.households.mates import table_of

    rows = crosswalk.reader.execute(f"SELECT l, r, weight FROM xw.{table_of('individual', '')}").fetchall()
    named = evidence_of(crosswalk, "individual", "").named({rec for row in rows for rec in row[:2]})
    return sorted((*sorted((str(named[a]), str(named[b]))), weight) for a, b, weight in rows)  # type: ignore[misc]


class Together(Both):
    """As Both, with households."""

    limits: ClassVar = {"households": {"individual": Households()}}

    def same(self) -> None:
        super().same()
        assert pairs(self.little.current()) == pairs(self.whole.current())
        assert households(self.little.current()) == households(self.whole.current())


@pytest.mark.usefixtures("any_share")
@pytest.mark.parametrize(("seed", "ruled"), [(41, False), (42, True), (43, True)])
def test_batch_after_batch_as_a_whole_resolve(tmp_path: Path, models: Path, seed: int, ruled: bool) -> None:
    draw, world, people = history(seed)
    world |= {
        (SOURCES[i % 2], 500 + i): {**row, "phone": None, "birth_date": f"1970-03-{10 + i % 19}"}
        for i, row in enumerate(kin(people[30:75]))
    }
    people += [world[key] for key in sorted(world) if 500 <= key[1] < 1000]
    both = Together(tmp_path, models, RULES if ruled else None)
    for _, report in both.through(draw, world, people, batches=2):
        (count,) = report.households
        found = households(both.little.current())
        assert (count.households, count.people) == (len(found), sum(map(len, found.values()))) and len(found) > 10


@pytest.mark.usefixtures("any_share")
def test_an_index_without_households_is_not_built_upon(tmp_path: Path, models: Path) -> None:
    _, world, _ = history(44)
    plain = Both(tmp_path, models)
    plain.start(world)
    asked = Together(tmp_path, models)
    with pytest.raises(NoIndex, match="households"):
        incremental(sets(world), {}, plain.little, SECRET, engines=asked.engines(), identifiers=IDENTIFIERS)


ASKED = Households()
ALONE = 500


class Town:
    """Families of two to four in houses of their own, and people who live alone."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, CrosswalkStore(folder / "crosswalk")
        people = strangers(ALONE, 0)
        self.families: list[list[int]] = []
        self.rows: dict[int, Row] = dict(enumerate(people))
        more = iter(range(2000, 9000))
        for head in range(60):
            mates = [self.rows[head]] * (1 + head % 3)
            numbers = [next(more) for _ in mates]
            for number, row in zip(numbers, kin(mates, seed=head), strict=True):
                self.rows[number] = {**row, "birth_date": f"19{50 + number % 40}-0{1 + number % 9}-1{number % 9}"}
            self.families.append([head, *numbers])

    def resolve(self, asked: Households | None = ASKED) -> ResolveReport:
        engines = Engines(SECRET, {"individual": MODEL}, self.folder / "models", households={"individual": asked} if asked else {})
        rows = [{"key": key, **row} for key, row in sorted(self.rows.items())]
        report = resolve([people_set(rows)], {}, self.store, SECRET, engines=engines)
        engines.save()
        return report

    def ids(self) -> dict[int, int]:
        crosswalk = self.store.current()
        assert crosswalk is not None
        return dict(crosswalk.reader.execute(f"SELECT k0, id360 FROM xw.{crosswalk.links[0].name}").fetchall())

    def together(self) -> dict[int, int]:
        """Per record the household of its person."""
        of = {person: household for household, people in households(self.store.current()).items() for person in people}
        return {key: of[id360] for key, id360 in self.ids().items() if id360 in of}


def test_families_are_households_and_strangers_are_not(tmp_path: Path) -> None:
    town = Town(tmp_path)
    report = town.resolve()
    found = town.together()
    whole = [family for family in town.families if len({found.get(key) for key in family}) == 1 and family[0] in found]
    assert len(whole) >= 57
    assert len({found[family[0]] for family in whole}) == len(whole), "no two families are one household"
    alone = set(range(60, ALONE))
    assert len(alone & found.keys()) <= 4
    (count,) = report.households
    assert count.households == len(set(found.values())) and count.people == len({town.ids()[key] for key in found}) and count.largest == 4
    crosswalk = town.store.current()
    assert crosswalk is not None and report.ids == len(set(town.ids().values())), "households are no people"
    assert sum(t.links for t in crosswalk.links) == len(town.rows)
    assert all(crosswalk.lookup(household) == () for household in list(households(crosswalk))[:3])


def test_ids_of_households_stay_end_and_come_back(tmp_path: Path) -> None:
    town = Town(tmp_path)
    town.resolve()
    before = town.together()
    assert town.resolve().households[0].minted == 0 and town.together() == before
    four = next(f for f in town.families if len(f) == 4 and len({before.get(k) for k in f}) == 1)
    two = next(f for f in town.families if len(f) == 2 and len({before.get(k) for k in f}) == 1 and f[0] in before)
    del town.rows[four[1]], town.rows[two[1]]
    gone = before[two[0]]
    report = town.resolve()
    after = town.together()
    assert {after[key] for key in (four[0], four[2], four[3])} == {before[four[0]]}, "a household outlives a member"
    assert two[0] not in after, "one person alone is no household"
    crosswalk = town.store.current()
    assert crosswalk is not None
    told = lineage(crosswalk, gone)
    assert (told.entity, told.now, told.events[-1].event) == ("household of individual", None, "retired")
    assert report.retired == 2, "of people: those whose records went"
    back = rollback(town.store)
    assert town.together() == before and lineage(back, gone).events[-1].event == "restored"
    town.resolve(None)
    last = town.store.current()
    assert last is not None and not last.households and lineage(last, gone).now is None
    town.resolve()
    assert not set(town.together().values()) & set(before.values()), "no id is given twice"


def test_threshold_and_largest(tmp_path: Path) -> None:
    town = Town(tmp_path)
    town.resolve(Households(largest=2))
    assert {len(people) for people in households(town.store.current()).values()} == {2}
    some = len(town.together())
    town.resolve(Households(threshold=0.9999))
    assert len(town.together()) < len(town.rows) and max(len(p) for p in households(town.store.current()).values()) <= 4
    assert some > 0
