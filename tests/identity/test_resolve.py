"""Resolving: against a naive oracle, in any order of rows; ids that survive; input that is refused."""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import ATTRIBUTES, RULES, SECRET, record_set

from connectors.spi.errors import Cancelled, SourceBroken
from identity.crosswalk import Crosswalk
from identity.engines import Engines
from identity.errors import DuplicateKeys, KeyType, ResolveMemory, UnknownNormalForm, WeakSecret
from identity.model import KeyColumn, MatchKey, MatchRule, RecordSet
from identity.personal import personal_kind
from identity.resolve import resolve
from identity.scratch import scratch
from identity.versions.store import CrosswalkStore

Row = dict[str, Any]
Partition = set[frozenset[tuple[str, Any]]]


@pytest.fixture
def store(tmp_path: Path) -> CrosswalkStore:
    return CrosswalkStore(tmp_path / "crosswalk")


def oracle(tables: dict[str, list[Row]], cap: int) -> Partition:
    """Union-find, one record after the other."""
    parent = {(source, row["k0"]): (source, row["k0"]) for source, rows in tables.items() for row in rows}

    def root(x: tuple[str, Any]) -> tuple[str, Any]:
        while parent[x] != x:
            x = parent[x]
        return x

    for attribute in ATTRIBUTES:
        carriers: dict[str, list[tuple[str, Any]]] = {}
        for source, rows in tables.items():
            for row in rows:
                if row[attribute]:
                    carriers.setdefault(row[attribute], []).append((source, row["k0"]))
        for same in carriers.values():
            if len(same) <= cap:
                for other in same:
                    parent[root(other)] = root(same[0])
    clusters: dict[tuple[str, Any], set[tuple[str, Any]]] = {}
    for record in parent:
        clusters.setdefault(root(record), set()).add(record)
    return {frozenset(c) for c in clusters.values()}


def ids_of(crosswalk: Crosswalk) -> dict[tuple[str, Any], int]:
    """(source, key) → id360, for tables with one key column."""
    con = crosswalk._connect()
    return {
        (link.source, key): id360
        for link in crosswalk.links
        for key, id360 in con.execute(f"SELECT k0, id360 FROM xw.{link.name}").fetchall()
    }


def partition(ids: dict[tuple[str, Any], int]) -> Partition:
    clusters: dict[int, set[tuple[str, Any]]] = {}
    for record, id360 in ids.items():
        clusters.setdefault(id360, set()).add(record)
    return {frozenset(c) for c in clusters.values()}


def run(tables: dict[str, list[Row]], store: CrosswalkStore, **options: Any) -> dict[tuple[str, Any], int]:
    resolve([record_set(rows, source) for source, rows in tables.items()], RULES, store, SECRET, **options)
    crosswalk = store.current()
    assert crosswalk
    return ids_of(crosswalk)


def some_tables(seed: int, rows: int = 40) -> dict[str, list[Row]]:
    rng = random.Random(seed)
    values = [f"p{i}@x.com" for i in range(rows)], [f"+4930123{i:04}" for i in range(rows)]
    return {
        source: [
            {"k0": key, "email": rng.choice([None, *values[0]]), "phone": rng.choice([None, None, *values[1]])}
            for key in rng.sample(range(1000), rows)
        ]
        for source in ("crm", "shop", "support")
    }


emails = st.sampled_from([None, "", "a@x.de", "b@x.de", "c@x.de", "d@x.de"])
phones = st.sampled_from([None, "", "+491701111112", "+491701111113", "+491701111114"])
rows = st.lists(
    st.fixed_dictionaries({"k0": st.integers(0, 99), "email": emails, "phone": phones}), max_size=8, unique_by=lambda r: r["k0"]
)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from(["crm", "shop", "support"]), rows, min_size=1), st.sampled_from([1, 2, 100]))
def test_the_partition_is_the_oracles(tmp_path_factory: pytest.TempPathFactory, tables: dict[str, list[Row]], cap: int) -> None:
    store = CrosswalkStore(tmp_path_factory.mktemp("oracle"))
    assert partition(run(tables, store, engines=Engines(SECRET, {}, store.directory, cap))) == oracle(tables, cap)


