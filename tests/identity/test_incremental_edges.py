"""Incremental resolves at their edges: ids and identifiers of people whom no value connects with what changed; rows that come and go
while a source is read; sources and copies that break off."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from batches import IDENTIFIERS, Both, World, history, links, sets
from people import strangers
from records import RULES, SECRET

from connectors.spi.errors import SourceBroken
from identity.errors import CrosswalkUnwritable, DuplicateKeys
from identity.incremental.record_index import NoIndex
from identity.incremental.resolving import incremental
from identity.model import MatchKey, MatchRule, RecordSet
from identity.stewardship.decisions import PIN, Decision, RecordName


def test_who_has_an_id_that_somebody_else_is_pinned_to_gets_another(tmp_path: Path, models: Path) -> None:
    """Nothing connects the two but the pin; without it, two people would have one id."""
    _, world, _ = history(4)
    one, other = strangers(2, 0, seed=78)
    world |= {("crm", 5001): one, ("crm", 5002): other}
    both = Both(tmp_path, models)
    both.start(world)
    taken = links(both.little.current())["crm", 5002]  # type: ignore[arg-type]
    name = RecordName("crm", "contact", ("5001",))
    both.decisions = (Decision(PIN, "individual", "", name, None, taken, "so says the ERP", "ana", datetime.now(UTC), None, "d1"),)
    both.go_on(world)
    found = links(both.little.current())  # type: ignore[arg-type]
    assert found["crm", 5001] == taken != found["crm", 5002]


@pytest.mark.usefixtures("any_share")
def test_an_identifier_on_more_records_than_link_is_kept_while_one_person_has_it(tmp_path: Path, models: Path) -> None:
    """Beyond the cap no rule tells who else has the value, and yet it leads to its bearer as long as there is one alone."""
    _, world, _ = history(4)
    rules = {"individual": (*RULES["individual"], MatchRule("family", (MatchKey("last_name", "exact"),)))}
    both = Both(tmp_path, models, rules, probable=False, cap=3)
    mail = "many@one.example"
    chain = [("07999123451", "Aaa"), ("07999123451", "Bbb"), ("07999123452", "Bbb"), ("07999123452", "Ccc")]
    crm: World = {("crm", 5000 + i): {"email": mail, "phone": phone, "last_name": name} for i, (phone, name) in enumerate(chain)}
    both.start({**world, **crm})
    b: World = {("shop", 6000): {"email": mail, "last_name": "Other"}}

    def leads() -> bool:
        current = both.little.current()
        assert current is not None
        (table,) = current.identifiers
        return bool(current.reader.execute(f"SELECT 1 FROM xw.{table.name} WHERE value = ?", [mail]).fetchall())

    both.go_on({**world, **crm})
    assert leads(), "four records, one person"
    both.go_on({**world, **crm, **b})
    assert not leads(), "two people now, though only the new one was looked at"
    both.go_on({**world, **crm})
    assert leads(), "the other is gone"


def told_by_keys(whole: RecordSet, keys: list[int | None], changed: list[int | None], times: int = 1) -> RecordSet:
    """The record set as a source that tells what changed, by key; it finds each row that it is asked for `times` over."""
    rows = whole.read().read_all()

    def some(wanted: pa.Table) -> pa.RecordBatchReader:
        found = rows.filter(pc.is_in(rows["k0"], wanted["k0"].combine_chunks()))
        return pa.concat_tables([found] * times).to_reader()

    return replace(
        whole,
        changed=lambda: rows.filter(pc.is_in(rows["k0"], pa.array(changed, pa.int64()))).to_reader(),
        keys=lambda: pa.table({"k0": pa.array(keys, pa.int64())}).to_reader(),
        some=some,
    )


def test_rows_that_come_and_go_while_a_source_is_read(tmp_path: Path, models: Path) -> None:
    """What is told and no longer there is gone; what is there and was not told is read by its key."""
    _, world, people = history(12)
    both = Both(tmp_path, models)
    both.start(world)
    old = sorted(key for source, key in world if source == "crm")
    went, unsaid, passing = old[0], 9001, 9002
    later: World = {**world, ("crm", unsaid): strangers(1, 0, seed=79)[0]}
    assert unsaid not in old
    read: World = {**later, ("crm", passing): dict(people[1]), ("crm", went): dict(people[2])}
    del later["crm", went]
    keys = [*(key for key in old if key != went), unsaid, None]
    crm, shop = sets(read)
    with pytest.raises(DuplicateKeys):
        told = [told_by_keys(crm, [*keys, old[1]], [went, passing]), shop]
        incremental(told, {}, both.little, SECRET, engines=both.engines(), identifiers=IDENTIFIERS)
    assert both.little.versions() == (1,)
    report = both.go_on(later, [told_by_keys(crm, keys, [went, passing]), shop])
    assert report.touched is not None and report.sources[0].null_keys == 1
    assert (report.touched.new, report.touched.changed, report.touched.gone) == (1, 0, 1)
    assert not list(both.little.directory.glob(".*"))


def test_a_new_row_that_comes_twice_by_its_key_is_not_taken_twice(tmp_path: Path, models: Path) -> None:
    _, world, _ = history(4)
    both = Both(tmp_path, models, RULES, probable=False)
    both.start(world)
    crm, shop = sets({**world, ("crm", 9001): {"email": "nobody-else@one.example"}})
    keys = [*(key for source, key in world if source == "crm"), 9001]
    with pytest.raises(NoIndex, match=r"rows of crm\.contact came twice"):
        told = [told_by_keys(crm, keys, [], times=2), shop]
        incremental(told, RULES, both.little, SECRET, engines=both.engines(), identifiers=IDENTIFIERS)
    assert both.little.versions() == (1,)


def test_one_key_goes_and_another_comes_in_one_bucket(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are as many keys as before: only what they are tells."""
    monkeypatch.setattr("identity.incremental.changed_records._BUCKETS", 1)
    _, world, people = history(14)
    both = Both(tmp_path, models)
    both.start(world)
    old = sorted(key for source, key in world if source == "crm")
    later: World = {**world, ("crm", 9001): dict(people[0])}
    del later["crm", old[0]]
    crm, shop = sets(later)
    report = both.go_on(later, [told_by_keys(crm, [*old[1:], 9001], []), shop])
    assert report.touched is not None and (report.touched.new, report.touched.changed, report.touched.gone) == (1, 0, 1)


