"""Plan, apply, roll back: what is shown is what happens, whole or not at all, and nothing of an id is forgotten."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from records import RULES, SECRET, record_set

from connectors.spi.errors import SourceBroken
from identity.crosswalk import Crosswalk
from identity.errors import CrosswalkDamaged, NoPlan, NoSuchVersion, PlanDamaged, ResolveRunning, StalePlan, UnknownId360
from identity.model import KeyColumn, MatchKey, RecordSet
from identity.resolve import resolve
from identity.stewardship.decisions import SAME, Decision, Decisions, RecordName
from identity.versions.changes import difference
from identity.versions.lineage import lineage
from identity.versions.plans import apply, pending, plan
from identity.versions.rollback import rollback
from identity.versions.store import CrosswalkStore
from tests.support.encryption import needs_encryption

HERE = Path(__file__).parent
EMAILS = {"individual": {"email": MatchKey("email", "email")}}


@pytest.fixture
def store(tmp_path: Path) -> CrosswalkStore:
    return CrosswalkStore(tmp_path / "crosswalk")


def people(*emails: str | None) -> list[RecordSet]:
    """Records 0, 1, … of crm with these e-mails."""
    return [record_set([{"k0": k, "email": email and f"{email}@x.de"} for k, email in enumerate(emails)])]


def ids(crosswalk: Crosswalk | None) -> list[int]:
    assert crosswalk
    return [row[0] for row in crosswalk.reader.execute(f"SELECT id360 FROM xw.{crosswalk.links[0].name} ORDER BY ord").fetchall()]


def same(one: str, other: str) -> Decisions:
    a, b = (RecordName("crm", "contact", (key,)) for key in (one, other))
    return Decisions((Decision(SAME, "individual", "", a, b, None, "r", "b", datetime.now(UTC), None, "d1"),))


def test_a_plan_does_not_serve_until_it_is_applied_and_then_exactly_as_shown(store: CrosswalkStore) -> None:
    first = plan(people("a", "b"), RULES, store, SECRET)
    assert store.current() is None and store.versions() == () and (first.version, first.base) == (1, None)
    assert (first.changes.ids_before, first.changes.ids_after, first.changes.minted, first.changes.sizes_after) == (0, 2, 2, {1: 2})
    assert pending(store) == first == apply(store)
    with pytest.raises(NoPlan):
        apply(store)
    before = ids(store.current())
    made = plan(people("a", "a", "c", "d"), RULES, store, SECRET, identifiers=EMAILS)
    assert ids(store.current()) == before
    (table,) = made.changes.tables
    assert (table.before, table.after, table.added, table.removed, table.moved) == (2, 4, 2, 0, 1)
    assert [(m.was, m.now, m.records) for m in made.changes.merges] == [(max(before), min(before), 1)]
    assert (made.changes.sizes_before, made.changes.sizes_after) == ({1: 2}, {1: 2, 2: 1})
    draft = (store.directory / "plan-000002.duckdb").read_bytes()
    apply(store)
    assert (store.directory / "v000002.duckdb").read_bytes() == draft
    assert ids(store.current())[:2] == [min(before)] * 2 and not list(store.directory.glob("plan-*"))
    assert plan(people("a", "a", "c", "d"), RULES, store, SECRET).changes.nothing


def test_a_resolve_and_a_plan_that_is_applied_give_the_same(tmp_path: Path) -> None:
    both = CrosswalkStore(tmp_path / "a"), CrosswalkStore(tmp_path / "b")
    for records in (people("a", "b", "b", "c"), people("a", "a", "b", "d", "c")):
        resolve(records, RULES, both[0], SECRET)
        plan(records, RULES, both[1], SECRET)
        apply(both[1])
    assert ids(both[0].current()) == ids(both[1].current())


def test_splits_and_retired_ids_are_shown(store: CrosswalkStore) -> None:
    resolve(people("a", "a", "a", "b", "c"), RULES, store, SECRET)
    a, b, c = sorted(set(ids(store.current())), key=ids(store.current()).index)
    made = plan(people("a", "a", "z"), RULES, store, SECRET)
    assert made.changes.retired_ids == tuple(sorted((b, c))) and (made.changes.retired, made.changes.merged) == (2, 0)
    ((parent, child, records),) = [(m.was, m.now, m.records) for m in made.changes.splits]
    assert (parent, records, made.changes.new_ids) == (a, 1, (child,)) and made.changes.split == 1
    assert made.changes.tables[0].removed == 2


def test_the_riskiest_merges_come_with_their_evidence(store: CrosswalkStore) -> None:
    """Two people of three records joined by one common e-mail; two of one record joined by e-mail and phone."""
    rows = [{"k0": k, "email": f"{'ab'[k // 3]}@x.de", "phone": None} for k in range(6)]
    rows += [{"k0": 6, "email": "c@x.de"}, {"k0": 7, "email": "d@x.de", "phone": "+493011111"}]
    resolve([record_set(rows)], RULES, store, SECRET)
    before = ids(store.current())
    for row in rows[:6]:
        row["email"] = "ab@x.de"
    rows[7]["email"], rows[6]["phone"] = "c@x.de", "+493011111"
    made = plan([record_set(rows)], RULES, store, SECRET)
    worst, other = made.riskiest
    assert dict(worst.parts) == {before[0]: 3, before[3]: 3} and (worst.records, worst.sources) == (6, 1)
    assert worst.rules == (("email", 3),) and worst.bits == pytest.approx(0.42, abs=0.01), "six of eight records have it"
    assert dict(other.rules) == {"email": 1, "phone": 1} and other.bits == pytest.approx(4.0) and worst.risk > other.risk
    decided = plan(people("a", "b"), RULES, CrosswalkStore(store.directory / "x"), SECRET, decisions=same("0", "1"))
    assert decided.riskiest == ()


def test_what_a_steward_joined_is_no_risk(store: CrosswalkStore) -> None:
    resolve(people("a", "b"), RULES, store, SECRET)
    (merge,) = plan(people("a", "b"), RULES, store, SECRET, decisions=same("0", "1")).riskiest
    assert (merge.bits, merge.risk, merge.rules) == (None, 0.0, (("decision", 1),))


def test_a_stale_plan_is_refused(store: CrosswalkStore) -> None:
    plan(people("a"), RULES, store, SECRET)
    resolve(people("b"), RULES, store, SECRET)
    with pytest.raises(StalePlan, match="builds upon version none, but version 1 serves"):
        apply(store)
    made = plan(people("a"), RULES, store, SECRET)
    assert len(list(store.directory.glob("plan-*"))) == 2, "one plan at a time"
    with pytest.raises(StalePlan, match="decisions"):
        apply(store, same("0", "1"))
    rollback(store, 1)
    with pytest.raises(StalePlan):
        apply(store)
    current = store.current()
    assert current and current.version == 2 == made.version and current.restores == 1


@pytest.mark.parametrize("damage", ["gone", "half", "flipped", "longer", "report half", "report noise", "report of another kind"])
def test_a_damaged_plan_is_refused_and_nothing_changes(store: CrosswalkStore, damage: str) -> None:
    resolve(people("a"), RULES, store, SECRET)
    plan(people("a", "b"), RULES, store, SECRET)
    draft, report = store.directory / "plan-000002.duckdb", store.directory / "plan-000002.json"
    whole, told = draft.read_bytes(), report.read_bytes()
    match damage:
        case "gone":
            draft.unlink()
        case "half":
            draft.write_bytes(whole[: len(whole) // 2])
        case "flipped":
            draft.write_bytes(whole[:-9] + bytes(b ^ 1 for b in whole[-9:]))
        case "longer":
            draft.write_bytes(whole + b"\0")
        case "report half":
            report.write_bytes(told[: len(told) // 2])
        case "report noise":
            report.write_bytes(b"\xff\xfe\x00")
        case _:
            report.write_text(json.dumps({"version": 2}))
    with pytest.raises(PlanDamaged) as error:
        apply(store)
    assert "c360 plan" in error.value.hint and store.versions() == (1,) and len(ids(store.current())) == 1
    plan(people("a", "b"), RULES, store, SECRET)
    assert apply(store).version == 2 and len(ids(store.current())) == 2


KILLED = """
import pathlib, sys
sys.path.insert(0, {here!r})
from killed import arm, mine
from identity.versions import plans, store
from identity.versions.store import CrosswalkStore

