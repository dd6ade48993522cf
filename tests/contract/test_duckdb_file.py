"""DuckDB files, run through the contract, and what is particular to them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from sqlglot import exp

from connectors.duckdb_file import connect
from connectors.spi import Connector, Deadline, Fragment, KeyFilter, Param
from connectors.spi.errors import (
    Cancelled,
    SchemaDrift,
    SourceBroken,
    SourceBusy,
    SourceConfig,
    SourceTimeout,
    SourceUnreachable,
    UnmappedType,
)
from connectors.testing import ConnectorContract, Made
from connectors.testing.contract import PROMPT, Make
from tests.support.reading import rows_of

LABELS = ", ".join(f"'{label}'" for label in ("new", "New", "active", "closed", "b", "a", "é", "no such"))
NATIVE = {
    "int": "BIGINT", "decimal": "DECIMAL(18, 2)", "double": "DOUBLE", "float": "FLOAT", "bool": "BOOLEAN", "text": "VARCHAR",
    "text_ci": "VARCHAR COLLATE NOCASE", "enum": f"ENUM({LABELS})", "uuid": "UUID", "date": "DATE",
    "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMPTZ", "json": "JSON", "bytes": "BLOB", "opaque": "HUGEINT",
}  # fmt: skip


def write(path: Path, tables: Mapping[str, Made]) -> None:
    with duckdb.connect(path) as db:
        db.execute("SET TimeZone = 'UTC'")
        for name, made in tables.items():
            key = next(iter(made))
            columns = ", ".join(
                f'"{c}" {NATIVE[s.kind]} {"" if s.nullable else "NOT NULL"} {"PRIMARY KEY" if c == key else ""}' for c, s in made.items()
            )
            db.execute(f'CREATE TABLE "{name}" ({columns})')
            rows = pa.table({c: pa.array(s.values, _arrow(s.kind)) for c, s in made.items()})
            db.register("made", rows)
            db.execute(f'INSERT INTO "{name}" SELECT * FROM made')


def _arrow(kind: str) -> pa.DataType | None:
    types = {"decimal": pa.decimal128(18, 2), "float": pa.float32(), "int": pa.int64(), "bytes": pa.binary(), "double": pa.float64()}
    return types.get(kind, pa.string() if kind in ("text", "text_ci", "enum", "uuid", "json", "opaque") else None)


class TestDuckDBFile(ConnectorContract):
    kinds = frozenset(NATIVE)

    @classmethod
    def pool(cls, kind: str) -> tuple[object, ...]:
        if kind == "float":
            return tuple(v for v in super().pool("double") if v not in (1e300, -1e300, 5e-324))
        return ("1", "-170141183460469231731687303715884105727", "42") if kind == "opaque" else super().pool(kind)

    @classmethod
    def stored(cls, kind: str, value: object) -> object:
        return pa.scalar(value, pa.float32()).as_py() if kind == "float" else value

    @pytest.fixture(scope="class")
    @classmethod
    def path(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("duckdb") / "source.duckdb"

    @pytest.fixture(scope="class")
    @classmethod
    def make(cls, path: Path) -> Make:
        def make(tables: Mapping[str, Made]) -> Connector:
            write(path, tables)
            return connect("lake", {"path": str(path)})

        return make

    @pytest.fixture(scope="class")
    @classmethod
    def drop_table(cls, path: Path) -> Callable[[str], None]:
        def drop(table: str) -> None:
            copy = path.with_suffix(".new")
            shutil.copy(path, copy)
            with duckdb.connect(copy) as db:
                db.execute(f'DROP TABLE "{table}"')
            copy.replace(path)

        return drop

    @pytest.fixture
    def unreachable(self, tmp_path: Path) -> Connector:
        return connect("lake", {"path": str(tmp_path / "nowhere.duckdb")})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lake.duckdb"


def make(path: Path, *statements: str) -> Connector:
    with duckdb.connect(path) as db:
        for statement in statements:
            db.execute(statement)
    return connect("lake", {"path": str(path), "idle": 0.2})


def test_odd_types_are_read_as_text_and_decimals_stay(path: Path) -> None:
    connector = make(
        path,
        """CREATE TABLE odd AS SELECT {a: 1, d: 1.10::DECIMAL(10, 2)} AS s, [1, NULL] AS l, MAP {'k': 1} AS m,
           170141183460469231731687303715884105727::HUGEINT AS h, INTERVAL 3 DAY AS i, '101'::BIT AS b,
           12345678901234567890.1234567890::DECIMAL(38, 10) AS d, TIMESTAMP_NS '2024-01-01 00:00:00.123456789' AS ns,
           union_value(x := 5) AS u, 18446744073709551615::UBIGINT AS ub, '12:00:00+02'::TIMETZ AS t, [[1]] AS ll""",
    )
    table = connector.table("odd")
    kinds = {c.name: c.kind for c in table.columns}
    assert kinds == {
        "s": "json", "l": "json", "m": "json", "h": "opaque", "i": "opaque", "b": "opaque", "d": "decimal", "ns": "timestamp",
        "u": "json", "ub": "int", "t": "opaque", "ll": "json",
    }  # fmt: skip
    [row] = rows_of(connector, Fragment("lake", "odd", tuple(k for k in kinds if k != "ns")))
    assert row["d"] == Decimal("12345678901234567890.1234567890")
    assert (row["l"], row["m"], row["h"]) == ("[1,null]", '{"k":1}', "170141183460469231731687303715884105727")
    assert (row["i"], row["b"], row["ub"], row["ll"]) == ("3 days", "101", 18446744073709551615, "[[1]]")


def test_schemas_views_keys_comments_and_statistics(path: Path) -> None:
    connector = make(
        path,
        "CREATE SCHEMA shop",
        "CREATE TABLE shop.sale (region VARCHAR, id BIGINT, email VARCHAR, PRIMARY KEY (region, id))",
        "INSERT INTO shop.sale SELECT 'r' || (i % 3), i, 'e' || (i // 2) FROM range(1000) t(i)",
        "CREATE INDEX by_email ON shop.sale (email)",
        "COMMENT ON TABLE shop.sale IS 'what was sold'",
        "CREATE VIEW sold AS SELECT id, email FROM shop.sale",
        'CREATE TABLE "dotted.name" (a INT)',
    )
    assert connector.tables() == ("shop.sale", "sold")
    assert connector.table("shop.sale").key == ("region", "id")
    assert connector.table("shop.sale").comment == "what was sold"
    statistics = connector.statistics("shop.sale")
    assert statistics.rows == 1000 and statistics.indexed == {"region", "email"}
    assert abs(statistics.distinct["id"] - 1000) < 100
    assert connector.statistics("sold").rows is None
    emptied = make(path.with_name("emptied.duckdb"), "CREATE TABLE t AS FROM range(1000) t(i)", "DELETE FROM t WHERE i > 9")
    assert emptied.statistics("t").rows == 10
    found = rows_of(connector, Fragment("lake", "sold", ("id",), keys=KeyFilter(("email",), "k")), {"k": (pa.array(["e7", "e9"]),)})
    assert sorted(r["id"] for r in found) == [14, 15, 18, 19]


def test_collated_text_is_compared_by_its_bytes(path: Path) -> None:
    connector = make(path, "CREATE TABLE t (a VARCHAR COLLATE NOCASE)", "INSERT INTO t VALUES ('Abc'), ('abc')", "CREATE VIEW v AS FROM t")
    for table in ("t", "v"):
        columns = {c.name: c for c in connector.table(table).columns}
        predicate = exp.column("a", quoted=True).eq(exp.Placeholder(this="p"))
        judged = connector.capabilities.judge(predicate, columns, {"p": pa.string()})
        assert judged.emitted is not None
        found = rows_of(connector, Fragment("lake", table, ("a",), (judged.emitted,), (Param("p", pa.string()),)), {"p": "abc"})
        assert found == [{"a": "abc"}]


def test_a_replaced_file_is_seen_by_the_next_session(path: Path, tmp_path: Path) -> None:
    connector = make(path, "CREATE TABLE t AS SELECT 1 AS a")
    session = connector.session(Deadline.after(10), snapshot=True)
    other = tmp_path / "other.duckdb"
    make(other, "CREATE TABLE t AS SELECT 2 AS a")
    other.replace(path)
    assert [b.to_pylist() for b in session.run(Fragment("lake", "t", ("a",)), {})] == [[{"a": 1}]]
    assert rows_of(connector, Fragment("lake", "t", ("a",))) == [{"a": 2}]
    session.close()


def test_a_changed_type_is_drift(path: Path, tmp_path: Path) -> None:
    connector = make(path, "CREATE TABLE t AS SELECT 1 AS a")
    assert connector.table("t").columns[0].type == pa.int32()
    other = tmp_path / "other.duckdb"
    make(other, "CREATE TABLE t AS SELECT 'x' AS a")
    other.replace(path)
    with pytest.raises(SchemaDrift, match=r"lake\.t\.a"):
        rows_of(connector, Fragment("lake", "t", ("a",)))
    connector.forget()
    assert rows_of(connector, Fragment("lake", "t", ("a",))) == [{"a": "x"}]


@pytest.fixture
def writer(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has the file open for writing."""
    make(path, "CREATE TABLE t AS SELECT 1 AS a").close()
    code = f"import duckdb, sys; db = duckdb.connect({os.fspath(path)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        yield process
        process.communicate()