@pytest.mark.usefixtures("any_share")
def test_a_value_that_crosses_the_cap_links_nobody_and_everybody_again(tmp_path: Path, models: Path) -> None:
    _, world, _ = history(4)
    both = Both(tmp_path, models, RULES, probable=False, cap=3)
    four: World = {("crm", 5000 + i): {"email": "few@one.example"} for i in range(4)}
    three = {key: row for key, row in four.items() if key[1] < 5003}
    both.start({**world, **three})
    for some, people in ((four, 4), (three, 1)):
        both.go_on({**world, **some})
        found = links(both.little.current())  # type: ignore[arg-type]
        assert len({found[key] for key in some}) == people


@pytest.mark.usefixtures("any_share")
def test_what_a_neighbour_became_in_silence_counts(tmp_path: Path, models: Path) -> None:
    """The shop says nothing of a record that is read because of a new one: its new address makes it one with a third."""
    _, world, _ = history(4)
    both = Both(tmp_path, models, RULES, probable=False)
    x, w = {"email": "x@one.example", "phone": "07999123451"}, {"email": "w@one.example"}
    both.start({**world, ("shop", 5001): x, ("crm", 5002): w})
    later: World = {**world, ("shop", 5001): {**x, **w}, ("crm", 5002): w, ("crm", 5003): {"phone": x["phone"]}}
    crm, shop = sets(later)
    keys = [key for source, key in later if source == "shop"]
    with pytest.raises(NoIndex, match="came twice"):
        told = [crm, told_by_keys(shop, list(keys), [], times=2)]
        incremental(told, RULES, both.little, SECRET, engines=both.engines(), identifiers=IDENTIFIERS)
    with pytest.raises(NoIndex, match="went while they were read"):
        told = [crm, replace(told_by_keys(shop, list(keys), []), some=lambda _: shop.read().read_all().slice(0, 0).to_reader())]
        incremental(told, RULES, both.little, SECRET, engines=both.engines(), identifiers=IDENTIFIERS)
    both.go_on(later, [crm, told_by_keys(shop, list(keys), [])])
    found = links(both.little.current())  # type: ignore[arg-type]
    assert found["shop", 5001] == found["crm", 5002] == found["crm", 5003]


def test_a_source_or_a_copy_that_breaks_off_leaves_nothing(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, world, people = history(13)
    both = Both(tmp_path, models)
    both.start(world)
    before = sorted(path.name for path in both.little.directory.iterdir())
    world["crm", 9003] = dict(people[3])

    def breaking(whole: RecordSet) -> RecordSet:
        def batches() -> Iterator[pa.RecordBatch]:
            yield from whole.read().read_all().slice(0, 10).to_batches()
            raise OSError("the line is dead")

        return replace(whole, read=lambda: pa.RecordBatchReader.from_batches(whole.read().schema, batches()))

    with pytest.raises(SourceBroken):
        incremental([breaking(s) for s in sets(world)], {}, both.little, SECRET, engines=both.engines(), identifiers=IDENTIFIERS)
    assert sorted(path.name for path in both.little.directory.iterdir()) == before

    def full(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:4096])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(CrosswalkUnwritable, match="No space left"):
        patch.setattr("identity.versions.store.shutil.copyfile", full)
        incremental(sets(world), {}, both.little, SECRET, engines=both.engines(), identifiers=IDENTIFIERS)
    assert sorted(path.name for path in both.little.directory.iterdir()) == before
    both.go_on(world)
