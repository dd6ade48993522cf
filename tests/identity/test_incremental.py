"""Resolving what changed gives the partition and the ids of a whole resolve under the frozen model, batch after batch."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from people import ATTRIBUTES, Row, kin, strangers
from records import RULES, SECRET, record_set

from identity.crosswalk import Crosswalk
from identity.engines import Engines
from identity.incremental.record_index import NoIndex
from identity.incremental.resolving import incremental
from identity.model import MatchKey, MatchModel, MatchRule, RecordSet
from identity.probabilistic.kinds import recognise
from identity.report import ResolveReport
from identity.resolve import resolve
from identity.stewardship.decisions import SAME, Decision, RecordName
from identity.versions.plans import apply, pending, plan
from identity.versions.store import CrosswalkStore

MODEL = MatchModel(recognise(ATTRIBUTES), block_cap=8)
SOURCES = ("crm", "shop")
World = dict[tuple[str, int], Row]
IDENTIFIERS = {"individual": {"email": MatchKey("email", "email")}}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained on so many records that not all of them are compared with all."""
    folder = tmp_path_factory.mktemp("trained")
    world = {(SOURCES[i % 2], i): row for i, row in enumerate(strangers(1500, 300))}
    engines = Engines(SECRET, {"individual": MODEL}, folder / "models")
    resolve(sets(world), {}, CrosswalkStore(folder / "state"), SECRET, engines=engines)
    engines.save()
    return folder / "models"