store.sync = plans.sync = mine(store.sync)
for name in ("replace", "write_text", "write_bytes", "unlink"):
    setattr(pathlib.Path, name, mine(getattr(pathlib.Path, name)))
arm({at})
plans.apply(CrosswalkStore({directory!r}))
print("applied")
"""


def test_killed_at_any_point_of_apply_the_old_version_serves_or_the_new_and_apply_can_be_repeated(tmp_path: Path) -> None:
    prepared = CrosswalkStore(tmp_path / "prepared")
    resolve(people("a"), RULES, prepared, SECRET)
    plan(people("a", "b"), RULES, prepared, SECRET)
    outcomes = []
    for at in range(12):
        store = CrosswalkStore(shutil.copytree(prepared.directory, tmp_path / str(at)))
        script = KILLED.format(here=str(HERE), at=at, directory=str(store.directory))
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=HERE.parent.parent, check=False)
        after = CrosswalkStore(store.directory)
        current = after.current()
        assert current and len(ids(current)) == current.version, done.stderr
        outcomes.append((current.version, "applied" in done.stdout))
        if current.version == 1:
            assert done.returncode == -9 and apply(after).version == 2
        assert len(ids(after.current())) == 2
        if outcomes[-1] == (2, True):
            break
    resolve(people("a", "b", "c"), RULES, after, SECRET)
    assert ids(after.current())[0] == ids(prepared.current())[0]
    assert [version for version, _ in outcomes] == sorted(version for version, _ in outcomes)
    assert outcomes[0] == (1, False) and outcomes[-1] == (2, True)


def test_a_plan_that_is_killed_leaves_nothing_that_can_be_applied(store: CrosswalkStore) -> None:
    resolve(people("a"), RULES, store, SECRET)
    (store.directory / "plan-000002.duckdb").write_bytes(b"half")
    with pytest.raises(NoPlan):
        apply(store)
    resolve(people("a"), RULES, store, SECRET)
    assert not list(store.directory.glob("plan-*")), "swept"


def test_a_source_that_fails_in_mid_read_leaves_the_plan_that_waits(store: CrosswalkStore) -> None:
    made = plan(people("a"), RULES, store, SECRET)
    schema = pa.schema([("k0", pa.int64()), ("email", pa.string())])

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_pylist([{"k0": 1, "email": "a@x.de"}], schema=schema)
        raise OSError("the line is cut")

    key = (KeyColumn("id", "BIGINT"),)
    failing = RecordSet("individual", "", "crm", "t", key, ("email",), lambda: pa.RecordBatchReader.from_batches(schema, batches()))
    for work in (plan, resolve):
        with pytest.raises(SourceBroken):
            work([failing], RULES, store, SECRET)
        assert store.current() is None and pending(store) == made
    assert {p.name for p in store.directory.iterdir()} == {"lock", "plan-000001.duckdb", "plan-000001.json"}


def test_one_writer_at_a_time(store: CrosswalkStore) -> None:
    resolve(people("a"), RULES, store, SECRET)
    plan(people("a", "b"), RULES, store, SECRET)
    entered, leave = threading.Event(), threading.Event()

    def progress(label: str, rows: int) -> None:
        entered.set()
        leave.wait(20)

    writer = threading.Thread(target=lambda: resolve(people("a", "c"), RULES, store, SECRET, progress=progress))
    writer.start()
    try:
        assert entered.wait(20)
        for work in (lambda: plan(people("b"), RULES, store, SECRET), lambda: apply(store), lambda: rollback(store, 1)):
            with pytest.raises(ResolveRunning):
                work()
    finally:
        leave.set()
        writer.join()
    with pytest.raises(StalePlan):
        apply(store)


def test_rollback_is_a_new_version_that_forgets_no_id(store: CrosswalkStore) -> None:
    resolve(people("a", "b", "c"), RULES, store, SECRET, identifiers=EMAILS)
    first = ids(store.current())
    resolve(people("a", "a", "d", "e"), RULES, store, SECRET, identifiers=EMAILS)
    second = ids(store.current())
    (fresh,) = set(second) - set(first)
    back = rollback(store)
    assert (back.version, back.base, back.restores, ids(back)) == (3, None, 1, first)
    assert [len(back.lookup(i)) for i in first] == [1, 1, 1] and back.lookup(fresh) == ()
    assert [t.values for t in back.identifiers] == [3]
    found = lineage(back, fresh)
    assert [(e.run, e.event) for e in found.events] == [(2, "minted"), (3, "retired")] and found.now is None
    merged = next(i for i in first[:2] if i not in second)
    assert [(e.run, e.event) for e in lineage(back, merged).events] == [(1, "minted"), (2, "merged"), (3, "restored")]
    with pytest.raises(NoSuchVersion):
        rollback(store)
    resolve(people("a", "b", "c", "e"), RULES, store, SECRET)
    third = ids(store.current())
    assert third[:3] == first and third[3] not in second, "the abandoned id is not given again, not even for the record that had it"


def test_an_abandoned_id_leads_to_who_has_its_records(store: CrosswalkStore) -> None:
    resolve(people("a", "a", "a"), RULES, store, SECRET)
    (whole,) = set(ids(store.current()))
    resolve(people("a", "a", "b"), RULES, store, SECRET)
    part = ids(store.current())[2]
    resolve(people("a", "x", "b"), RULES, store, SECRET)
    other = ids(store.current())[1]
    back = rollback(store, 1)
    assert [back.canonical(i) for i in (whole, part, other)] == [whole] * 3
    resolve(people("c", "c", "c"), RULES, store, SECRET)
    resolve(people("a", "a", None), RULES, store, SECRET)
    current = store.current()
    assert current and [k.key for k in current.lookup(part)] == [(2,)] and len(current.lookup(whole)) == len(current.lookup(other)) == 2
    again = rollback(store, 3)
    assert {again.canonical(i) for i in (whole, part, other)} == {whole, part, other} == set(ids(again))


def test_rolling_back_again_goes_further_back(store: CrosswalkStore) -> None:
    store = CrosswalkStore(store.directory, keep=9)
    for emails in ("a", "ab", "abc", "abcd"):
        resolve(people(*emails), RULES, store, SECRET)
    assert [len(ids(rollback(store))) for _ in range(3)] == [3, 2, 1]
    with pytest.raises(NoSuchVersion, match="before"):
        rollback(store)
    with pytest.raises(NoSuchVersion, match="version 99 of the crosswalk is not kept"):
        rollback(store, 99)
    assert store.versions() == (1, 2, 3, 4, 5, 6, 7)


def test_rollback_to_a_broken_version_is_refused(store: CrosswalkStore) -> None:
    for emails in ("a", "ab"):
        resolve(people(*emails), RULES, store, SECRET)
    store.path(1).write_bytes(b"noise")
    with pytest.raises(CrosswalkDamaged):
        rollback(store)
    assert len(ids(store.current())) == 2 and store.versions() == (1, 2)


def test_the_history_of_one_id(store: CrosswalkStore) -> None:
    resolve(people("a", "a", "b"), RULES, store, SECRET)
    a, _, b = ids(store.current())
    resolve(people("a", "a", "a"), RULES, store, SECRET)
    resolve(people("a", "a", "c"), RULES, store, SECRET)
    resolve(people(), RULES, store, SECRET)
    current = store.current()
    assert current

    def told(id360: int) -> list[tuple[Any, ...]]:
        return [(e.run, e.event, e.other, e.came, e.records) for e in lineage(current, id360).events]

    child = ids(store.at(3))[2]
    merged, split, retired = (2, "merged", b, True, 1), (3, "split", child, False, 1), (4, "retired", None, True, None)
    assert told(a) == [(1, "minted", None, True, None), merged, split, retired]
    assert told(b) == [(1, "minted", None, True, None), (2, "merged", a, False, 1)]
    assert told(child) == [(3, "minted", None, True, None), (3, "split", a, True, 1), retired]
    assert lineage(store.at(2), b).now == a and lineage(current, b).now is None
    assert all(e.finished_at and e.finished_at.tzinfo for e in lineage(current, a).events)
    with pytest.raises(UnknownId360):
        lineage(current, 7)


def test_the_difference_of_two_versions_in_either_direction(store: CrosswalkStore) -> None:
    for emails in ("abb", "aab", "aac"):
        resolve(people(*emails), RULES, store, SECRET)
    forth, back = difference(store.at(1), store.at(3)), difference(store.at(3), store.at(1))
    assert (forth.before, forth.after, back.before, back.after) == (1, 3, 3, 1)
    assert forth.moved == back.moved and forth.ids_before == back.ids_after and forth.sizes_before == back.sizes_after
    assert difference(store.at(2), store.at(2)).nothing


@needs_encryption
def test_plans_and_rollbacks_are_encrypted(tmp_path: Path) -> None:
    store = CrosswalkStore(tmp_path, "it's a key")
    for email in ("findme", "other"):
        plan(people(email), RULES, store, SECRET, identifiers=EMAILS)
        assert all(b"findme" not in path.read_bytes() for path in tmp_path.iterdir())
        apply(store)
    assert rollback(store).encrypted


def test_a_plan_tells_no_key(store: CrosswalkStore) -> None:
    rows = [{"k0": f"visible{k}@x.de", "email": f"visible{k // 2}@x.de"} for k in range(9)]
    plan([record_set(rows, key=[("mail", "VARCHAR")])], RULES, store, SECRET)
    assert b"visible" not in (store.directory / "plan-000001.json").read_bytes()
    with duckdb.connect(str(store.directory / "plan-000001.duckdb"), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM id_history").fetchall() == [(5,)]


@needs_encryption
def test_a_plan_under_another_key_is_neither_applied_nor_left_behind(tmp_path: Path) -> None:
    plain = CrosswalkStore(tmp_path)
    resolve(people("a", "b"), RULES, plain, SECRET, index=True)
    plan(people("a", "b", "c"), RULES, plain, SECRET, index=True)
    store = CrosswalkStore(tmp_path, "a key of today")
    with pytest.raises(StalePlan, match="another encryption key"):
        apply(store)
    resolve(people("a", "b", "c"), RULES, store, SECRET, index=True)
    assert not list(tmp_path.glob("plan-*")) and not list(tmp_path.glob("*.arrow")), "in the clear"
