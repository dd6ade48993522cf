"""Parquet, CSV and JSON files, run through the contract, and what is particular to them."""

from __future__ import annotations

import csv
import datetime as dt
import json
import math
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from sqlglot import exp

from connectors.files import connect
from connectors.spi import Connector, Deadline, Fragment, KeyFilter, Param
from connectors.spi.errors import (
    C360Error,
    Cancelled,
    MissingDriver,
    SchemaDrift,
    SourceBroken,
    SourceConfig,
    SourceTimeout,
    SourceUnreachable,
    UnmappedType,
)
from connectors.testing import ConnectorContract, Made
from connectors.testing.contract import Make

ARROW = {
    "int": pa.int64(), "decimal": pa.decimal128(18, 2), "double": pa.float64(), "float": pa.float32(), "bool": pa.bool_(),
    "text": pa.string(), "date": pa.date32(), "timestamp": pa.timestamp("us"), "timestamptz": pa.timestamp("us", "UTC"),
    "bytes": pa.binary(),
}  # fmt: skip
SQL = {
    "int": "BIGINT", "decimal": "DECIMAL(18,2)", "double": "DOUBLE", "float": "FLOAT", "bool": "BOOLEAN", "text": "VARCHAR",
    "date": "DATE", "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMPTZ",
    "uuid": "UUID", "json": "JSON", "bytes": "BLOB",
}  # fmt: skip


class FilesContract(ConnectorContract):
    """What the formats have in common."""

    suffix: ClassVar[str]

    @classmethod
    def pool(cls, kind: str) -> tuple[object, ...]:
        if kind == "float":
            return tuple(v for v in super().pool("double") if v not in (1e300, -1e300, 5e-324))
        return super().pool(kind)

    @classmethod
    def stored(cls, kind: str, value: object) -> object:
        return pa.scalar(value, pa.float32()).as_py() if kind == "float" else value

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("files")

    @pytest.fixture(scope="class")
    @classmethod
    def drop_table(cls, folder: Path) -> Callable[[str], None]:
        return lambda table: (folder / f"{table}{cls.suffix}").unlink()

    @pytest.fixture
    def unreachable(self, tmp_path: Path) -> Connector:
        return connect("lake", {"path": str(tmp_path / "nowhere")})

    @pytest.fixture(scope="class")
    @classmethod
    def make(cls, folder: Path) -> Make:
        def make(tables: Mapping[str, Made]) -> Connector:
            for name, made in tables.items():
                cls.write(folder / f"{name}{cls.suffix}", made)
            return connect("lake", cls.options(folder, tables))

        return make

    @classmethod
    def write(cls, path: Path, made: Made) -> None:
        raise NotImplementedError

    @classmethod
    def options(cls, folder: Path, tables: Mapping[str, Made]) -> dict[str, object]:
        return {"path": str(folder)}


def copy(path: Path, made: Made, options: str) -> None:
    """Write a table with DuckDB, in the types of SQL."""
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        db.register("made", pa.table({c: pa.array(s.values, ARROW.get(s.kind, pa.string())) for c, s in made.items()}))
        columns = ", ".join(f'CAST("{c}" AS {SQL[s.kind]}) AS "{c}"' for c, s in made.items())
        db.execute(f"COPY (SELECT {columns} FROM made) TO '{path}' ({options})")


class TestParquet(FilesContract):
    kinds = frozenset(SQL)
    suffix = ".parquet"

    @classmethod
    def write(cls, path: Path, made: Made) -> None:
        copy(path, made, "FORMAT parquet, ROW_GROUP_SIZE 2048")


class TestCsv(FilesContract):
    kinds = frozenset(SQL)
    suffix = ".csv"

    @classmethod
    def write(cls, path: Path, made: Made) -> None:
        copy(path, made, "FORMAT csv, HEADER, FORCE_QUOTE *")

    @classmethod
    def stored(cls, kind: str, value: object) -> object:
        return None if value in ("", b"") else super().stored(kind, value)

    @classmethod
    def options(cls, folder: Path, tables: Mapping[str, Made]) -> dict[str, object]:
        return {"tables": declared(folder, tables, cls.suffix)}

    @pytest.fixture(scope="class")
    @classmethod
    def drop_table(cls) -> None:
        """A table that the project file names stays listed."""