@pytest.fixture
def any_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Among few records a small batch touches many: go on with the index all the same."""
    monkeypatch.setattr("identity.incremental.resolving.MOST", 100.0)


def sets(world: World) -> list[RecordSet]:
    return [
        record_set([{"k0": key, **row} for (s, key), row in world.items() if s == source], source, attributes=ATTRIBUTES)
        for source in SOURCES
    ]


class Both:
    """Two crosswalks of one history: one resolved whole every time, the other only where something changed."""

    def __init__(
        self, folder: Path, models: Path, rules: dict[str, tuple[MatchRule, ...]] | None = None, probable: bool = True, cap: int = 100
    ):
        self.whole, self.little = CrosswalkStore(folder / "whole"), CrosswalkStore(folder / "little")
        self.models, self.rules, self.probable, self.cap = models, rules or {}, probable, cap
        self.decisions: tuple[Decision, ...] = ()

    def engines(self) -> Engines:
        return Engines(SECRET, {"individual": MODEL} if self.probable else {}, self.models, self.cap)

    def start(self, world: World) -> None:
        ways: dict[str, Any] = {"identifiers": IDENTIFIERS, "decisions": self.decisions}
        resolve(sets(world), self.rules, self.little, SECRET, engines=self.engines(), index=True, **ways)
        shutil.copytree(self.little.directory, self.whole.directory, dirs_exist_ok=True)

    def go_on(self, world: World, some: list[RecordSet] | None = None) -> ResolveReport:
        ways: dict[str, Any] = {"identifiers": IDENTIFIERS, "decisions": self.decisions}
        before = self.whole.current()
        whole = resolve(sets(world), self.rules, self.whole, SECRET, engines=self.engines(), **ways)
        report = incremental(some or sets(world), self.rules, self.little, SECRET, engines=self.engines(), **ways)
        assert report.ignored_decisions == whole.ignored_decisions
        self.same()
        now = self.whole.current()
        assert before is not None and now is not None and report.unchanged == whole.unchanged == (links(before) == links(now))
        return report

    def same(self) -> None:
        one, other = self.whole.current(), self.little.current()
        assert one is not None and other is not None
        assert links(other) == links(one)
        for sql in (
            "SELECT * FROM xw.id_history ORDER BY ALL",
            "SELECT * FROM xw.id_event ORDER BY ALL",
            "SELECT * FROM xw.redirect ORDER BY ALL",
            "SELECT name, links FROM xw.link_table ORDER BY ALL",
            *(f"SELECT * FROM xw.{t.name} ORDER BY ALL" for t in one.identifiers),
        ):
            assert other.reader.execute(sql).fetchall() == one.reader.execute(sql).fetchall(), sql
        runs = "SELECT run, links, ids, minted, merged, retired FROM xw.run ORDER BY run"
        assert other.reader.execute(runs).fetchall() == one.reader.execute(runs).fetchall()


def links(crosswalk: Crosswalk) -> dict[tuple[str, int], int]:
    return {
        (table.source, key): id360
        for table in crosswalk.links
        for key, id360 in crosswalk.reader.execute(f"SELECT k0, id360 FROM xw.{table.name}").fetchall()
    }


def misspelt(draw: random.Random, row: Row) -> Row:
    """The same person, as another system has it."""
    changed = dict(row)
    for _ in range(draw.randint(1, 3)):
        name = draw.choice(ATTRIBUTES)
        value = changed[name]
        if value is None or draw.random() < 0.3:
            changed[name] = None
        else:
            at = draw.randrange(len(value))
            changed[name] = value[:at] + draw.choice("aeio1") + value[at + 1 :]
    return changed


def crowd(draw: random.Random, count: int) -> list[Row]:
    """People of few names in few houses, so that blocks are around their caps all the time."""
    first, last, city = ("Ann", "Tom", "Eve", "Max"), ("Li", "Ray", "Fox"), ("Bath", "York")
    people = strangers(count, 0, seed=draw.randrange(1000))
    for row in people:
        if draw.random() < 0.5:
            row |= {"first_name": draw.choice(first), "last_name": draw.choice(last), "city": draw.choice(city)}
        if draw.random() < 0.3:
            row |= {"phone": f"0711111111{draw.randrange(3)}", "birth_date": None}
    return people


def history(seed: int) -> tuple[random.Random, World, list[Row]]:
    draw = random.Random(seed)
    people = crowd(draw, 130)
    people += kin(people[:25], seed)
    world = {(draw.choice(SOURCES), i): dict(row) for i, row in enumerate(people)}
    world |= {(draw.choice(SOURCES), 1000 + i): misspelt(draw, draw.choice(people)) for i in range(60)}
    return draw, world, people


def batch(draw: random.Random, world: World, people: list[Row], step: int) -> World:
    """A few records come, a few change, a few go."""
    later = dict(world)
    for key in draw.sample(sorted(later), draw.randint(0, 5)):
        del later[key]
    for key in draw.sample(sorted(later), draw.randint(0, 5)):
        later[key] = misspelt(draw, draw.choice(people) if draw.random() < 0.5 else later[key])
    for i in range(draw.randint(0, 6)):
        later[draw.choice(SOURCES), draw.choice((1, -1)) * (10_000 * step + i)] = misspelt(draw, draw.choice(people))
    return later


@pytest.mark.usefixtures("any_share")
@pytest.mark.parametrize("seed", range(2))
def test_batch_after_batch_as_a_whole_resolve(tmp_path: Path, models: Path, seed: int) -> None:
    draw, world, people = history(seed)
    both = Both(tmp_path, models)
    both.start(world)
    for step in range(1, 3):
        world = batch(draw, world, people, step)
        both.go_on(world)


@pytest.mark.usefixtures("any_share")
def test_with_exact_rules_beside_the_model(tmp_path: Path, models: Path) -> None:
    draw, world, people = history(7)
    both = Both(tmp_path, models, RULES)
    both.start(world)
    for step in range(1, 3):
        world = batch(draw, world, people, step)
        both.go_on(world)


@pytest.mark.usefixtures("any_share")
@pytest.mark.parametrize("seed", range(1))
def test_exact_rules_alone_around_their_cap(tmp_path: Path, models: Path, seed: int) -> None:
    draw, world, people = history(20 + seed)
    both = Both(tmp_path, models, RULES, probable=False, cap=12)
    both.start(world)
    for step in range(1, 5):
        world = batch(draw, world, people, step)
        both.go_on(world)


def test_nothing_new_mints_nothing(tmp_path: Path, models: Path) -> None:
    _, world, _ = history(3)
    both = Both(tmp_path, models)
    both.start(world)
    report = both.go_on(world)
    assert report.touched is not None
    assert (report.minted, report.merged, report.retired, report.touched.records) == (0, 0, 0, 0)
    assert report.links == len(world)


def test_a_delete_splits_a_chain(tmp_path: Path, models: Path) -> None:
    """A has B's e-mail address, C has B's phone number and nothing of A: without B they are two people."""
    _, world, _ = history(4)
    a = {"first_name": "Philippa", "last_name": "Wainscote", "email": "pw@one.example"}
    b = {"first_name": "Philippa", "last_name": "Wainscote", "email": "pw@one.example", "phone": "07999123456"}
    c = {"first_name": "Pip", "phone": "07999123456"}
    world |= {("crm", 5001): a, ("shop", 5002): b, ("crm", 5003): c}
    both = Both(tmp_path, models, RULES)
    both.start(world)
    found = links(both.little.current())  # type: ignore[arg-type]
    assert found["crm", 5001] == found["shop", 5002] == found["crm", 5003]
    before = found["crm", 5001]
    del world["shop", 5002]
    report = both.go_on(world)
    found = links(both.little.current())  # type: ignore[arg-type]
    assert found["crm", 5001] == before != found["crm", 5003]
    assert report.minted == 1
    assert report.touched is not None and report.touched.gone == 1


def test_a_decision_waits_for_a_record_and_holds_once_it_is_there(tmp_path: Path, models: Path) -> None:
    """Nothing but the decision speaks for the new record being one with a record that did not change."""
    _, world, _ = history(4)
    old = min(key for source, key in world if source == "crm")
    (alone,) = strangers(1, 0, seed=77)
    one, other = RecordName("crm", "contact", (str(old),)), RecordName("shop", "contact", ("7001",))
    both = Both(tmp_path, models)
    both.start(world)
    both.decisions = (Decision(SAME, "individual", "", one, other, None, "asked her", "ana", datetime.now(UTC), None, "d1"),)
    assert both.go_on(world).ignored_decisions == ("d1",)
    both.go_on(world | {("shop", 7001): alone})
    found = links(both.little.current())  # type: ignore[arg-type]
    assert found["crm", old] == found["shop", 7001]
    assert both.go_on(world).ignored_decisions == ("d1",), "the record is gone"


@pytest.mark.usefixtures("any_share")
def test_a_source_that_tells_what_changed_is_not_read_whole(tmp_path: Path, models: Path) -> None:
    draw, world, people = history(5)
    both = Both(tmp_path, models)
    both.start(world)
    later = batch(draw, world, people, 1)

    def telling(whole: RecordSet) -> RecordSet:
        rows = whole.read().read_all()

        def never() -> pa.RecordBatchReader:
            raise AssertionError("the source was read whole")

        def changed() -> pa.RecordBatchReader:
            news = [later[whole.source, k] != world.get((whole.source, k)) for k in rows["k0"].to_pylist()]
            return rows.filter(pa.array(news, pa.bool_())).to_reader()

        def some(keys: pa.Table) -> pa.RecordBatchReader:
            return rows.join(keys, ["k0"], join_type="left semi").select(rows.column_names).to_reader()

        return replace(whole, read=never, changed=changed, keys=lambda: rows.select(["k0"]).to_reader(), some=some)

    told = [telling(one) for one in sets(later)]
    report = both.go_on(later, told)
    gone, new = world.keys() - later.keys(), later.keys() - world.keys()
    changed = [key for key in world.keys() & later.keys() if world[key] != later[key]]
    assert report.touched is not None
    assert (report.touched.new, report.touched.changed, report.touched.gone) == (len(new), len(changed), len(gone))


@pytest.mark.usefixtures("any_share")
def test_a_neighbour_that_changed_in_silence_counts_as_changed(tmp_path: Path, models: Path) -> None:
    """Its source's watermark did not move; but it was read because of its double, and is not as it was."""
    _, world, _ = history(11)
    both = Both(tmp_path, models)
    both.start(world)
    quiet = next(key for key in sorted(world) if world[key]["email"] and world[key]["phone"])
    later = {**world, ("crm", 8000): dict(world[quiet]), quiet: {**world[quiet], "middle": None, "street": "1 Elsewhere"}}

    def telling(whole: RecordSet) -> RecordSet:
        rows = whole.read().read_all()
        news = pa.array([whole.source == "crm" and key == 8000 for key in rows["k0"].to_pylist()], pa.bool_())
        return replace(whole, changed=lambda: rows.filter(news).to_reader())

    report = both.go_on(later, [telling(one) for one in sets(later)])
    assert report.touched is not None
    assert report.touched.new == 1


