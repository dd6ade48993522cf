"""Links by id360 from memory are those of a filter over the table."""

from __future__ import annotations

import random

import duckdb
import pyarrow as pa
import pytest

from federation.link_cache import LinkCache, SortedLinks


@pytest.mark.parametrize("seed", range(50))
def test_the_links_of_some_ids(seed: int) -> None:
    chance = random.Random(seed)
    ids = sorted(chance.randrange(20) for _ in range(chance.randrange(30)))
    links = pa.table({"k0": pa.array(range(len(ids)), pa.int64()), "id360": pa.array(ids, pa.int64())})
    wanted = [chance.randrange(25) for _ in range(chance.randrange(6))]
    found = SortedLinks(links, links.column("id360").to_numpy()).of(wanted)
    assert found.column("k0").to_pylist() == [k for k, i in enumerate(ids) if i in wanted]


def test_a_newer_crosswalk_takes_the_place_of_the_old() -> None:
    con = duckdb.connect()
    for version, owner in ((1, 100), (2, 200)):
        con.execute(
            f"ATTACH ':memory:' AS xw{version}; CREATE TABLE xw{version}.link AS SELECT 7 AS k0, {owner}::BIGINT AS id360, 0 AS ord"
        )
    cache = LinkCache()
    for version, owner in ((1, 100), (2, 200), (1, 100)):
        held = cache.table(con, f"xw{version}.main", "link", ("k0", "id360"))
        assert held is not None
        assert held.of([owner]).to_pylist() == [{"k0": 7, "id360": owner}]
        assert held.of([300 - owner]).num_rows == 0


def test_a_table_that_is_too_large_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("federation.link_cache.MOST_LINKS", 2)
    con = duckdb.connect()
    con.execute("ATTACH ':memory:' AS xw1; CREATE TABLE xw1.link AS SELECT i AS k0, i AS id360 FROM range(3) t(i)")
    assert LinkCache().table(con, "xw1.main", "link", ("k0", "id360")) is None