@pytest.mark.parametrize("seed", range(3))
def test_same_input_same_ids_whatever_the_order_and_threads(tmp_path: Path, seed: int) -> None:
    tables = some_tables(seed)
    first = run(tables, CrosswalkStore(tmp_path / "a"), threads=1)
    assert partition(first) == oracle(tables, 100)
    shuffled = {source: random.Random(seed).sample(rows, len(rows)) for source, rows in reversed(tables.items())}
    assert run(shuffled, CrosswalkStore(tmp_path / "b"), threads=4) == first
    assert all(10**14 <= id360 < 10**15 for id360 in first.values())


def test_ordered_results_arrive_in_order() -> None:
    """Ids are matched with their clusters by position: an anchor out of its place would change hands from run to run."""
    with scratch("1GiB") as con:
        con.execute("CREATE TABLE shuffled AS SELECT (range * 7919) % 700001 AS rec FROM range(700001)")
        for _ in range(5):
            found = con.sql("SELECT rec FROM (SELECT rec, ? || rec FROM shuffled) ORDER BY rec", params=["x"]).to_arrow_table()
            assert np.array_equal(found.column(0).to_numpy(), np.arange(700001))


def test_another_secret_gives_other_ids(tmp_path: Path) -> None:
    records = [record_set([{"k0": 1, "email": "a@x.de"}])]
    found = []
    for secret in (SECRET, SECRET + b"!", b"x" * 100):
        store = CrosswalkStore(tmp_path / str(len(found)))
        resolve(records, RULES, store, secret)
        found += ids_of(store.current()).values()
    assert len(set(found)) == 3


def test_a_rebuild_keeps_every_id_and_growth_keeps_the_old_ones(store: CrosswalkStore) -> None:
    tables = some_tables(1)
    first = run(tables, store)
    assert run(tables, store) == first
    tables["crm"].append({"k0": -1, "email": "new@x.de", "phone": None})  # the smallest key of all: an anchor before the others
    tables["crm"].append({"k0": -2, "email": tables["crm"][0]["email"], "phone": None})
    grown = run(tables, store)
    assert {record: grown[record] for record in first} == first
    assert grown[("crm", -1)] not in first.values()


@pytest.mark.parametrize("seed", range(2))
def test_a_resolve_that_changes_nothing_says_so_and_no_other_does(store: CrosswalkStore, seed: int) -> None:
    tables = some_tables(seed)
    rng = random.Random(seed)
    before = None
    for change in [*rng.sample(["nothing", "gone", "new", "moved"], 4), *rng.sample(["nothing", "gone", "new", "moved"], 4), "last"]:
        report = resolve([record_set(rows, source) for source, rows in tables.items()], RULES, store, SECRET)
        crosswalk = store.current()
        assert crosswalk is not None
        found = ids_of(crosswalk)
        assert report.unchanged == (found == before)
        before, rows = found, tables[rng.choice(["crm", "shop", "support"])]
        if change == "gone":
            rows.pop(rng.randrange(len(rows)))
        elif change == "new":
            rows.append({"k0": max(row["k0"] for row in rows) + 1, "email": "p1@x.com", "phone": None})
        elif change == "moved":
            rows[rng.randrange(len(rows))] |= {"email": f"p{rng.randrange(40)}@x.com", "phone": None}


def test_a_merge_redirects_and_a_split_mints(store: CrosswalkStore) -> None:
    a, b = "a@x.de", "b@x.de"
    tables = {"crm": [{"k0": 1, "email": a, "phone": None}, {"k0": 2, "email": a, "phone": None}, {"k0": 3, "email": b, "phone": None}]}
    before = run(tables, store)
    tables["crm"][2]["email"] = a
    merged = run(tables, store)
    crosswalk = store.current()
    assert set(merged.values()) == {before["crm", 1]}
    assert crosswalk and crosswalk.canonical(before["crm", 3]) == before["crm", 1]
    assert [k.key for k in crosswalk.lookup(before["crm", 3])] == [(1,), (2,), (3,)]
    tables["crm"][2]["email"] = b
    split = run(tables, store)
    assert split["crm", 1] == split["crm", 2] == before["crm", 1]
    assert split["crm", 3] not in before.values()
    parted = store.current()
    assert parted and parted.canonical(before["crm", 3]) == split["crm", 3], "who kept the id is not led to the other person"
    assert [k.key for k in parted.lookup(before["crm", 3])] == [(3,)]


