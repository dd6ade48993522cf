"""Resolving what changed gives the partition and the ids of a whole resolve under the frozen model, batch after batch."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from batches import IDENTIFIERS, SOURCES, Both, World, batch, history, links, misspelt, sets
from people import Row, strangers
from records import RULES, SECRET, record_set

from identity.incremental.record_index import NoIndex
from identity.incremental.resolving import incremental
from identity.model import MatchKey, MatchRule, RecordSet
from identity.resolve import resolve
from identity.stewardship.decisions import SAME, Decision, RecordName
from identity.versions.plans import apply, pending, plan
from identity.versions.store import CrosswalkStore
from tests.support.encryption import needs_encryption


@pytest.mark.usefixtures("any_share")
@pytest.mark.parametrize("seed", range(2))
def test_batch_after_batch_as_a_whole_resolve(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    if seed:
        monkeypatch.setattr("identity.incremental.comparing.FEW", 5)  # made ready by halves, as many are
    for _ in Both(tmp_path, models).through(*history(seed), batches=2):
        pass


@pytest.mark.usefixtures("any_share")
def test_with_exact_rules_beside_the_model(tmp_path: Path, models: Path) -> None:
    for _ in Both(tmp_path, models, RULES).through(*history(7), batches=2):
        pass


@pytest.mark.usefixtures("any_share")
@pytest.mark.parametrize("seed", range(1))
def test_exact_rules_alone_around_their_cap(tmp_path: Path, models: Path, seed: int) -> None:
    for _ in Both(tmp_path, models, RULES, probable=False, cap=12).through(*history(20 + seed), batches=4):
        pass


@pytest.mark.parametrize("rules", [(), RULES])
def test_of_an_entity_of_few_records_all_are_matched_anew(tmp_path: Path, models_of_few: Path, rules: tuple[MatchRule, ...]) -> None:
    """Whatever share of them changed: nobody else's records have to be matched again for their sake."""
    both = Both(tmp_path, models_of_few, rules)
    for _, report in both.through(*history(9), batches=3):
        assert report.touched is not None and report.touched.records == report.links


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


def test_a_key_whose_row_was_not_there_yet_is_looked_for_again(tmp_path: Path, models: Path) -> None:
    """As on a replica that lags: the source lists the key, tells of no change, and has the row only the next time."""
    _, world, _ = history(12)
    both = Both(tmp_path, models, RULES, probable=False)
    both.start(world)
    later = {**world, ("crm", 9001): {"email": "nobody@one.example"}}

    def lagging(whole: RecordSet, there: bool) -> RecordSet:
        rows = whole.read().read_all()

        def some(keys: pa.Table) -> pa.RecordBatchReader:
            return rows.join(keys, ["k0"], join_type="left semi").select(rows.column_names).slice(0, None if there else 0).to_reader()

        return replace(whole, changed=lambda: rows.slice(0, 0).to_reader(), keys=lambda: rows.select(["k0"]).to_reader(), some=some)

    for there in (False, True):
        told = [lagging(one, there) if one.source == "crm" else one for one in sets(later)]
        incremental(told, RULES, both.little, SECRET, engines=both.engines(), identifiers=IDENTIFIERS)
        assert (("crm", 9001) in links(both.little.current())) == there  # type: ignore[arg-type]


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


@needs_encryption
def test_two_entities_and_an_encrypted_crosswalk(tmp_path: Path, models: Path) -> None:
    """What one entity's records do leaves the other's alone; index and version are encrypted both."""
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
    assert not list(store.directory.glob("index-*.arrow")), "rows beside the index would not be encrypted"
    changed = CrosswalkStore(store.directory, "a key of today", former_key="a key to encrypt with")
    with pytest.raises(NoIndex, match="another key"):
        incremental(everything(world, households), rules, changed, SECRET, engines=engines())
    assert len(list(store.directory.glob("index-*.duckdb"))) == 2


def test_old_indexes_go(tmp_path: Path, models: Path) -> None:
    draw, world, people = history(9)
    both = Both(tmp_path, models, RULES, probable=False)
    both.start(world)
    for step in range(1, 4):
        world = {**world, ("crm", 7000 + step): misspelt(draw, draw.choice(people))}
        both.go_on(world)
    kept = ["index-000001.arrow", *(f"index-00000{n}.duckdb" for n in (1, 3, 4))]
    assert sorted(path.name for path in both.little.directory.glob("index-*")) == kept
    assert not list(both.whole.directory.glob("index-*"))


@pytest.mark.parametrize("broken", ["gone", "cut short", "another's", "one bit"])
def test_rows_that_are_not_those_of_the_index_are_not_built_upon(tmp_path: Path, models: Path, broken: str) -> None:
    _, world, _ = history(9)
    both = Both(tmp_path, models, RULES, probable=False)
    both.start(world)
    rows = both.little.index_path(1).with_suffix(".arrow")
    whole = rows.read_bytes()
    if broken == "another's":
        other = Both(tmp_path / "other", models, RULES, probable=False)
        other.start(dict(list(world.items())[1:]))
        rows.write_bytes(other.little.index_path(1).with_suffix(".arrow").read_bytes())
    elif broken == "one bit":
        rows.write_bytes(whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :])
    elif broken == "cut short":
        rows.write_bytes(whole[: len(whole) // 2])
    else:
        rows.unlink()
    with pytest.raises(NoIndex, match="cannot be read"):
        incremental(sets(world), both.rules, both.little, SECRET, engines=both.engines(), identifiers=IDENTIFIERS)
    rows.write_bytes(whole)
    assert incremental(sets(world), both.rules, both.little, SECRET, engines=both.engines(), identifiers=IDENTIFIERS).unchanged


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