class TestJson(FilesContract):
    kinds = frozenset(SQL) - {"bytes"}
    suffix = ".json"

    @classmethod
    def pool(cls, kind: str) -> tuple[object, ...]:
        values = super().pool(kind)
        return tuple(v for v in values if not (isinstance(v, float) and not math.isfinite(v)))  # JSON has no such numbers

    @classmethod
    def stored(cls, kind: str, value: object) -> object:
        if kind == "json" and isinstance(value, str):
            return None if value == "null" else json.dumps(json.loads(value), separators=(",", ":"))
        return super().stored(kind, value)

    @classmethod
    def write(cls, path: Path, made: Made) -> None:
        copy(path, made, "FORMAT json")

    @classmethod
    def options(cls, folder: Path, tables: Mapping[str, Made]) -> dict[str, object]:
        return {"tables": declared(folder, tables, cls.suffix)}

    @pytest.fixture(scope="class")
    @classmethod
    def drop_table(cls) -> None:
        """A table that the project file names stays listed."""


def declared(folder: Path, tables: Mapping[str, Made], suffix: str) -> dict[str, object]:
    return {n: {"path": str(folder / f"{n}{suffix}"), "columns": {c: SQL[s.kind] for c, s in t.items()}} for n, t in tables.items()}


def run(connector: Connector, fragment: Fragment, values: Mapping[str, object] | None = None, seconds: float = 10) -> list[dict[str, Any]]:
    session = connector.session(Deadline.after(seconds), snapshot=False)
    try:
        return [row for batch in session.run(fragment, values or {}) for row in batch.to_pylist()]
    finally:
        session.close()


def test_a_folder_holds_a_table_per_file_and_per_folder(tmp_path: Path) -> None:
    (tmp_path / "event" / "k=1").mkdir(parents=True)
    (tmp_path / "event" / "k=2").mkdir()
    for k in (1, 2):
        pq.write_table(pa.table({"id": [k]}), tmp_path / "event" / f"k={k}" / "part.parquet")
    (tmp_path / "points.csv").write_text("id,points\n1,2.5\n")
    (tmp_path / "call.jsonl").write_text('{"id": 1, "to": {"city": "Bonn"}}\n')
    (tmp_path / "notes.txt").write_text("no table")
    connector = connect("lake", {"path": str(tmp_path)})
    assert connector.tables() == ("call", "event", "points")
    found = run(connector, Fragment("lake", "event", ("id", "k")))
    assert sorted((r["id"], r["k"]) for r in found) == [(1, 1), (2, 2)]
    assert run(connector, Fragment("lake", "call", ("to",))) == [{"to": '{"city":"Bonn"}'}]
    assert connector.statistics("event").rows == 2
    assert connector.statistics("points").rows is None


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    (tmp_path / "a.json").write_text('{"id": 1}')
    with pytest.raises(SourceConfig, match="would both be table `a`"):
        connect("lake", {"path": str(tmp_path)}).tables()
    assert connect("lake", {"path": str(tmp_path), "format": "csv"}).tables() == ("a",)


