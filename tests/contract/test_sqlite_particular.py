"""What is particular to SQLite: dynamic types, the double-quote trap, what a reader may not do, interruption."""

from __future__ import annotations

import datetime as dt
import sqlite3
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from sqlglot import exp

from connectors.spi import Deadline, Fragment, KeyFilter, Support
from connectors.spi.errors import (
    Cancelled,
    SchemaDrift,
    SourceBusy,
    SourceConfig,
    SourceError,
    SourceTimeout,
    SourceUnreachable,
    UnmappedType,
)
from connectors.sqlite import SqliteConnector, connect
from connectors.testing.contract import PROMPT
from connectors.testing.predicates import fetch


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "with space & 100%.db"


def make(path: Path, *statements: str) -> SqliteConnector:
    with sqlite3.connect(path) as db:
        for statement in statements:
            db.execute(statement)
    db.close()
    return connect("shop", {"path": str(path)})


@pytest.fixture
def slow(path: Path) -> Iterator[SqliteConnector]:
    """A view that counts to a hundred million before its first row."""
    counting = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000) SELECT count(*) AS id FROM n"
    connector = make(path, "CREATE TABLE t (id INTEGER PRIMARY KEY)", f"CREATE VIEW slow AS {counting}")
    table = connector.table("t")
    connector._tables["slow"] = type(table)("slow", table.columns)  # looking at it would take as long as reading it
    yield connector
    connector.close()


def test_rows_decide_what_a_column_is(path: Path) -> None:
    shop = make(
        path,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER, w TEXT, ok BOOLEAN, paid DECIMAL(9,2), at DATETIME, x, y TIMESTAMP)",
        "INSERT INTO t VALUES (1, 5, 'a', 1, 10.5, '2024-02-29 12:00:00', 1.5, 1709208000)",
        "INSERT INTO t VALUES (2, 'three', NULL, 0, 7, '2024-02-29T12:00:00.5', NULL, NULL)",
    )
    kinds = {c.name: c.kind for c in shop.table("t").columns}
    assert kinds == {
        "id": "int", "v": "mixed", "w": "text", "ok": "bool", "paid": "decimal", "at": "timestamp", "x": "double", "y": "mixed",
    }  # fmt: skip
    rows = fetch(shop, Fragment("shop", "t", tuple(kinds))).to_pylist()
    assert rows[1]["v"] == "three"
    assert rows[0]["paid"] == Decimal("10.50")
    assert rows[1]["at"] == dt.datetime(2024, 2, 29, 12, 0, 0, 500000)


def test_a_strict_table_is_not_read_to_know_its_types(path: Path) -> None:
    shop = make(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, v INT, w TEXT) STRICT", "INSERT INTO t VALUES (1, 2, 'x')")
    assert [c.kind for c in shop.table("t").columns] == ["int", "int", "text"]


MISFITS = (
    ("INTEGER", "1", "'qqq'"), ("INTEGER", "1", "1.5"), ("BOOLEAN", "1", "77"), ("DECIMAL(9,2)", "1.25", "1.2555"),
    ("DECIMAL(9,2)", "1", "'qqq'"),
    ("DECIMAL(4,2)", "1", "100"), ("DATE", "'2024-02-29'", "'2023-02-29'"), ("DATE", "'2024-02-29'", "'29.2.2024'"),
    ("TIMESTAMP", "'2024-02-29 12:00:00'", "'2024-02-29 12:00:00+02:00'"), ("TIMESTAMP", "'2024-02-29'", "1709208000"),
    ("TEXT", "'x'", "x'00ff'"), ("REAL", "1.5", "'qqq'"),
)  # fmt: skip


@pytest.mark.parametrize(("type_", "good", "bad"), MISFITS)
def test_a_value_that_does_not_fit_is_an_error_not_a_null(path: Path, type_: str, good: str, bad: str) -> None:
    shop = make(path, f"CREATE TABLE t (id INTEGER PRIMARY KEY, strange {type_})", f"INSERT INTO t VALUES (1, {good})")
    fragment = Fragment("shop", "t", ("id", "strange"))
    assert fetch(shop, fragment).num_rows == 1
    make(path, f"INSERT INTO t VALUES (2, {bad})").close()
    with pytest.raises(UnmappedType, match="strange") as raised:
        fetch(shop, fragment)
    assert bad.strip("'") not in str(raised.value)


def test_a_vanished_column_is_not_a_text(path: Path) -> None:
    """SQLite would read "gone" as the text 'gone'."""
    shop = make(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, gone TEXT)", "INSERT INTO t VALUES (1, 'x')")
    fragment = Fragment("shop", "t", ("gone",))
    assert fetch(shop, fragment).to_pylist() == [{"gone": "x"}]
    make(path, "ALTER TABLE t DROP COLUMN gone").close()
    with pytest.raises(SchemaDrift, match="gone"):
        fetch(shop, fragment)


