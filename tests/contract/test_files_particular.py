"""What is particular to Parquet, CSV and JSON files: tables by place, types that are sniffed, dialects, files that change; options."""

from __future__ import annotations

import datetime as dt
import sys
import time
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp

from connectors.files import connect
from connectors.spi import Deadline, Fragment, Param
from connectors.spi.errors import MissingDriver, SchemaDrift, SourceBroken, SourceConfig, UnmappedType
from tests.support.reading import rows_of


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
    found = rows_of(connector, Fragment("lake", "event", ("id", "k")))
    assert sorted((r["id"], r["k"]) for r in found) == [(1, 1), (2, 2)]
    assert rows_of(connector, Fragment("lake", "call", ("to",))) == [{"to": '{"city":"Bonn"}'}]
    assert connector.statistics("event").rows == 2
    assert connector.statistics("points").rows is None


def test_a_pattern_with_question_marks(tmp_path: Path) -> None:
    """Only in an address they begin a query."""
    for month in (1, 2):
        (tmp_path / f"event_{month:02}.csv").write_text(f"id\n{month}\n")
    (tmp_path / "event_all.csv").write_text("id\n9\n")
    connector = connect("lake", {"path": str(tmp_path / "event_??.csv")})
    assert connector.tables() == ("event",)
    assert sorted(r["id"] for r in rows_of(connector, Fragment("lake", "event", ("id",)))) == [1, 2]


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
    assert rows_of(connector, Fragment("shop", "points", ("code", "points", "day"))) == [
        {"code": 7, "points": Decimal("4.25"), "day": dt.date(2024, 3, 1)}
    ]
    path.write_text("code,points,day\nnot-a-number-4711,2,2024-01-31\n")
    with pytest.raises(UnmappedType, match=r"shop\.points\.code") as raised:
        rows_of(connector, Fragment("shop", "points", ("code",)))
    assert "4711" not in str(raised.value) and raised.value.hint
    path.write_text("kode,points,day\n1,2,2024-01-31\n")
    with pytest.raises(SchemaDrift, match=r"shop\.points"):
        rows_of(connector, Fragment("shop", "points", ("code",)))


def test_csv_dialects_and_files_without_a_header(tmp_path: Path) -> None:
    semicolons = tmp_path / "a.csv"
    semicolons.write_text("id;name;when\n1;'x;y';31.12.2024\n2;-;01.01.2025\n")
    bare = tmp_path / "b.csv"
    bare.write_text("1,x\n2,y\n")
    connector = connect("shop", {"tables": {
        "a": {"path": str(semicolons), "delimiter": ";", "quote": "'", "null": "-", "date_format": "%d.%m.%Y"},
        "b": {"path": str(bare), "header": False, "columns": {"id": "BIGINT", "name": "VARCHAR"}},
    }})  # fmt: skip
    assert rows_of(connector, Fragment("shop", "a", ("id", "name", "when"))) == [
        {"id": 1, "name": "x;y", "when": dt.date(2024, 12, 31)}, {"id": 2, "name": None, "when": dt.date(2025, 1, 1)},
    ]  # fmt: skip
    assert rows_of(connector, Fragment("shop", "b", ("name", "id"))) == [{"name": "x", "id": 1}, {"name": "y", "id": 2}]


def test_a_csv_file_that_no_dialect_reads_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "mixed.csv").write_bytes(b"id,name\r\n1,Ann Smith\r\n2,Bob\n3,Cid\n")  # appended by hand: another kind of line end
    with pytest.raises(SourceBroken, match="not well-formed") as raised:
        connect("shop", {"path": str(tmp_path)}).table("mixed")
    assert "mixed.csv" in str(raised.value) and "Ann" not in str(raised.value) and "Delimiter" not in str(raised.value)


def test_files_of_a_pattern_that_differ_are_drift_not_nulls(tmp_path: Path) -> None:
    for name, table in {"a": {"id": [1], "n": ["x"]}, "b": {"id": [2]}}.items():
        pq.write_table(pa.table(table), tmp_path / f"{name}.parquet")
    connector = connect("lake", {"path": f"{tmp_path}/*.parquet"})
    [table] = connector.tables()
    with pytest.raises(SchemaDrift):
        rows_of(connector, Fragment("lake", table, ("id", "n")))


def test_a_changed_parquet_type_is_drift(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"id": [1]}), path)
    connector = connect("lake", {"path": str(path)})
    assert rows_of(connector, Fragment("lake", "t", ("id",))) == [{"id": 1}]
    time.sleep(0.01)
    pq.write_table(pa.table({"id": ["x"]}), path)
    with pytest.raises(SchemaDrift):
        rows_of(connector, Fragment("lake", "t", ("id",)))
    connector.forget()
    assert rows_of(connector, Fragment("lake", "t", ("id",))) == [{"id": "x"}]


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
    assert rows_of(connector, Fragment("lake", "a", ("id",))) == [{"id": 1}]
    with pytest.raises(duckdb.PermissionException):
        connector._instances.ask(lambda c: c.execute(f"FROM '{tmp_path}/out.csv'").fetchall())
    with pytest.raises(duckdb.InvalidInputException):
        connector._instances.ask(lambda c: c.execute("SET threads = 1"))


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
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)  # another test may have loaded it
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