def test_a_file_held_by_a_writer_is_busy_and_then_is_not(path: Path, writer: subprocess.Popen[bytes]) -> None:
    connector = connect("lake", {"path": str(path)})
    with pytest.raises(SourceBusy, match="lake") as raised:
        connector.ping(Deadline.after(1))
    assert raised.value.hint and "PID" not in str(raised.value)
    writer.communicate()
    assert rows_of(connector, Fragment("lake", "t", ("a",))) == [{"a": 1}]


def test_a_writer_of_this_process_is_busy_too(path: Path) -> None:
    connector = make(path, "CREATE TABLE t AS SELECT 1 AS a")
    with duckdb.connect(path), pytest.raises(SourceBusy):
        connector.tables()
    assert connector.tables() == ("t",)


def test_an_idle_file_is_given_back_to_its_writers(path: Path) -> None:
    connector = make(path, "CREATE TABLE t AS SELECT 1 AS a")
    assert rows_of(connector, Fragment("lake", "t", ("a",))) == [{"a": 1}]
    time.sleep(0.5)
    with duckdb.connect(path) as db:
        db.execute("INSERT INTO t VALUES (2)")
    assert len(rows_of(connector, Fragment("lake", "t", ("a",)))) == 2


def test_a_file_of_another_format(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(SourceBroken, match="not of its format"):
        connect("lake", {"path": str(path)}).tables()
    with pytest.raises(SourceUnreachable):
        connect("lake", {"path": str(path) + ".nowhere"}).ping(Deadline.after(1))


def test_a_view_may_not_read_files(path: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\nhidden\n")
    connector = make(path, f"CREATE VIEW v AS FROM '{secret}'")
    with pytest.raises(Exception, match="C360_") as raised:
        rows_of(connector, Fragment("lake", "v", ("a",)))
    assert "hidden" not in str(raised.value)


def test_a_late_row_that_does_not_fit(path: Path) -> None:
    """DuckDB says so in the middle of a stream, by words alone."""
    late = "SELECT CASE WHEN i < 500000 THEN 1 ELSE 9223372036854775807 + i END::BIGINT AS n FROM range(1000000) t(i)"
    connector = make(path, f"CREATE VIEW late AS {late}")
    with pytest.raises(UnmappedType, match=r"lake\.late: a value does not fit"):
        rows_of(connector, Fragment("lake", "late", ("n",)))


@pytest.mark.parametrize("how", ["cancel", "deadline"])
def test_a_long_computation_is_ended(path: Path, how: str) -> None:
    connector = make(path, "CREATE VIEW endless AS SELECT count(*) AS n FROM range(1000000000000) t(i) WHERE hash(i) = 1")
    session = connector.session(Deadline.after(0.5 if how == "deadline" else 30), snapshot=False)
    if how == "cancel":
        threading.Timer(0.5, session.cancel).start()
    started = time.monotonic()
    with pytest.raises(SourceTimeout if how == "deadline" else Cancelled):
        list(session.run(Fragment("lake", "endless", ("n",)), {}))
    assert time.monotonic() - started < PROMPT
    session.close()


def test_a_cancel_between_two_batches(path: Path) -> None:
    connector = make(path, "CREATE TABLE big AS SELECT i, 'x' || i AS t FROM range(500000) t(i)")
    session = connector.session(Deadline.after(30), snapshot=False)
    batches = iter(session.run(Fragment("lake", "big", ("i", "t")), {}))
    next(batches)
    session.cancel()
    with pytest.raises(Cancelled):
        list(batches)
    session.close()


@pytest.mark.parametrize("options", [{}, {"path": 3}, {"path": "x", "pat": "y"}, {"path": "x", "threads": True}])
def test_malformed_options(options: dict[str, object]) -> None:
    with pytest.raises(SourceConfig):
        connect("lake", options)
