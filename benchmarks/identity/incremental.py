"""How fast new records come into a crosswalk of many, where the sources tell what is new.

    python -m benchmarks.identity.incremental [--people FILE.parquet] [--records 1000000] [--new 10000] [--repeats 3] [--quick]
                                              [--splink PYTHON]

The records are made-up people (or those of a file that `benchmarks.identity.people` wrote), in four tables of a database, each with
the number of the batch that brought a row. All but the last batches are resolved whole, with an index; then batch after batch comes in.
Only rows of the batch are asked for, the keys (deletions are found by them), and neighbours by key. At the end a whole resolve upon the
version before the last one must give the same links. Splink beside it takes the same batches (benchmarks/identity/rival/batches.py says
what is counted of it). Writes benchmarks/results/identity_incremental.json; exit code 1 if the links differ or, at a million records, the
median batch takes longer than the goal.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from benchmarks.identity.children import MEMORY, PATIENCE, Failed, run
from benchmarks.identity.people import SOURCES, made
from benchmarks.identity.splink_rival import ENVIRONMENT
from identity.engines import Engines
from identity.incremental.resolving import incremental
from identity.model import KeyColumn, MatchModel, RecordSet
from identity.probabilistic.kinds import recognise
from identity.report import ResolveReport
from identity.resolve import resolve
from identity.versions.store import CrosswalkStore

RESULT = Path(__file__).parent.parent / "results" / "identity_incremental.json"
RIVAL = Path(__file__).parent / "rival" / "batches.py"
SECRET = b"a secret for benchmarks only"
ATTRIBUTES = ("first_name", "last_name", "birth_date", "email", "phone", "street", "city", "postcode")
FEW = 1000
"""Up to so many keys are looked up in the table's index."""
GOAL = 1.5
"""Seconds for 10 000 records into a million."""


class Sources:
    """The four tables, as far as their batches have come in."""

    def __init__(self, folder: Path, file: Path, new: int, repeats: int) -> None:
        self.con = duckdb.connect(str(folder / "sources.duckdb"))
        self.con.execute("SET force_compression = 'uncompressed'")  # a live system has its rows as they are
        self.come = 0
        self.con.execute(f"CREATE TEMP TABLE everybody AS SELECT * RENAME (rec_id AS k0) FROM ({batched(file, new, repeats)})")
        for source in SOURCES:
            self.con.execute(
                f"CREATE TABLE {source} AS SELECT * EXCLUDE (source) FROM everybody WHERE source = '{source}' ORDER BY batch, k0"
            )
            self.con.execute(f"CREATE UNIQUE INDEX {source}_key ON {source} (k0)")
        self.con.execute("DROP TABLE everybody")

    def sets(self) -> list[RecordSet]:
        return [self._set(source) for source in SOURCES]

    def _set(self, source: str) -> RecordSet:
        columns, here = ", ".join(ATTRIBUTES), f"{source} WHERE batch <= {self.come}"

        def rows(sql: str) -> Callable[[], pa.RecordBatchReader]:
            return lambda: self.con.cursor().sql(sql).to_arrow_reader(65_536)

        def some(keys: pa.Table) -> pa.RecordBatchReader:
            own = self.con.cursor()
            if keys.num_rows <= FEW:  # by the table's index
                listed = ", ".join(f"'{key}'" for key in keys.column("k0").to_pylist())
                return own.sql(f"SELECT k0, {columns} FROM {source} WHERE k0 IN ({listed})").to_arrow_reader(65_536)
            own.register("wanted", keys)
            return own.sql(f"SELECT k0, {columns} FROM {source} SEMI JOIN wanted USING (k0)").to_arrow_reader(65_536)

        return RecordSet(
            "individual", "", source, "person", (KeyColumn("id", "VARCHAR"),), ATTRIBUTES, rows(f"SELECT k0, {columns} FROM {here}"),
            changed=rows(f"SELECT k0, {columns} FROM {source} WHERE batch = {self.come}"), keys=rows(f"SELECT k0 FROM {here}"), some=some,
        )  # fmt: skip


def batched(file: Path, new: int, repeats: int) -> str:
    """SQL: the records, each with the number of its batch; 0 for those that are there from the start."""
    batch = f"greatest(0, {repeats} - (row_number() OVER (ORDER BY hash(rec_id, 7)) - 1) // {new})"
    return f"SELECT rec_id, source, {', '.join(ATTRIBUTES)}, {batch} AS batch FROM '{file}'"