def test_keys_use_the_index_and_may_hold_anything(path: Path) -> None:
    shop = make(
        path,
        "CREATE TABLE t (a TEXT, b INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID",
        "INSERT INTO t VALUES ('x' || char(0) || 'y', 1), ('x', 1), (char(1) || '0', 2), ('x', 2)",
    )
    one, both = (Fragment("shop", "t", ("a", "b"), keys=KeyFilter(columns, "k")) for columns in (("a",), ("a", "b")))
    assert fetch(shop, one, {"k": (pa.array(["x\0y", "\x010"]),)})["b"].to_pylist() == [2, 1]
    assert fetch(shop, both, {"k": (pa.array(["x\0y", "x"]), pa.array([1, 2], pa.int64()))}).num_rows == 2
    session = shop.session(Deadline.after(5), snapshot=False)
    for fragment in (one, both):
        statement = session.run(
            fragment, {"k": tuple(pa.array(["x"]) if c == "a" else pa.array([1]) for c in fragment.keys.columns)}
        ).statement  # type: ignore[union-attr]
        with sqlite3.connect(path) as db:
            plan = " ".join(str(r[3]) for r in db.execute(f"EXPLAIN QUERY PLAN {statement}", {"keys": "[]"}))
        assert "SEARCH c360_t USING PRIMARY KEY" in plan, plan
    session.close()


def test_a_reader_may_do_nothing_else(path: Path) -> None:
    shop = make(path, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    session = shop.session(Deadline.after(5), snapshot=False)
    for sql in (
        "DELETE FROM t",
        "ATTACH ':memory:' AS x",
        "PRAGMA user_version",
        "SELECT sql FROM sqlite_master",
        "CREATE TEMP TABLE x (i)",
    ):
        with pytest.raises(sqlite3.DatabaseError, match=r"prohibited|not authorized"):
            session._db.execute(sql)
    session.close()


def test_a_snapshot_holds(path: Path) -> None:
    shop = make(path, "PRAGMA journal_mode = wal", "CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    session = shop.session(Deadline.after(5), snapshot=True)
    fragment = Fragment("shop", "t", ("id",))
    assert sum(b.num_rows for b in session.run(fragment, {})) == 1
    make(path, "INSERT INTO t VALUES (2)").close()
    assert sum(b.num_rows for b in session.run(fragment, {})) == 1
    session.close()
    assert fetch(shop, fragment).num_rows == 2


def test_a_deadline_ends_a_running_statement(slow: SqliteConnector) -> None:
    started = time.monotonic()
    with pytest.raises(SourceTimeout):
        fetch(slow, Fragment("shop", "slow", ("id",)), seconds=0.4)
    assert time.monotonic() - started < PROMPT


def test_cancel_ends_a_running_statement(slow: SqliteConnector) -> None:
    session = slow.session(Deadline.after(60), snapshot=False)
    started = time.monotonic()
    threading.Timer(0.4, session.cancel).start()
    with pytest.raises(Cancelled):
        list(session.run(Fragment("shop", "slow", ("id",)), {}))
    assert time.monotonic() - started < PROMPT
    session.close()


def test_what_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"not a database" * 100)
    for name, error in (("x.db", SourceUnreachable), ("missing.db", SourceUnreachable)):
        with pytest.raises(error):
            connect("shop", {"path": str(tmp_path / name)}).tables()
    with pytest.raises(SourceError):
        connect("shop", {"path": str(tmp_path / "x.db")}).session(Deadline.after(1), snapshot=False).run(Fragment("shop", "t", ("id",)), {})


def test_a_writer_in_the_way_is_busy(path: Path) -> None:
    shop = make(path, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    shop.table("t")
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    with pytest.raises((SourceBusy, SourceTimeout)):
        fetch(shop, Fragment("shop", "t", ("id",)), seconds=5)
    writer.close()


@pytest.mark.parametrize("how", ["deadline", "cancel"])
def test_a_lock_is_waited_for_no_longer_than_allowed(path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr("connectors.sqlite.session.BUSY_S", 60.0)
    shop, fragment = make(path, "CREATE TABLE t (id INTEGER PRIMARY KEY)"), Fragment("shop", "t", ("id",))
    assert fetch(shop, fragment).num_rows == 0
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    session = shop.session(Deadline.after(0.3 if how == "deadline" else 60), snapshot=False)
    if how == "cancel":
        threading.Timer(0.3, session.cancel).start()
    started = time.monotonic()
    with pytest.raises(SourceTimeout if how == "deadline" else Cancelled):
        session.run(fragment, {})
    assert time.monotonic() - started < PROMPT
    session.close()
    writer.close()


def test_a_lock_that_goes_is_waited_for(path: Path) -> None:
    shop = make(path, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    shop.table("t")
    writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    writer.execute("BEGIN EXCLUSIVE")
    writer.execute("INSERT INTO t VALUES (1)")
    threading.Timer(0.3, lambda: writer.execute("COMMIT")).start()
    assert fetch(shop, Fragment("shop", "t", ("id",)), seconds=30).num_rows == 1
    writer.close()


def test_options_are_checked(tmp_path: Path) -> None:
    with pytest.raises(SourceConfig, match="path"):
        connect("shop", {})
    with pytest.raises(SourceConfig, match="did you mean `path`"):
        connect("shop", {"path": "x", "pathh": "y"})
    with pytest.raises(SourceConfig, match="did you mean `timezone`"):
        connect("shop", {"path": "x", "timeznoe": "UTC"})
    with pytest.raises(SourceConfig, match=r"tables\.t"):
        connect("shop", {"path": "x", "tables": {"t": {"require": ["id"]}}})
    assert connect("shop", {"path": str(tmp_path / "x.db")}).capabilities.judge(exp.true(), {}, {}).support is Support.LOCAL
