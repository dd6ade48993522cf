"""Where ids lead that ended in a merge which is taken back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from records import RULES, SECRET, record_set

from identity.resolve import resolve
from identity.versions.store import CrosswalkStore


@pytest.fixture
def store(tmp_path: Path) -> CrosswalkStore:
    return CrosswalkStore(tmp_path / "crosswalk")


def run(mails: str, store: CrosswalkStore) -> dict[int, int]:
    """key -> id360 after a resolve of records 1, 2 ... with these addresses."""
    rows: list[dict[str, Any]] = [{"k0": k, "email": f"{mail}@x.de", "phone": None} for k, mail in enumerate(mails, 1)]
    resolve([record_set(rows)], RULES, store, SECRET)
    crosswalk = store.current()
    assert crosswalk
    return dict(crosswalk.reader.execute(f"SELECT k0, id360 FROM xw.{crosswalk.links[0].name}").fetchall())


def leads(store: CrosswalkStore, id360: int) -> int:
    crosswalk = store.current()
    assert crosswalk
    return crosswalk.canonical(id360)


def test_what_was_merged_before_leads_to_its_own_part_too(store: CrosswalkStore) -> None:
    """5 went to 4, and both to 1: when 1 is parted from them, both lead to what they are now."""
    before = run("aaabc", store)
    run("aaabb", store)
    run("aaaaa", store)
    assert {leads(store, i) for i in before.values()} == {before[1]}
    parted = run("aaabb", store)
    assert parted[4] == parted[5] != parted[1] == before[1]
    assert leads(store, before[4]) == leads(store, before[5]) == parted[4]


def test_each_part_has_its_own_again(store: CrosswalkStore) -> None:
    before = run("aaabc", store)
    run("aaaaa", store)
    parted = run("aaabc", store)
    assert [leads(store, before[k]) for k in (1, 4, 5)] == [parted[1], parted[4], parted[5]]


def test_without_the_version_from_before_an_id_leads_where_it_led(tmp_path: Path) -> None:
    store = CrosswalkStore(tmp_path / "crosswalk", keep=1)
    before = run("aab", store)
    for _ in range(2):
        run("aaa", store)
    run("aab", store)
    assert leads(store, before[3]) == before[1]