def test_what_cannot_be_done_in_part_says_so(tmp_path: Path, models: Path) -> None:
    _, world, _ = history(6)
    both = Both(tmp_path, models)
    with pytest.raises(NoIndex, match="no crosswalk yet"):
        incremental(sets(world), {}, both.little, SECRET, engines=both.engines())
    both.start(world)
    with pytest.raises(NoIndex, match="another set of match rules"):
        incremental(sets(world), RULES, both.little, SECRET, engines=both.engines(), identifiers=IDENTIFIERS)
    with pytest.raises(NoIndex, match="more than a fifth"):
        incremental(
            sets({k: r for k, r in world.items() if k[1] % 2}), {}, both.little, SECRET, engines=both.engines(), identifiers=IDENTIFIERS
        )
    assert both.little.versions() == (1,)
    resolve(sets(world), {}, both.little, SECRET, engines=both.engines(), identifiers=IDENTIFIERS)
    with pytest.raises(NoIndex, match="left no index"):
        incremental(sets(world), {}, both.little, SECRET, engines=both.engines(), identifiers=IDENTIFIERS)


def test_two_entities_and_an_encrypted_crosswalk(tmp_path: Path, models: Path) -> None:
    """What one entity's records do leaves the other's alone; index and version are encrypted both."""
    pytest.importorskip("duckdb_extension_httpfs")
    _, world, _ = history(8)
    households = [{"k0": i, "email": f"house{i % 30}@example.org"} for i in range(40)]

    def everything(some: World, houses: list[Row]) -> list[RecordSet]:
        return [*sets(some), record_set(houses, "crm", "house", entity="household")]

    rules = {"household": (MatchRule("email", (MatchKey("email", "email"),)),)}
    store = CrosswalkStore(tmp_path / "secret", "a key to encrypt with")
    engines = Both(tmp_path, models).engines
    resolve(everything(world, households), rules, store, SECRET, engines=engines(), index=True)
    before = store.current()
    assert before is not None
    households[3] = {"k0": 3, "email": "house7@example.org"}
    report = incremental(everything(world, households), rules, store, SECRET, engines=engines())
    after = store.current()
    assert after is not None and after.encrypted and report.touched is not None
    assert (report.touched.new, report.touched.changed, report.touched.gone) == (0, 1, 0)
    moved = {key for key in links(before) if links(before)[key] != links(after)[key]}
    assert moved == {("crm", 3)}
    assert b"house7" not in store.index_path(2).read_bytes()
    assert len(list(store.directory.glob("index-*.duckdb"))) == 2