def test_csv_types_are_sniffed_once_and_then_stay(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("code,points,day\n1,2,2024-01-31\n2,3,2024-02-01\n")
    connector = connect("shop", {"tables": {"points": {"path": str(path), "columns": {"points": "DECIMAL(12,2)"}, "key": ["code"]}}})
    assert [(c.name, c.native) for c in connector.table("points").columns] == [
        ("code", "BIGINT"), ("points", "DECIMAL(12,2)"), ("day", "DATE"),
    ]  # fmt: skip
    assert connector.table("points").key == ("code",)
    path.write_text("day,points,code\n2024-03-01,4.25,7\n")  # reordered: columns go by name
    assert run(connector, Fragment("shop", "points", ("code", "points", "day"))) == [
        {"code": 7, "points": Decimal("4.25"), "day": dt.date(2024, 3, 1)}
    ]
    path.write_text("code,points,day\nnot-a-number-4711,2,2024-01-31\n")
    with pytest.raises(UnmappedType, match=r"shop\.points\.code") as raised:
        run(connector, Fragment("shop", "points", ("code",)))
    assert "4711" not in str(raised.value) and raised.value.hint
    path.write_text("kode,points,day\n1,2,2024-01-31\n")
    with pytest.raises(SchemaDrift, match=r"shop\.points"):
        run(connector, Fragment("shop", "points", ("code",)))


def test_csv_dialects_and_files_without_a_header(tmp_path: Path) -> None:
    semicolons = tmp_path / "a.csv"
    semicolons.write_text("id;name;when\n1;'x;y';31.12.2024\n2;-;01.01.2025\n")
    bare = tmp_path / "b.csv"
    bare.write_text("1,x\n2,y\n")
    connector = connect("shop", {"tables": {
        "a": {"path": str(semicolons), "delimiter": ";", "quote": "'", "null": "-", "date_format": "%d.%m.%Y"},
        "b": {"path": str(bare), "header": False, "columns": {"id": "BIGINT", "name": "VARCHAR"}},
    }})  # fmt: skip
    assert run(connector, Fragment("shop", "a", ("id", "name", "when"))) == [
        {"id": 1, "name": "x;y", "when": dt.date(2024, 12, 31)}, {"id": 2, "name": None, "when": dt.date(2025, 1, 1)},
    ]  # fmt: skip
    assert run(connector, Fragment("shop", "b", ("name", "id"))) == [{"name": "x", "id": 1}, {"name": "y", "id": 2}]


def test_files_of_a_pattern_that_differ_are_drift_not_nulls(tmp_path: Path) -> None:
    for name, table in {"a": {"id": [1], "n": ["x"]}, "b": {"id": [2]}}.items():
        pq.write_table(pa.table(table), tmp_path / f"{name}.parquet")
    connector = connect("lake", {"path": f"{tmp_path}/*.parquet"})
    [table] = connector.tables()
    with pytest.raises(SchemaDrift):
        run(connector, Fragment("lake", table, ("id", "n")))


def test_a_changed_parquet_type_is_drift(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"id": [1]}), path)
    connector = connect("lake", {"path": str(path)})
    assert run(connector, Fragment("lake", "t", ("id",))) == [{"id": 1}]
    time.sleep(0.01)
    pq.write_table(pa.table({"id": ["x"]}), path)
    with pytest.raises(SchemaDrift):
        run(connector, Fragment("lake", "t", ("id",)))
    connector.forget()
    assert run(connector, Fragment("lake", "t", ("id",))) == [{"id": "x"}]