def test_redirects_are_compressed(store: CrosswalkStore) -> None:
    tables = {"crm": [{"k0": k, "email": f"{e}@x.de", "phone": None} for k, e in enumerate("aaaabbc")]}
    before = run(tables, store)
    tables["crm"][6]["email"] = "b@x.de"
    run(tables, store)
    for row in tables["crm"]:
        row["email"] = "a@x.de"
    run(tables, store)
    crosswalk = store.current()
    assert crosswalk and crosswalk.canonical(before["crm", 6]) == crosswalk.canonical(before["crm", 4]) == before["crm", 0]


@pytest.mark.parametrize("seed", range(2))
def test_no_id_is_reused_over_a_random_history(store: CrosswalkStore, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids are drawn from a tiny range, so that they collide all the time."""
    monkeypatch.setattr("identity.versions.stable_ids.SPAN", 3000)
    rng, tables = random.Random(seed), some_tables(seed, 12)
    ever: set[int] = set()
    living: dict[tuple[str, Any], int] = {}
    for _ in range(12):
        for rows in tables.values():
            for _change in range(3):
                match rng.choice(["delete", "add", "change"]):
                    case "delete" if rows:
                        rows.pop(rng.randrange(len(rows)))
                    case "change" if rows:
                        rng.choice(rows)["email"] = f"p{rng.randrange(12)}@x.com"
                    case _:
                        key = rng.choice(sorted(set(range(1000)) - {row["k0"] for row in rows}))
                        rows.append({"k0": key, "email": f"p{rng.randrange(12)}@x.com", "phone": None})
        now = run(tables, store)
        assert partition(now) == oracle(tables, 100)
        gone = ever - set(living.values())
        assert not gone & set(now.values()), "a retired id came back"
        crosswalk = store.current()
        assert crosswalk
        for record in living.keys() & now.keys():
            assert crosswalk.canonical(living[record]) in now.values(), "an id whose record lives on finds no profile"
        for id360 in ever - set(now.values()):
            assert crosswalk.canonical(crosswalk.canonical(id360)) == crosswalk.canonical(id360)
        ever |= set(now.values())
        living = now


def test_shared_values_do_not_link_and_are_reported_without_the_value(store: CrosswalkStore) -> None:
    rows = [{"k0": k, "email": "info@x.de", "phone": f"+4930{k:08}"} for k in range(1, 152)]
    report = resolve([record_set(rows)], RULES, store, SECRET)
    assert (report.ids, report.singletons) == (151, 151)
    (shared,) = report.shared
    assert (shared.rule, shared.records, len(shared.keyed_hash)) == ("email", 151, 16)
    assert "info" not in repr(report)
    assert [r.shared_values for r in report.rules] == [1, 0]


def test_spaces_and_entities_do_not_mix(store: CrosswalkStore) -> None:
    row = [{"k0": 1, "email": "a@x.de"}]
    records = [
        record_set(row, space="eu"),
        record_set(row, space="us"),
        record_set(row, entity="account"),
        record_set(row, "shop", space="eu"),
    ]
    report = resolve(records, {**RULES, "account": RULES["individual"]}, store, SECRET)
    assert report.ids == 3
    crosswalk = store.current()
    assert crosswalk and {(t.entity, t.space, t.source, t.links) for t in crosswalk.links} == {
        ("account", "", "crm", 1), ("individual", "eu", "crm", 1), ("individual", "eu", "shop", 1), ("individual", "us", "crm", 1),
    }  # fmt: skip


def test_keys_of_any_type(store: CrosswalkStore) -> None:
    email = "a@x.de"
    records = [
        record_set([{"k0": "Ä 'quoted\" 键", "email": email}], "text", key=[("id", "VARCHAR")]),
        record_set([{"k0": datetime.date(2024, 2, 29), "email": email}], "dated", key=[("day", "DATE")]),
        record_set([{"k0": Decimal("12.30"), "email": email}], "money", key=[("n", "DECIMAL(10,2)")], types={"k0": pa.decimal128(10, 2)}),
        record_set(
            [{"k0": "t1", "k1": 7, "email": email}, {"k0": "t1", "k1": None, "email": email}, {"k0": "t1", "k1": 8}],
            "composite", key=[("tenant", "VARCHAR"), ("id", "BIGINT")],
        ),
    ]  # fmt: skip
    report = resolve(records, RULES, store, SECRET)
    assert (report.links, report.ids) == (5, 2)
    assert [(s.source, s.null_keys) for s in report.sources if s.null_keys] == [("composite", 1)]
    crosswalk = store.current()
    assert crosswalk
    link = crosswalk.link_of("individual", "", "composite", "contact")
    assert link and (link.key_columns, link.key_types, link.columns) == (("tenant", "id"), ("VARCHAR", "BIGINT"), ("k0", "k1"))
    id360 = report.largest[0][0]
    assert {(k.source, k.key) for k in crosswalk.lookup(id360)} == {
        ("text", ("Ä 'quoted\" 键",)), ("dated", (datetime.date(2024, 2, 29),)), ("money", (Decimal("12.30"),)), ("composite", ("t1", 7)),
    }  # fmt: skip
    assert resolve(records, RULES, store, SECRET).minted == 0


def test_ids_survive_a_change_of_key_type(store: CrosswalkStore) -> None:
    resolve([record_set([{"k0": 7}])], RULES, store, SECRET)
    assert resolve([record_set([{"k0": "7"}], key=[("id", "VARCHAR")])], RULES, store, SECRET).minted == 0


def test_empty_sources_and_null_attributes(store: CrosswalkStore) -> None:
    assert resolve([], RULES, store, SECRET).ids == 0
    assert resolve([record_set([])], RULES, store, SECRET).ids == 0
    report = resolve([record_set([{"k0": 1}, {"k0": 2}]), record_set([{"k0": 1}], "bare", attributes=[])], RULES, store, SECRET)
    assert (report.ids, report.singletons, report.rules[0].pairs) == (3, 3, 0)


def test_a_rule_with_two_parts(store: CrosswalkStore) -> None:
    rules = {"individual": (MatchRule("name and birth", (MatchKey("name", "name"), MatchKey("birth", "date"))),)}
    day = datetime.date(1980, 2, 3)
    rows = [
        {"k0": 1, "name": "Zoë Ray", "birth": day}, {"k0": 2, "name": "ZOE RAY", "birth": day}, {"k0": 3, "name": "zoe ray", "birth": None},
        {"k0": 4, "name": "Zoe Ray", "birth": datetime.date(1900, 1, 1)}, {"k0": 5, "name": None, "birth": day},
    ]  # fmt: skip
    records = record_set(rows, attributes=["name", "birth"], types={"birth": pa.date32()})
    assert resolve([records], rules, store, SECRET).ids == 4


def test_stored_identifiers(store: CrosswalkStore) -> None:
    rows = [{"k0": 1, "email": "A@x.de ", "phone": "+493012345678"}, {"k0": 2, "email": "b@x.de", "phone": "+493012345678"}]
    rows += [{"k0": k, "email": "info@x.de"} for k in range(10, 13)]
    engines = Engines(SECRET, {}, store.directory, cap=2)
    stored = {"individual": {"email": MatchKey("email", "email")}}
    report = resolve([record_set(rows)], RULES, store, SECRET, engines=engines, identifiers=stored)
    crosswalk = store.current()
    assert crosswalk
    table = crosswalk.identifier_of("individual", "", "email")
    assert table and (table.values, table.ambiguous, table.normal) == (2, 1, "email")
    assert report.ambiguous_identifiers == 1
    rows_found = crosswalk._connect().execute(f"SELECT value, id360 FROM xw.{table.name} ORDER BY value").fetchall()
    assert rows_found == [("a@x.de", report.largest[0][0]), ("b@x.de", report.largest[0][0])]
    assert crosswalk.identifier_of("individual", "", "phone") is None


def test_duplicate_keys_are_refused_and_nothing_is_published(store: CrosswalkStore) -> None:
    run({"crm": [{"k0": 1, "email": "a@x.de"}]}, store)
    with pytest.raises(DuplicateKeys) as error:
        run({"crm": [{"k0": 1}, {"k0": 1}, {"k0": 2}]}, store)
    assert (error.value.table, error.value.count) == ("crm.contact", 1)
    crosswalk = store.current()
    assert crosswalk and crosswalk.version == 1 and len(store.versions()) == 1
    assert {p.name for p in store.directory.iterdir()} == {"current", "lock", "v000001.duckdb"}


def failing(failure: Exception) -> RecordSet:
    schema = pa.schema([("k0", pa.int64()), ("email", pa.string())])

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_pylist([{"k0": 1, "email": "secret@x.de"}], schema=schema)
        raise failure

    return RecordSet(
        "individual", "", "crm", "contact", (KeyColumn("id", "BIGINT"),), ("email",),
        lambda: pa.RecordBatchReader.from_batches(schema, batches()),
    )  # fmt: skip


def test_a_source_that_fails_in_mid_read(store: CrosswalkStore) -> None:
    with pytest.raises(SourceBroken) as error:
        resolve([failing(OSError("password=hunter2"))], RULES, store, SECRET)
    assert "crm.contact" in str(error.value) and "hunter2" not in str(error.value)
    with pytest.raises(SourceBroken, match="the line is cut"):
        resolve([failing(SourceBroken("crm", "the line is cut"))], RULES, store, SECRET)
    with pytest.raises(Cancelled):
        resolve([failing(Cancelled("by its owner"))], RULES, store, SECRET)
    assert store.current() is None


def test_bad_input_is_refused(store: CrosswalkStore) -> None:
    with pytest.raises(KeyType) as error:
        resolve([record_set([{"k0": "seven"}], types={"k0": pa.string()})], RULES, store, SECRET)
    assert "seven" not in str(error.value)
    with pytest.raises(KeyType):
        resolve([record_set([{"k0": 1}], key=[("id", "BIGINT); DROP TABLE x; --")], types={"k0": pa.int64()})], RULES, store, SECRET)
    with pytest.raises(UnknownNormalForm):
        resolve([], {"individual": (MatchRule("r", (MatchKey("email", "vague"),)),)}, store, SECRET)
    with pytest.raises(WeakSecret):
        resolve([], RULES, store, b"short")
    with pytest.raises(ResolveMemory):
        many = [{"k0": k, "email": f"{'x' * 200}{k}@x.de"} for k in range(60_000)]
        resolve([record_set(many)], RULES, store, SECRET, memory_limit="8MiB")
    assert store.current() is None


def test_progress_and_personal_keys(store: CrosswalkStore) -> None:
    records = [
        record_set([{"k0": f"p{i}@x.de"} for i in range(9)], "mail", key=[("email", "VARCHAR")]),
        record_set([{"k0": f"+49 30 12345{i:03}"} for i in range(9)], "calls", key=[("number", "VARCHAR")]),
        record_set([{"k0": 5_000_000 + i} for i in range(9)], "shop"),
        record_set([{"k0": f"{5_000_000 + i}"} for i in range(9)], "loyalty", key=[("card", "VARCHAR")]),
    ]
    assert {r.source: kind for r in records if (kind := personal_kind(r))} == {"mail": "email", "calls": "phone"}
    seen: dict[str, int] = {}
    report = resolve(records, RULES, store, SECRET, progress=lambda label, rows: seen.update({label: rows}))
    assert seen == {"mail.contact": 9, "calls.contact": 9, "shop.contact": 9, "loyalty.contact": 9}
    assert [(s.source, s.personal) for s in report.personal_keys] == [("calls", "phone"), ("mail", "email")]