def test_old_indexes_go(tmp_path: Path, models: Path) -> None:
    draw, world, people = history(9)
    both = Both(tmp_path, models, RULES, probable=False)
    both.start(world)
    for step in range(1, 4):
        world = {**world, ("crm", 7000 + step): misspelt(draw, draw.choice(people))}
        both.go_on(world)
    assert sorted(path.name for path in both.little.directory.glob("index-*")) == [f"index-00000{n}.duckdb" for n in (1, 3, 4)]
    assert not list(both.whole.directory.glob("index-*"))


def test_a_plan_that_is_applied_brings_an_index_along(tmp_path: Path, models: Path, any_share: None) -> None:
    both = Both(tmp_path, models)
    world = {(SOURCES[i % 2], i): row for i, row in enumerate(strangers(300, 60))}
    both.start(world)
    ways: dict[str, Any] = {"engines": both.engines(), "index": True, "identifiers": IDENTIFIERS}
    world["shop", 1000] = {**world["crm", 0], "phone": None}
    for store in (both.whole, both.little):
        plan(sets(world), both.rules, store, SECRET, **ways)
    world["shop", 1001] = {**world["crm", 2], "phone": None}
    for store in (both.whole, both.little):
        assert store.index_path(1).is_file(), "what serves has its own still"
        apply(store)
        assert store.current() is not None and store.current().version == 2
    report = both.go_on(world)
    assert report.touched is not None and (report.touched.new, report.touched.changed, report.touched.gone) == (1, 0, 0)


def test_an_index_of_another_plan_than_the_one_applied_is_not_built_upon(
    tmp_path: Path, models: Path, any_share: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = Both(tmp_path, models)
    world = {(SOURCES[i % 2], i): row for i, row in enumerate(strangers(300, 60))}
    both.start(world)
    ways: dict[str, Any] = {"index": True, "identifiers": IDENTIFIERS}
    made = plan(sets(world), both.rules, both.little, SECRET, engines=both.engines(), **ways)
    assert made.index and plan(sets(world), both.rules, both.whole, SECRET, engines=both.engines(), identifiers=IDENTIFIERS).index == ""
    world["shop", 1000] = {**world["crm", 0], "phone": None}
    with monkeypatch.context() as power_cut, pytest.raises(KeyboardInterrupt):
        power_cut.setattr("identity.versions.plans.changes", interrupted)
        plan(sets(world), both.rules, both.little, SECRET, engines=both.engines(), **ways)
    assert both.little.index_path(2).is_file() and pending(both.little) == made
    assert apply(both.little).version == 2 and not both.little.index_path(2).is_file()
    with pytest.raises(NoIndex, match="left no index"):
        incremental(sets(world), both.rules, both.little, SECRET, engines=both.engines(), identifiers=IDENTIFIERS)


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt
