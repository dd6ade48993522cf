"""Taking over another tool's crosswalk."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from records import RULES, SECRET, record_set

from identity.errors import CrosswalkImport, DuplicateKeys, KeyType
from identity.model import KeyColumn
from identity.resolve import resolve
from identity.versions.importing import import_crosswalk
from identity.versions.store import CrosswalkStore


@pytest.fixture
def store(tmp_path: Path) -> CrosswalkStore:
    return CrosswalkStore(tmp_path / "crosswalk")


def rows(*links: tuple[str, object, object]) -> pa.Table:
    return pa.table(
        {"source": [x[0] for x in links], "table": ["t"] * len(links), "key": [x[1] for x in links], "id360": [x[2] for x in links]}
    )


def keys(store: CrosswalkStore, id360: int) -> set[tuple[object, ...]]:
    crosswalk = store.current()
    assert crosswalk
    return {(k.source, *k.key) for k in crosswalk.lookup(id360)}


def test_whole_numbers_are_kept_and_a_resolve_keeps_them(store: CrosswalkStore, tmp_path: Path) -> None:
    pq.write_table(rows(("crm", 1, 0), ("crm", 2, 7), ("shop", 5, 7)), tmp_path / "links.parquet")
    report = import_crosswalk(store, tmp_path / "links.parquet", SECRET)
    assert (report.links, report.ids, report.minted) == (3, 2, 2)
    assert (keys(store, 0), keys(store, 7)) == ({("crm", 1)}, {("crm", 2), ("shop", 5)})
    people = [{"k0": 1, "email": "a@x.de"}, {"k0": 2, "email": "b@x.de"}, {"k0": 3, "email": "c@x.de"}]
    report = resolve([record_set(people, "crm", "t"), record_set([{"k0": 5, "email": "b@x.de"}], "shop", "t")], RULES, store, SECRET)
    assert (report.ids, report.minted) == (3, 1)
    assert keys(store, 7) == {("crm", 2), ("shop", 5)}


def test_texts_are_mapped_and_the_mapping_holds(store: CrosswalkStore) -> None:
    types = {("crm", "t"): (KeyColumn("id", "BIGINT"),)}
    import_crosswalk(store, rows(("crm", "1", "A"), ("crm", "2", "B"), ("shop", "5", "B")), SECRET, keys=types)
    crosswalk = store.current()
    assert crosswalk
    mapping = dict(crosswalk._connect().execute("SELECT foreign_id, id360 FROM xw.foreign_id").fetchall())
    assert set(mapping) == {"A", "B"} and all(10**14 <= i < 10**15 for i in mapping.values())
    assert keys(store, mapping["B"]) == {("crm", 2), ("shop", "5")}
    report = import_crosswalk(store, rows(("crm", "2", "B"), ("crm", "3", "C")), SECRET, keys=types)
    assert (report.minted, report.retired) == (1, 1)
    assert keys(store, mapping["B"]) == {("crm", 2)}


def test_ids_of_ours_redirect_to_the_imported(store: CrosswalkStore) -> None:
    resolve([record_set([{"k0": 1, "email": "a@x.de"}], "crm", "t")], RULES, store, SECRET)
    before = store.current()
    assert before
    (ours,) = [row[0] for row in before._connect().execute(f"SELECT id360 FROM xw.{before.links[0].name}").fetchall()]
    import_crosswalk(store, rows(("crm", 1, 42)), SECRET)
    assert keys(store, ours) == keys(store, 42) == {("crm", 1)}
    import_crosswalk(store, rows(("crm", 1, ours)), SECRET)
    crosswalk = store.current()
    assert crosswalk and (crosswalk.canonical(42), crosswalk.canonical(ours)) == (ours, ours)


def test_composite_keys_entities_and_spaces(store: CrosswalkStore) -> None:
    table = pa.table(
        {
            "entity": ["individual", "account"], "space": ["eu", ""], "source": ["crm", "erp"], "table": ["t", "t"],
            "k0": ["x", "y"], "k1": [1, None], "id360": [1, 2],
        }
    )  # fmt: skip
    import_crosswalk(store, table, SECRET)
    crosswalk = store.current()
    assert crosswalk
    assert [(t.entity, t.space, t.key_types) for t in crosswalk.links] == [
        ("account", "", ("VARCHAR",)),
        ("individual", "eu", ("VARCHAR", "BIGINT")),
    ]


@pytest.mark.parametrize(
    "table",
    [
        rows(("crm", 1, -5)),
        rows(("crm", 1, 1.5)),
        rows(("crm", 1, None)),
        rows(("crm", 1, "A")).drop_columns(["key"]),
        pa.table({"entity": ["a", "b"], "source": ["s", "s"], "table": ["t", "t"], "key": [1, 2], "id360": [3, 3]}),
        pa.table({"source": ["s"], "table": pa.array([None], pa.string()), "key": [1], "id360": [3]}),
    ],
    ids=["negative", "fraction", "null", "no key", "one id in two entities", "no table"],
)
def test_what_cannot_be_a_crosswalk_is_refused(store: CrosswalkStore, table: pa.Table) -> None:
    with pytest.raises(CrosswalkImport):
        import_crosswalk(store, table, SECRET)
    assert store.current() is None


def test_keys_are_checked_as_in_a_resolve(store: CrosswalkStore, tmp_path: Path) -> None:
    with pytest.raises(DuplicateKeys):
        import_crosswalk(store, rows(("crm", 1, 1), ("crm", 1, 2)), SECRET)
    with pytest.raises(KeyType):
        import_crosswalk(store, rows(("crm", "one", 1)), SECRET, keys={("crm", "t"): (KeyColumn("id", "BIGINT"),)})
    (tmp_path / "x").write_text("no parquet")
    with pytest.raises(CrosswalkImport):
        import_crosswalk(store, tmp_path / "x", SECRET)