def test_broken_files(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 this is none")
    (tmp_path / "b.json").write_text('{"id": 1, "secret": "4711\n')
    connector = connect("lake", {"path": str(tmp_path)})
    for table in connector.tables():
        with pytest.raises(SourceBroken) as raised:
            connector.table(table)
        assert "4711" not in str(raised.value)


def test_only_the_sources_own_files_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("id\n1\n")
    (tmp_path / "out.csv").write_text("id\n2\n")
    connector = connect("lake", {"path": str(tmp_path / "in")})
    assert run(connector, Fragment("lake", "a", ("id",))) == [{"id": 1}]
    with pytest.raises(duckdb.PermissionException):
        connector._answer(lambda c: c.execute(f"FROM '{tmp_path}/out.csv'").fetchall())
    with pytest.raises(duckdb.InvalidInputException):
        connector._answer(lambda c: c.execute("SET threads = 1"))


# -- other filesystems


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    memory = fsspec.filesystem("memory")
    yield memory
    memory.store.clear()


def put(system: MemoryFileSystem, path: str, table: pa.Table) -> None:
    with system.open(path, "wb") as file:
        pq.write_table(table, file, row_group_size=1000)


def test_memory_files(memory: MemoryFileSystem) -> None:
    put(memory, "/lake/event.parquet", pa.table({"id": range(10_000), "email": [f"e{i}" for i in range(10_000)]}))
    with memory.open("/lake/points.csv", "w") as file:
        csv.writer(file).writerows([("id", "points"), (1, 2)])
    with memory.open("/lake/call.json", "w") as file:
        json.dump([{"id": 1}, {"id": 2}], file)
    for connector in (
        connect("lake", {"path": "memory://lake"}),
        connect("lake", {"tables": {n: f"memory://lake/{n}.{s}" for n, s in (("event", "parquet"), ("points", "csv"), ("call", "json"))}}),
    ):
        assert connector.tables() == ("call", "event", "points")
        assert connector.ping(Deadline.after(5)).startswith("3 tables")
        fragment = Fragment("lake", "event", ("id",), keys=KeyFilter(("email",), "k"))
        assert run(connector, fragment, {"k": (pa.array(["e7", "e9999"]),)}) == [{"id": 7}, {"id": 9999}]
        assert run(connector, Fragment("lake", "points", ("points",))) == [{"points": 2}]
        assert len(run(connector, Fragment("lake", "call", ("id",)))) == 2
        assert connector.statistics("event").rows == 10_000
        stream = connector.session(Deadline.after(5), snapshot=False).run(Fragment("lake", "event", ("id",)), {})
        assert "memory" not in stream.statement
        assert sum(b.num_rows for b in stream) == 10_000 and stream.requests == 1


def test_a_rewritten_memory_file_is_read_anew(memory: MemoryFileSystem) -> None:
    connector = connect("lake", {"path": "memory://lake/t.parquet"})
    for n in (3, 5, 4):
        put(memory, "/lake/t.parquet", pa.table({"id": range(n)}))
        assert len(run(connector, Fragment("lake", "t", ("id",)))) == n
    memory.rm("/lake/t.parquet")
    with pytest.raises(SchemaDrift, match=r"lake\.t"):
        run(connector, Fragment("lake", "t", ("id",)))
    connector.forget()
    with pytest.raises(SourceUnreachable):
        connector.tables()


class StallingFileSystem(MemoryFileSystem):
    """A remote filesystem that can fall silent: reads then block and answer nothing."""

    protocol = "stalling"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    flowing = threading.Event()
    refusing: ClassVar[type[Exception] | None] = None

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(path.replace("stalling://", "memory://"))

    def _wait(self) -> None:
        if self.refusing is not None:
            raise self.refusing("raw text with a secret in it")
        self.flowing.wait(20)

    def _open(self, *args: Any, **options: Any) -> Any:
        self._wait()
        return super()._open(*args, **options)

    def glob(self, *args: Any, **options: Any) -> Any:
        self._wait()
        return super().glob(*args, **options)


@pytest.fixture
def stalling() -> Iterator[StallingFileSystem]:
    fsspec.register_implementation("stalling", StallingFileSystem, clobber=True)
    system = StallingFileSystem()
    system.flowing.set()
    put(system, "/t.parquet", pa.table({"id": range(10_000)}))
    yield system
    system.flowing.set()
    StallingFileSystem.refusing = None
    system.store.clear()


@pytest.mark.parametrize("how", ["deadline", "cancel"])
@pytest.mark.parametrize("known", [True, False])
def test_a_stalled_filesystem_holds_nobody(stalling: StallingFileSystem, how: str, known: bool) -> None:
    connector = connect("lake", {"tables": {"t": "stalling:///t.parquet"}})
    if known:
        assert len(run(connector, Fragment("lake", "t", ("id",)))) == 10_000
    elif how == "cancel":
        pytest.skip("discovery ends at the deadline, not at a cancel")
    stalling.flowing.clear()
    session = connector.session(Deadline.after(0.6 if how == "deadline" else 30), snapshot=False)
    if how == "cancel":
        threading.Timer(0.6, session.cancel).start()
    started = time.monotonic()
    with pytest.raises(SourceTimeout if how == "deadline" else Cancelled):
        list(session.run(Fragment("lake", "t", ("id",)), {}))
    assert time.monotonic() - started < 1.2
    session.close()
    with pytest.raises(SourceTimeout):
        connector.ping(Deadline.after(0.2))
    stalling.flowing.set()
    assert len(run(connector, Fragment("lake", "t", ("id",)))) == 10_000


def test_a_process_ends_beside_a_read_that_does_not(tmp_path: Path) -> None:
    """Closing the connector, and leaving the interpreter, wait for no thread that hangs in a filesystem."""
    script = tmp_path / "stalled.py"
    script.write_text("""
import threading
from tests.contract.test_files import *
fsspec.register_implementation("stalling", StallingFileSystem, clobber=True)
system = StallingFileSystem()
system.flowing.set()
put(system, "/t.parquet", pa.table({"id": [1]}))
connector = connect("lake", {"tables": {"t": "stalling:///t.parquet"}})
connector.table("t")
system.flowing.clear()
session = connector.session(Deadline.after(0.3), snapshot=False)
try:
    list(session.run(Fragment("lake", "t", ("id",)), {}))
except SourceTimeout:
    session.close()
    connector.close()
    print("left")
""")
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True, timeout=15
    )
    assert done.stdout == "left\n", done.stderr