def splink(python: Path, folder: Path, rows: str) -> dict[str, Any]:
    """Splink upon the same batches: the seconds of its whole run, and the medians of those that a batch's pairs and clusters took; or
    why there are none."""
    file = folder / "batches.parquet"
    duckdb.sql(f"COPY ({rows}) TO '{file}'")
    try:
        told = run([str(python), str(RIVAL), str(file), "--work", str(folder)], seconds=PATIENCE, rss_mb=MEMORY)
    except Failed as failure:
        return {"failed": str(failure)}
    print(json.dumps(told), flush=True)
    median = {f"{name}_seconds": statistics.median(batch[name] for batch in told["batches"]) for name in ("pairs", "clusters")}
    return {"whole_seconds": round(told["whole_seconds"], 3), **median}


def engines(folder: Path) -> Engines:
    """The standard model; what was trained is kept in `folder`."""
    return Engines(SECRET, {"individual": MatchModel(recognise(ATTRIBUTES))}, folder / "models")


def links(store: CrosswalkStore) -> list[tuple[Any, ...]]:
    """Every link of the version that serves."""
    crosswalk = store.current()
    assert crosswalk is not None
    return [
        row
        for t in crosswalk.links
        for row in crosswalk.reader.execute(f"SELECT '{t.source}', k0, id360 FROM xw.{t.name} ORDER BY k0").fetchall()
    ]


def measure(folder: Path, file: Path, new: int, repeats: int, check: bool) -> dict[str, Any]:
    """Resolve whole, then batch after batch."""
    sources, store = Sources(folder, file, new, repeats), CrosswalkStore(folder / "crosswalk")

    def timed(work: Callable[[], ResolveReport]) -> tuple[float, ResolveReport]:
        started = time.perf_counter()
        report = work()
        return round(time.perf_counter() - started, 3), report

    def whole() -> ResolveReport:
        using = engines(folder)
        report = resolve(sources.sets(), {}, store, SECRET, engines=using, index=True)
        using.save()
        return report

    first, report = timed(whole)
    batches = []
    for _ in range(repeats):
        sources.come += 1
        shutil.rmtree(folder / "before", ignore_errors=True)
        if check and sources.come == repeats:
            shutil.copytree(folder / "crosswalk", folder / "before")
        seconds, told = timed(lambda: incremental(sources.sets(), {}, store, SECRET, engines=engines(folder)))
        assert told.touched is not None
        sizes = {"crosswalk_mb": store.path(told.version), "index_mb": store.index_path(told.version)}
        batches.append(
            {"seconds": seconds, "new": told.touched.new, "touched": told.touched.records, "clusters": told.touched.clusters}
            | {name: round(path.stat().st_size / 1e6, 1) for name, path in sizes.items()}
        )
        print(json.dumps(batches[-1]), flush=True)
    index = sum(file.stat().st_size for file in store.directory.glob("index-000001.*"))
    found: dict[str, Any] = {
        "records": report.links, "whole_seconds": first, "index_mb": round(index / 1e6), "batches": batches,
        "median_seconds": statistics.median(batch["seconds"] for batch in batches), "goal_seconds": GOAL,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }  # fmt: skip
    if check:
        other = CrosswalkStore(folder / "before")
        again, _ = timed(lambda: resolve(sources.sets(), {}, other, SECRET, engines=engines(folder)))
        found |= {"whole_again_seconds": again, "same_links_as_whole": links(other) == links(store)}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.identity.incremental", description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--new", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="20 000 records, 200 new ones; no result is written")
    parser.add_argument("--splink", type=Path, default=ENVIRONMENT, metavar="PYTHON", help="of the environment with Splink in it")
    parser.add_argument("--unchecked", action="store_true", help="do not resolve whole at the end")
    given = parser.parse_args()
    records, new = (20_000, 200) if given.quick else (given.records, given.new)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = given.people or made(records, folder)
        found = measure(folder, file, new, given.repeats, not given.unchecked)
        if given.splink.exists():
            found["splink"] = splink(given.splink, folder, batched(file, new, given.repeats))
    print(json.dumps(found, indent=1))
    if not given.quick:
        RESULT.write_text(json.dumps(found, indent=1) + "\n")
    missed = not given.quick and given.records == 1_000_000 and found["median_seconds"] > GOAL
    return int(missed or not found.get("same_links_as_whole", True))


if __name__ == "__main__":
    sys.exit(main())
