"""Dates that DuckDB holds and Python does not: before Christ, of the year 12 000, 'infinity'. They come as text, and break nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import c360
from federation.python_values import values_of

PROJECT = """
version: 1
name: far
sources: {s: {kind: duckdb, path: s.duckdb}}
mappings:
  - {object: individual, source: s, table: person, key: id, attributes: {email: mail, birth_date: born, updated_at: changed}}
  - {object: sales_order, source: s, table: orders, key: id, person: {table: person, key: person}, attributes: {ordered_at: moment}}
identity: {secret: "${env:FAR_SECRET:-sixteen bytes at least}", individual: {rules: [email]}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[c360.Project]:
    with duckdb.connect(str(tmp_path / "s.duckdb")) as con:
        con.execute("CREATE TABLE person (id BIGINT PRIMARY KEY, mail TEXT, born DATE, changed TIMESTAMP)")
        con.execute("""INSERT INTO person VALUES (1, 'a@x.example', '0044-03-15 (BC)', '2024-01-01'),
            (2, 'b@x.example', 'infinity', '-infinity'),
            (3, 'c@x.example', '12000-01-01', '20000-01-01'), (4, 'd@x.example', '1990-01-01', '2024-01-01')""")
        con.execute("CREATE TABLE orders (id BIGINT PRIMARY KEY, person BIGINT, moment TIMESTAMP)")
        con.execute("INSERT INTO orders VALUES (1, 2, 'infinity'), (2, 3, '0044-03-15 (BC)')")
    (tmp_path / "c360.yml").write_text(PROJECT)
    with c360.connect(tmp_path / "c360.yml") as made:
        made.resolve()
        yield made


def test_an_answer_has_them_as_text(project: c360.Project) -> None:
    found = project.session().sql("SELECT birth_date, updated_at FROM individual ORDER BY email")
    assert found.fetchone() == ("0044-03-15 (BC)", dt.datetime(2024, 1, 1))
    assert found.fetchall()[1:] == [
        ("infinity", "-infinity"),
        ("12000-01-01", "20000-01-01 00:00:00"),
        (dt.date(1990, 1, 1), dt.datetime(2024, 1, 1)),
    ]
    assert "0044-03-15 (BC)" in found._repr_html_()


def test_many_of_them_cost_one_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, connect = [], duckdb.connect
    monkeypatch.setattr(duckdb, "connect", lambda *args, **options: opened.append(args) or connect(*args, **options))
    far = 2**61 + np.arange(1000)
    moments = pa.chunked_array([pa.array(far, pa.timestamp("us")), pa.array([0, None, 2**63 - 1], pa.timestamp("us"))])
    found = values_of(moments)
    assert (found[0], found[1000:], len(opened)) == ("75039-04-04 19:00:13.693952", [dt.datetime(1970, 1, 1), None, "infinity"], 1)
    assert len(set(found[:1000])) == 1000


def test_a_profile_has_them_too(project: c360.Project) -> None:
    session = project.session()
    second = session.profile({"email": "b@x.example"}, window=None, provenance=True)
    assert (second.values["birth_date"], second.values["updated_at"], second.timeline[0]["at"]) == ("infinity", "-infinity", "infinity")
    third = session.profile({"email": "c@x.example"}, window=None)
    assert third.values["birth_date"] == "12000-01-01"
    assert [e["at"] for e in third.timeline] == ["0044-03-15 (BC) 00:00:00"]


def test_they_are_found_and_compared(project: c360.Project) -> None:
    session = project.session()
    assert session.sql("SELECT email FROM individual WHERE birth_date = DATE '12000-01-01'").fetchall() == [("c@x.example",)]
    assert session.sql("SELECT email FROM individual_record WHERE birth_date < DATE '0001-01-01'").fetchall() == [("a@x.example",)]


def test_how_far_the_crosswalk_lags_is_told_all_the_same(project: c360.Project) -> None:
    (table,) = project.lag(exact=True).tables
    assert (table.rows, table.covered) == (4, True)  # the last change that a calendar knows, of 2024
