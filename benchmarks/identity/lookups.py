"""How long a look-up in the crosswalk takes: from an id360 to its source keys, and from a source key to its id360.

    python -m benchmarks.identity.lookups [--links 10000000] [--asked 5000] [--quick]

A version is written with the writers of a resolve: 40 % of the links in a table with an integer key, 30 % with a key that is a text (a
UUID), 30 % with a key of two columns; two fifths as many people as links. Then ids and keys drawn at random are looked up, one by one,
by `Crosswalk.lookup` and `Crosswalk.id_of`: the first of a process (`cold`), and once the links are held in memory. Writes
benchmarks/results/identity_lookups.json; exit code 1 if, at ten million links, a median is above the goal.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from identity.crosswalk import OFTEN, Crosswalk, LinkTable
from identity.scratch import scratch
from identity.versions.publishing import fill_links, table_name
from identity.versions.store import CrosswalkStore

RESULT = Path(__file__).parent.parent / "results" / "identity_lookups.json"
GOAL = 0.2
"""Milliseconds, the median over ten million links."""
LOW, SPAN = 10**14, 9 * 10**14
TABLES = {
    "crm": (0.4, (("id", "BIGINT", "n * 7 + 3"),)),
    "shop": (0.3, (("uuid", "VARCHAR", "md5(n::VARCHAR)::UUID::VARCHAR"),)),
    "pos": (0.3, (("store", "INTEGER", "(n % 997)::INTEGER"), ("no", "BIGINT", "n // 997"))),
}
"""By source the share of the links, and its key columns: name, type, and value as an expression of the record's number `n`."""


def write(store: CrosswalkStore, links: int) -> float:
    """A version of so many links; the seconds that it took."""
    started = time.perf_counter()
    people = max(1, links * 2 // 5)
    with scratch("6GiB") as con, store.write(con):
        con.execute(f"CREATE TABLE person AS SELECT p, {LOW} + (hash(p) % {SPAN})::BIGINT AS id360 FROM range({people}) r(p)")
        for source, (share, key) in TABLES.items():
            count = int(links * share)
            table = LinkTable(
                table_name("link", "individual", "", source, "person"), "individual", "", source, "person",
                tuple(name for name, _, _ in key), tuple(type_ for _, type_, _ in key), count, "",
            )  # fmt: skip
            keys = ", ".join(f"{value} AS k{i}" for i, (_, _, value) in enumerate(key))
            of = f"(hash(n, '{source}') % {people})::BIGINT"
            rows = f"SELECT {keys}, id360, row_number() OVER (ORDER BY {', '.join(f'k{i}' for i in range(len(key)))}) - 1 AS ord "
            fill_links(con, table, f"{rows} FROM (SELECT n, id360 FROM range({count}) r(n) JOIN person ON p = {of})")
        con.execute("INSERT INTO new.id_history SELECT 'individual', '', id360, 1, NULL FROM person GROUP BY id360")
        con.execute(
            f"INSERT INTO new.redirect SELECT 'individual', '', {LOW} + (hash(p, 'old') % {SPAN})::BIGINT, id360, 1 FROM person "
            "WHERE p % 50 = 0"
        )
    return time.perf_counter() - started


def draw(crosswalk: Crosswalk, asked: int) -> tuple[list[int], list[tuple[LinkTable, tuple[Any, ...]]]]:
    """Ids, and keys with their tables, at random but the same each time."""
    with duckdb.connect() as con:
        crosswalk.attach(con, "xw")
        found = []
        for table in crosswalk.links:
            columns = ", ".join(table.columns)
            sample = f"SELECT {columns}, id360 FROM xw.{table.name} ORDER BY hash(ord, 11) LIMIT {asked // len(crosswalk.links)}"
            found += [(table, row[:-1], row[-1]) for row in con.execute(sample).fetchall()]
    order = np.random.default_rng(1).permutation(len(found))
    return [found[i][2] for i in order], [found[i][:2] for i in order]


def measured(asked: Sequence[Any], look: Callable[[Any], object]) -> dict[str, float]:
    """Milliseconds of one look-up each. Raises AssertionError where nothing is found."""
    times = []
    for one in asked:
        started = time.perf_counter()
        found = look(one)
        times.append((time.perf_counter() - started) * 1000)
        assert found, "a link that is there was not found"
    p50, p99 = np.percentile(times[len(times) // 10 :], [50, 99])
    return {"p50_ms": round(float(p50), 4), "p99_ms": round(float(p99), 4)}


def measure(folder: Path, links: int, asked: int) -> dict[str, Any]:
    """Write a version, open it, look up."""
    store = CrosswalkStore(folder)
    seconds = write(store, links)
    started = time.perf_counter()
    crosswalk = CrosswalkStore(folder).current()
    assert crosswalk is not None
    ids, keys = draw(crosswalk, asked)
    opened = Crosswalk(crosswalk.path)
    started = time.perf_counter()
    opened.lookup(ids[0])
    first = time.perf_counter() - started

    def key_to_id(asked: tuple[LinkTable, tuple[Any, ...]]) -> int | None:
        return opened.id_of(*_place(asked[0]), asked[1])

    half = OFTEN // 2 - 1
    cold = {"id_to_keys": measured(ids[:half], opened.lookup), "key_to_id": measured(keys[:half], key_to_id)}
    started = time.perf_counter()
    opened.hold()
    held = time.perf_counter() - started
    by_table = {t.source: measured([k for k in keys if k[0] is t], key_to_id) for t in crosswalk.links}
    return {
        "links": links,
        "people": links * 2 // 5,
        "id_to_keys": measured(ids, opened.lookup),
        "key_to_id": measured(keys, key_to_id),
        "key_to_id_by_table": by_table,
        "goal_ms": GOAL,
        "cold": cold,
        "hold_seconds": round(held, 2),
        "first_look_up_ms": round(first * 1000, 2),
        "file_mb": round(crosswalk.path.stat().st_size / 1e6, 1),
        "write_seconds": round(seconds, 1),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "duckdb": duckdb.__version__,
    }


def _place(table: LinkTable) -> tuple[str, str, str, str]:
    return table.entity, table.space, table.source, table.table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.identity.lookups", description=__doc__.split("\n")[0])
    parser.add_argument("--links", type=int, default=10_000_000)
    parser.add_argument("--asked", type=int, default=5000)
    parser.add_argument("--quick", action="store_true", help="100 000 links; no result is written")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = measure(Path(name), 100_000 if given.quick else given.links, given.asked)
    print(json.dumps(found, indent=1))
    if given.quick:
        return 0
    if given.links == 10_000_000:
        RESULT.write_text(json.dumps(found, indent=1) + "\n")
    return int(given.links == 10_000_000 and max(found["id_to_keys"]["p50_ms"], found["key_to_id"]["p50_ms"]) > GOAL)


if __name__ == "__main__":
    sys.exit(main())
