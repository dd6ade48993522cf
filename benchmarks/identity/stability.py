"""How many records keep their id360 when rows come, attributes change, or a model is trained anew.

    python -m benchmarks.identity.stability [--people FILE.parquet] [--records 100000] [--quick]

Made-up people (benchmarks.identity.people). The first resolve sees 100/105 of the records and trains the model. Then all is resolved
    again       with nothing changed
    grown       with the other records (+5 %), and one attribute changed in 2 % of the old ones: it becomes that of another record
    retrained   the same by a model trained on what is there now
    unchanged, retrained   the first records by a model trained anew on them
each upon the first version. `kept` is the share of the old records that have the id they had; `followed` that of those whose old id leads
to theirs (people found to be one); of those that `moved`, so many had changed themselves.
Writes benchmarks/results/identity_stability.json; exit code 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from benchmarks.identity.incremental import ATTRIBUTES, SECRET
from benchmarks.identity.people import SOURCES, made
from identity.engines import Engines
from identity.model import KeyColumn, MatchModel, RecordSet
from identity.probabilistic.kinds import recognise
from identity.resolve import resolve
from identity.versions.store import CrosswalkStore

RESULT = Path(__file__).parent.parent / "results" / "identity_stability.json"
GOALS = {"again": 1.0, "grown": 0.995}
"""By the model that is frozen; another model decides otherwise, which a plan shows before."""
GROWTH, CHANGED = 0.05, 0.023
"""Of the changes some change nothing (both records have none, or the same city): 2 % are left."""


class Records:
    """The people, as they were (`before`) and as they are (`after`)."""

    def __init__(self, file: Path) -> None:
        self.con = duckdb.connect()
        self.con.execute(f"CREATE TABLE everybody AS SELECT *, row_number() OVER (ORDER BY hash(rec_id, 3)) - 1 AS n FROM '{file}'")
        ((count,),) = self.con.execute("SELECT count(*) FROM everybody").fetchall()
        old = int(count / (1 + GROWTH))
        self.con.execute(f"CREATE TABLE before AS FROM everybody WHERE n < {old}")
        # of every changed record one attribute, each equally often, becomes what some other record has there
        changed = f"e.n < {int(old * CHANGED)}"
        columns = [
            f"CASE WHEN {changed} AND e.n % {len(ATTRIBUTES)} = {i} THEN o.{a} ELSE e.{a} END AS {a}" for i, a in enumerate(ATTRIBUTES)
        ]
        self.con.execute(
            f"CREATE TABLE after AS SELECT e.source, e.rec_id, {', '.join(columns)} FROM everybody e "
            f"JOIN everybody o ON o.n = (e.n * 7919 + 104729) % {count}"
        )
        was, is_ = (", ".join(f"{table}.{a}" for a in ATTRIBUTES) for table in ("before", "after"))
        self.con.execute(
            "CREATE TABLE changed AS SELECT after.source, rec_id FROM after JOIN before USING (rec_id) "
            f"WHERE ({was}) IS DISTINCT FROM ({is_})"
        )
        ((self.old, self.grown, self.changed),) = self.con.execute(
            "SELECT (SELECT count(*) FROM before), (SELECT count(*) FROM after), (SELECT count(*) FROM changed)"
        ).fetchall()
        self.changed_keys = set(self.con.execute("FROM changed").fetchall())

    def sets(self, when: str) -> list[RecordSet]:
        return [self._set(when, source) for source in SOURCES]

    def _set(self, when: str, source: str) -> RecordSet:
        sql = f"SELECT rec_id AS k0, {', '.join(ATTRIBUTES)} FROM {when} WHERE source = '{source}'"

        def read() -> pa.RecordBatchReader:
            return self.con.cursor().sql(sql).to_arrow_reader(65_536)

        return RecordSet("individual", "", source, "person", (KeyColumn("id", "VARCHAR"),), ATTRIBUTES, read)


def links(store: CrosswalkStore) -> dict[tuple[str, str], int]:
    """Whose each record is in the version that serves."""
    crosswalk = store.current()
    assert crosswalk is not None
    rows = {t.source: crosswalk.reader.execute(f"SELECT k0, id360 FROM xw.{t.name}").fetchall() for t in crosswalk.links}
    return {(source, key): id360 for source, some in rows.items() for key, id360 in some}


def measure(folder: Path, file: Path) -> dict[str, Any]:
    """Resolve the first time, then each way upon a copy of that."""
    records, first = Records(file), folder / "first"

    def run(place: Path, when: str, anew: bool = False) -> CrosswalkStore:
        store = CrosswalkStore(place / "crosswalk")
        engines = Engines(SECRET, {"individual": MatchModel(recognise(ATTRIBUTES))}, place / "models", anew=anew)
        resolve(records.sets(when), {}, store, SECRET, engines=engines)
        engines.save()
        return store

    before = links(run(first, "before"))

    def then(name: str, work: Callable[[Path], CrosswalkStore]) -> dict[str, float]:
        place = folder / name
        shutil.copytree(first, place)
        store = work(place)
        after, crosswalk = links(store), store.current()
        assert crosswalk is not None
        moved = {key for key, id360 in before.items() if after[key] != id360}
        followed = sum(after[key] == crosswalk.canonical(id360) for key, id360 in before.items())
        told = {
            "kept": round(1 - len(moved) / len(before), 5), "followed": round(followed / len(before), 5),
            "moved": len(moved), "moved_and_changed": len(moved & records.changed_keys),
        }  # fmt: skip
        print(name, json.dumps(told), flush=True)
        return told

    return {
        "records": records.old,
        "new": records.grown - records.old,
        "changed": records.changed,
        "people": len(set(before.values())),
        "again": then("again", lambda place: run(place, "before")),
        "grown": then("grown", lambda place: run(place, "after")),
        "retrained": then("retrained", lambda place: run(place, "after", anew=True)),
        "unchanged, retrained": then("unchanged, retrained", lambda place: run(place, "before", anew=True)),
        "goals": GOALS,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.identity.stability", description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=Path)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true", help="10 000 records; no result is written")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = given.people or made(10_000 if given.quick else given.records, folder)
        found = measure(folder, file)
    print(json.dumps(found, indent=1))
    if not given.quick:
        RESULT.write_text(json.dumps(found, indent=1) + "\n")
    return int(any(found[name]["kept"] < goal for name, goal in GOALS.items()))


if __name__ == "__main__":
    sys.exit(main())
