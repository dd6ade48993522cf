"""How well the defaults do on a labelled table: `python -m identity.evaluate FILE.csv --truth COLUMN`.

The whole way of a resolve is run and timed (read, normalise, train, cluster, mint ids), with a crosswalk in a directory that is
thrown away. No label is used but to count afterwards.
"""

from __future__ import annotations

import argparse
import codecs
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.spi.errors import C360Error
from identity.clustering import Ints
from identity.engines import Engines
from identity.errors import UnreadableTable
from identity.evidence.document import probability
from identity.matching import Matching, Scored
from identity.mistakes import Mistake, mistakes
from identity.model import KeyColumn, RecordSet
from identity.probabilistic.engine import Probabilistic, Settings, uses
from identity.probabilistic.kinds import Field, Kind, recognise
from identity.probabilistic.values import kinds_by_values
from identity.quality import assess, expected_calibration_error
from identity.resolve import MEMORY_LIMIT, resolve
from identity.scratch import identifier, literal
from identity.versions.store import CrosswalkStore

DOUBTFUL = 0.01
"""Calibration is measured over pairs above this score: the many far below it are right and would hide the rest."""
LOOKED_AT = 10_000
"""Of about so many rows the values are looked at to tell what columns hold."""
_ROW = "row in the file"
"""What the number of a record's row is called: no column of a table is."""
SECRET = b"an evaluation keeps nothing it could protect"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the defaults reached: pairwise and B-cubed quality of the partition, calibration (`ece`), time in seconds, peak memory in MB."""

    data: str
    system: str
    records: int
    clusters: int
    largest: int
    pairs: int
    precision: float
    recall: float
    f1: float
    bcubed_precision: float
    bcubed_recall: float
    bcubed_f1: float
    ece: float
    seconds: float
    rss_mb: int
    fields: dict[str, str]


class _Witnessed(Probabilistic):
    """The engine, whose answer is kept to be held against the truth."""

    __slots__ = ("found",)
    found: Matching

    def match(self, *args: Any, **kwargs: Any) -> Matching:
        self.found = super().match(*args, **kwargs)
        return self.found


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """An evaluation and what it is of: of each record its cluster (`labels`), its person (`truth`) and its row in the file."""

    evaluation: Evaluation
    labels: Ints
    truth: Ints
    rows: Ints
    scored: Scored

    def mistakes(self, most: int | None = None) -> Iterator[Mistake]:
        """The pairs of records that are missed or wrong (see identity.mistakes)."""
        return mistakes(self.labels, self.truth, self.scored, self.rows, most)


def evaluate(path: Path, truth: str, source: str | None = None, threads: int | None = None, memory: str = MEMORY_LIMIT) -> Evaluation:
    """Resolve a CSV or Parquet file by the defaults and hold the clusters against its column `truth`.

    Records of which `truth` says nothing are matched and not judged. `source` names the column that says which system a record is from
    (default: `source`, if there is one). Raises: UnreadableTable.
    """
    return judge(path, truth, source, threads, memory).evaluation


def judge(path: Path, truth: str, source: str | None = None, threads: int | None = None, memory: str = MEMORY_LIMIT) -> Judged:
    """As `evaluate`, with the clusters themselves."""
    con = duckdb.connect()
    columns = _read(con, path, truth, source)
    place = source or next((c for c in columns if c.lower() == "source"), None)
    others = [c for c in columns if c not in (truth, place)]
    fields = recognise(others, _kinds_by_values(con, others))
    names = ["all"] if place is None else [r[0] for r in con.execute(f"SELECT DISTINCT {_text(place)} FROM given ORDER BY 1").fetchall()]
    order = f"{_text(place)}, {identifier(_ROW)}" if place else identifier(_ROW)
    given = con.execute(f"SELECT {_text(truth)} AS t, {identifier(_ROW)} AS row FROM given ORDER BY {order}").fetchnumpy()
    engine = _Witnessed(Settings(uses(fields)), SECRET)
    with tempfile.TemporaryDirectory() as folder:
        sets = [_record_set(con, Path(folder) / f"{i}.parquet", name, place, fields) for i, name in enumerate(names)]
        con.close()
        store = CrosswalkStore(Path(folder) / "crosswalk")
        engines = Engines(SECRET, {}, store.directory, only=engine)
        started = time.monotonic()
        resolve(sets, {}, store, SECRET, engines=engines, threads=threads, memory_limit=memory)
        seconds = time.monotonic() - started
    people = np.unique(given["t"].astype(str), return_inverse=True)[1].astype(np.int64)
    told = given["t"].astype(str) != ""
    found, scored = engine.found, engine.found.scored
    assert scored is not None
    evaluation = _evaluation(path, found, scored, people, told, fields, seconds)
    nobody = -1 - np.arange(len(told))  # of whom nothing is said is neither missed nor wrong
    labels, people = np.where(told, found.labels, nobody), np.where(told, people, nobody)
    return Judged(evaluation, labels, people, np.asarray(given["row"], np.int64), scored)


def _evaluation(
    path: Path, found: Matching, scored: Scored, truth: Ints, told: npt.NDArray[np.bool_], fields: tuple[Field, ...], seconds: float
) -> Evaluation:
    reached = assess(found.labels[told], truth[told])
    scores = probability(scored.odds)
    doubtful = (scores > DOUBTFUL) & told[scored.left] & told[scored.right]
    calibration = expected_calibration_error(scores[doubtful], (truth[scored.left] == truth[scored.right])[doubtful])
    return Evaluation(
        data=path.parent.name if path.stem == "records" else path.stem,
        system="c360",
        records=len(truth),
        clusters=len(np.unique(found.labels)),
        largest=int(np.unique(found.labels, return_counts=True)[1].max(initial=0)),
        pairs=len(scored.left),
        precision=reached.precision,
        recall=reached.recall,
        f1=reached.f1,
        bcubed_precision=reached.bcubed_precision,
        bcubed_recall=reached.bcubed_recall,
        bcubed_f1=reached.bcubed_f1,
        ece=calibration.error,
        seconds=round(seconds, 2),
        rss_mb=_peak_mb(),
        fields={field.attribute: field.kind.value for field in fields},
    )


def _peak_mb() -> int:
    """The most memory this process has held. The system's own record of a process: what getrusage says may be its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _load(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """CREATE given: the file, its rows numbered."""
    file, number = literal(str(path)), identifier(_ROW)
    if path.suffix == ".parquet":
        numbered = f"SELECT * EXCLUDE file_row_number, file_row_number AS {number}"
        con.execute(f"CREATE VIEW given AS {numbered} FROM read_parquet({file}, file_row_number = true)")
        return
    rows = f"CREATE TABLE given AS SELECT *, row_number() OVER () - 1 AS {number} FROM read_csv({{}}, all_varchar = true)"
    try:
        con.execute(rows.format(file))
    except duckdb.InvalidInputException:
        with tempfile.NamedTemporaryFile("w", suffix=".csv", encoding="utf-8", newline="") as copy:
            copy.write(_decoded(path.read_bytes()))
            copy.flush()
            con.execute(rows.format(literal(copy.name)))


