"""Timestamps of sources in other zones: what is asked of the source is less than all, and never too little."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

import c360
from federation.passes import NAMES
from federation.project import Project

PROJECT = """
version: 1
name: zones
sources:
  far: {kind: duckdb, path: far.duckdb, timezone: Pacific/Kiritimati}
  near: {kind: duckdb, path: near.duckdb, timezone: Europe/Berlin}
mappings:
  - {object: case, source: far, table: ticket, key: no, person: none, attributes: {subject: no, opened_at: opened, closed_at: closed}}
  - {object: case, source: near, table: ticket, key: no, person: none, attributes: {subject: no, opened_at: opened, closed_at: closed}}
"""
ROWS = """
    CREATE TABLE ticket (no VARCHAR PRIMARY KEY, opened TIMESTAMP, closed TIMESTAMPTZ);
    INSERT INTO ticket SELECT 't' || i, TIMESTAMP '2026-03-27' + i * INTERVAL 47 MINUTE,
        CASE WHEN i % 3 > 0 THEN TIMESTAMPTZ '2026-10-24 00:00:00+00' + i * INTERVAL 31 MINUTE END FROM range(120) r(i);
    INSERT INTO ticket VALUES ('none', NULL, NULL), ('past', '-infinity', '1850-01-01 00:00:00+00'), ('ever', 'infinity', 'infinity')
"""
CONDITIONS = [
    "opened_at >= '2026-03-29 00:30:00'",
    "opened_at < TIMESTAMP '2026-03-29 01:00:00' AND opened_at > '2026-03-28 23:00:00'",
    "TIMESTAMPTZ '2026-03-29 03:00:00+02' <= opened_at",
    "opened_at = (SELECT max(opened_at) FROM support_case WHERE opened_at < '2026-03-29')",
    "opened_at BETWEEN DATE '2026-03-28' AND '2026-03-29 01:00:00'",
    "opened_at IN ('2026-03-28 22:10:00', TIMESTAMP '2026-03-28 11:00:00')",
    "NOT (opened_at > '2026-03-29')",
    "NOT (opened_at IS NULL) AND closed_at IS NULL",
    "opened_at <> '2026-03-28 22:10:00'",
    "(opened_at > '2026-03-29') = (closed_at > '2026-10-25')",
    "CASE WHEN opened_at > '2026-03-29' THEN false ELSE true END",
    "opened_at > $since - INTERVAL 2 HOUR",
    "opened_at < $since OR closed_at >= TIMESTAMP '2026-10-25 01:00:00'",
    "opened_at > 'infinity'",
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("zones")
    for name in ("far", "near"):
        with duckdb.connect(folder / f"{name}.duckdb") as con:
            con.execute(ROWS)
    (folder / "c360.yml").write_text(PROJECT)
    with c360.connect(folder) as project:
        yield project


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_rows_are_those_without_any_pass(project: Project, condition: str) -> None:
    import datetime as dt

    params = {"since": dt.datetime(2026, 3, 28, 22, 0)} if "$since" in condition else None
    query = f"SELECT case_id, _source, opened_at::VARCHAR, closed_at::VARCHAR FROM support_case WHERE {condition} ORDER BY ALL"
    session = project.session()
    assert session.sql(query, params).fetchall() == session.sql(query, params, passes_off=NAMES).fetchall()


@pytest.mark.parametrize("condition", ["opened_at >= '2026-03-30'", "opened_at BETWEEN '2026-03-30' AND '2026-03-31'"])
def test_a_naive_time_is_asked_for_with_a_day_to_spare(project: Project, condition: str) -> None:
    answer = project.session().sql(f"SELECT case_id FROM support_case WHERE {condition} AND _source = 'near'")
    rows = len(answer.fetchall())
    (fragment,) = answer.report.fragments
    assert 0 < rows < fragment.rows < 80 and "day more on each side" in fragment.reason_local[0]


def test_an_instant_is_asked_for_as_it_is(project: Project) -> None:
    answer = project.session().sql("SELECT case_id FROM support_case WHERE closed_at < '2026-10-24 06:00:00' AND _source = 'near'")
    assert len(answer.fetchall()) == sum(f.rows for f in answer.report.fragments) > 0
    first = project.session().sql("SELECT case_id FROM support_case WHERE _source = 'far' ORDER BY closed_at LIMIT 3")
    assert len(first.fetchall()) == sum(f.rows for f in first.report.fragments) == 3
