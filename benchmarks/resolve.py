"""How fast, and in how much memory, 950 000 person records resolve by exact rules (e-mail, phone).

    python benchmarks/resolve.py [--people 500000] [--again]

The records are those of the benchmark world's three person tables (CRM contacts, shop customers, support users), made in a helper
process and streamed from an Arrow file, so that the seconds and the peak memory printed (one JSON object) are the resolve's alone.
`--again` resolves a second time upon the first.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import pyarrow as pa

PERSON = """
SELECT i AS pid, 'p' || i || '@ex' || (i % 50) || '.com' AS email, '+1' || lpad((i * 7919 % 10000000000)::VARCHAR, 10, '0') AS phone
FROM range({people}) t(i)
"""
TABLES = {
    ("crm", "contact", "BIGINT"): "SELECT row_number() OVER (ORDER BY pid) AS k0, email, phone FROM person WHERE hash(pid) % 10 < 8",
    ("shop", "customer", "BIGINT"): "SELECT row_number() OVER (ORDER BY pid) + 5000000 AS k0, email, "
    "CASE WHEN hash(pid * 13) % 2 = 0 THEN phone END AS phone FROM person WHERE hash(pid * 2) % 10 < 7",
    ("support", "user", "VARCHAR"): "SELECT 'u' || pid AS k0, email, phone FROM person WHERE hash(pid * 4) % 10 < 4",
}


def make(people: int, folder: Path) -> None:
    """Write one Arrow stream per table."""
    con = duckdb.connect()
    con.execute(f"CREATE TABLE person AS {PERSON.format(people=people)}")
    for (source, table, _), sql in TABLES.items():
        rows = con.sql(f"{sql} ORDER BY hash(pid * 23)").to_arrow_table()
        with pa.OSFile(str(folder / f"{source}.{table}.arrows"), "wb") as sink, pa.ipc.new_stream(sink, rows.schema) as stream:
            stream.write_table(rows, max_chunksize=65_536)


def measure(folder: Path, again: bool) -> None:
    """Resolve what `make` wrote; print one line of JSON per run."""
    from identity.model import KeyColumn, MatchKey, MatchRule, RecordSet
    from identity.resolve import resolve
    from identity.versions.store import CrosswalkStore

    def reader(path: Path) -> pa.RecordBatchReader:
        return pa.ipc.open_stream(pa.OSFile(str(path), "rb"))

    records = [
        RecordSet(
            "individual",
            "",
            source,
            table,
            (KeyColumn("id", kind),),
            ("email", "phone"),
            lambda p=folder / f"{source}.{table}.arrows": reader(p),
        )
        for source, table, kind in TABLES
    ]
    rules = {"individual": tuple(MatchRule(name, (MatchKey(name, name),)) for name in ("email", "phone"))}
    store = CrosswalkStore(folder / "state")
    for _ in range(2 if again else 1):
        started = time.perf_counter()
        report = resolve(
            records, rules, store, b"a secret for benchmarks only", identifiers={"individual": {"email": MatchKey("email", "email")}}
        )
        seconds = time.perf_counter() - started
        facts = {
            "duckdb": duckdb.__version__,
            "records": report.links,
            "ids": report.ids,
            "minted": report.minted,
            "seconds": round(seconds, 2),
            "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "file_mib": (folder / "state" / f"v{report.version:06d}.duckdb").stat().st_size >> 20,
        }
        print(json.dumps(facts), flush=True)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--people", type=int, default=500_000)
    args.add_argument("--again", action="store_true")
    args.add_argument("--step", choices=["make", "measure"], help=argparse.SUPPRESS)
    args.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = args.parse_args()
    if options.step == "make":
        make(options.people, options.folder)
    elif options.step == "measure":
        measure(options.folder, options.again)
    else:
        with tempfile.TemporaryDirectory() as folder:
            for step in ("make", "measure"):
                flags = ["--people", str(options.people), "--folder", folder, *(["--again"] if options.again else [])]
                subprocess.run([sys.executable, __file__, "--step", step, *flags], check=True)


if __name__ == "__main__":
    main()