def _decoded(text: bytes) -> str:
    """A text that DuckDB cannot read: in UTF-16 if it says so, else mostly as Windows writes it in Western Europe (and Latin-1 as well)."""
    if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return text.decode("utf-16", "replace")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        return text.decode("cp1252", "replace")


def _read(con: duckdb.DuckDBPyConnection, path: Path, truth: str, source: str | None) -> list[str]:
    try:
        _load(con, path)
        columns = [name for name, *_ in con.execute("DESCRIBE given").fetchall() if name != _ROW]
    except duckdb.Error as cause:
        if not path.exists():
            raise UnreadableTable(f"{path}: no such file", hint="give the path of a CSV with a header, or of a Parquet file") from cause
        raise UnreadableTable(f"{path} cannot be read as a table", hint="give a CSV with a header, or a Parquet file") from cause
    for option, column, what in (("--truth", truth, "of true clusters"), ("--source", source, "that says where a record is from")):
        if column is not None and column not in columns:
            raise UnreadableTable(
                f"{path} has no column {column!r}; it has {', '.join(columns)}", hint=f"name the column {what} with {option}"
            )
    return columns


def _kinds_by_values(con: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> dict[str, Kind]:
    """What a few thousand rows, evenly spread, tell of the columns."""
    texts, number = ", ".join(f"{identifier(name)}::VARCHAR AS {identifier(name)}" for name in columns), identifier(_ROW)
    every = f"greatest((SELECT count(*) FROM given) // {LOOKED_AT}, 1)"
    con.execute(f"CREATE TEMP TABLE looked_at AS SELECT {texts or number} FROM given WHERE {number} % {every} = 0")
    return kinds_by_values(con, "looked_at", columns)


def _text(column: str | None) -> str:
    return f"coalesce({identifier(column)}::VARCHAR, '')" if column else "''"


def _record_set(con: duckdb.DuckDBPyConnection, path: Path, name: str, place: str | None, fields: tuple[Field, ...]) -> RecordSet:
    """The records of one source, as a file of its own: a source gives only what is its own."""
    picked = ", ".join([f"{identifier(_ROW)} AS k0", *(f"{identifier(f.attribute)}::VARCHAR AS {identifier(f.attribute)}" for f in fields)])
    where = f"WHERE {_text(place)} = {literal(name)}" if place else ""
    con.execute(f"COPY (SELECT {picked} FROM given {where}) TO {literal(str(path))} (FORMAT parquet)")

    def read() -> pa.RecordBatchReader:
        file = pq.ParquetFile(path)
        return pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(100_000))

    return RecordSet("individual", "", name, "records", (KeyColumn("row", "BIGINT"),), tuple(f.attribute for f in fields), read)


def _told(name: str, value: Any) -> str:
    """A figure for people. JSON has all digits."""
    if isinstance(value, dict):
        return ", ".join(f"{column}: {kind}" for column, kind in value.items())
    return f"{value:.4f}" if isinstance(value, float) and name != "seconds" else str(value)


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit code 0, or 1 with the error on stderr."""
    parser = argparse.ArgumentParser(prog="python -m identity.evaluate", description="How well the defaults do on a labelled table.")
    parser.add_argument("file", type=Path, help="a CSV (with a header) or Parquet file, a row per record")
    parser.add_argument("--truth", required=True, help="the column of true clusters")
    parser.add_argument("--source", help="the column that says where a record is from (default: source, if there is one)")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--memory", default=MEMORY_LIMIT, help="what DuckDB may use (default: %(default)s, enough for a million records)")
    parser.add_argument("--mistakes", type=int, metavar="N", default=0, help="show up to N pairs that are missed, and N that are wrong")
    parser.add_argument("--output", choices=["text", "json"], default="text")
    given = parser.parse_args(arguments)
    try:
        judged = judge(given.file, given.truth, given.source, given.threads, given.memory)
    except C360Error as error:
        print(error, file=sys.stderr)
        return 1
    result = asdict(judged.evaluation)
    if given.output == "json":
        print(json.dumps(result))
        return 0
    for name, value in result.items():
        print(f"{name:17} {_told(name, value)}")
    for mistake in judged.mistakes(given.mistakes) if given.mistakes else ():
        print(mistake)
    return 0


if __name__ == "__main__":
    sys.exit(main())