class RangeHandler(SimpleHTTPRequestHandler):
    """Files by HTTP, in parts, as object stores give them."""

    ranges: ClassVar[bool] = True

    def do_GET(self) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if self.ranges else None
        path = Path(self.translate_path(self.path))
        if wanted is None or not path.is_file():
            return super().do_GET()
        body = path.read_bytes()
        first, last = int(wanted[1]), min(int(wanted[2] or len(body)), len(body) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(body)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        self.wfile.write(body[first : last + 1])
        return None

    def log_message(self, *args: object) -> None: ...


def test_http_files(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    pq.write_table(pa.table({"id": range(1000)}), tmp_path / "t.parquet")
    (tmp_path / "c.csv").write_text("id,n\n1,x\n")

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(RangeHandler, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        tables = {"c": f"{url}/c.csv?token=4711", "t": f"{url}/t.parquet", "nope": f"{url}/nope.csv?token=4711"}
        connector = connect("web", {"tables": tables, "timeout": 10})
        assert run(connector, Fragment("web", "c", ("id", "n"))) == [{"id": 1, "n": "x"}]
        assert len(run(connector, Fragment("web", "t", ("id",)))) == 1000
        pq.write_table(pa.table({"id": range(7)}), tmp_path / "t.parquet")
        assert len(run(connector, Fragment("web", "t", ("id",)))) == 7
        with pytest.raises(SourceUnreachable) as raised:
            connector.table("nope")
        assert "4711" not in str(raised.value)
        time.sleep(0.1)
        # more than a reader takes at its first go, which needs no range
        pq.write_table(pa.table({"id": np.arange(3_000_000)}), tmp_path / "t.parquet", compression="none")
        RangeHandler.ranges = False
        with pytest.raises(SourceBroken, match="only whole"):
            run(connector, Fragment("web", "t", ("id",)))
        RangeHandler.ranges = True
        server.shutdown()


@pytest.mark.parametrize("refusal", [PermissionError, FileNotFoundError, RuntimeError])
def test_what_a_filesystem_raises_is_coded_and_not_quoted(stalling: StallingFileSystem, refusal: type[Exception]) -> None:
    connector = connect("lake", {"tables": {"t": "stalling:///t.parquet"}})
    StallingFileSystem.refusing = refusal
    with pytest.raises(C360Error) as raised:
        connector.table("t")
    codes = {PermissionError: "C360_SOURCE_LOGIN", FileNotFoundError: "C360_SOURCE_UNREACHABLE", RuntimeError: "C360_SOURCE_BROKEN"}
    assert raised.value.code == codes[refusal]
    assert "secret" not in str(raised.value)


# -- options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "neither `path` nor `tables`"),
        ({"path": 1}, "`path`"),
        ({"pth": "x"}, "`pth`"),
        ({"tables": {"t": {"path": "x.txt"}}}, "format"),
        ({"tables": {"t": {"path": "x.csv", "colums": {}}}}, "`colums`"),
        ({"tables": {"t": {"path": "x.csv", "columns": {"a": "INT); DROP"}}}}, "columns"),
        ({"tables": {"a.b": "x.csv"}}, "without a dot"),
        ({"path": "nosuchthing://x"}, "nosuchthing"),
    ],
)
def test_malformed_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(SourceConfig, match=message):
        connect("lake", options)


def test_a_key_that_no_column_has(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id\n1\n")
    with pytest.raises(SourceConfig, match="`nope`"):
        connect("lake", {"tables": {"t": {"path": str(tmp_path / "t.csv"), "key": ["nope"]}}}).table("t")


def test_a_missing_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(MissingDriver) as raised:
        connect("lake", {"path": "s3://lake/x.parquet"})
    assert "c360[s3]" in raised.value.hint


def test_values_are_bound(tmp_path: Path) -> None:
    pq.write_table(pa.table({"name": ["x' OR 1=1 --", "y"]}), tmp_path / "t.parquet")
    connector = connect("lake", {"path": str(tmp_path)})
    condition = exp.column("name", quoted=True).eq(exp.Placeholder(this="p"))
    session = connector.session(Deadline.after(5), snapshot=False)
    stream = session.run(Fragment("lake", "t", ("name",), (condition,), (Param("p", pa.string()),)), {"p": "x' OR 1=1 --"})
    assert "1=1" not in stream.statement
    assert [b.num_rows for b in stream] == [1]
