"""How far the crosswalk lags behind SQLite and PostgreSQL."""

from __future__ import annotations

import datetime as dt
import sqlite3

import pytest

from connectors.sqlite import discovery
from federation import lag as lagging
from federation.checks import check
from federation.project import connect
from tests.federation.test_provisional import PROJECT, Company, company, resolved

__all__ = ["company", "resolved"]


def test_what_came_and_went_is_counted_exactly(company: Company) -> None:
    company.contact(10, "dan@x.org")
    company.contact(11, "eve@x.org", state="gone")
    company.postgres.psql(company.database, "DELETE FROM holder", "INSERT INTO holder VALUES (7, 'f@x.org', 'F', 'DE', now())")
    found = company.project.lag(exact=True)
    crm, billing = found.tables
    assert found.version == 1 and found.resolved_at is not None
    assert dt.timedelta(0) < dt.datetime.now(dt.UTC) - found.resolved_at < dt.timedelta(minutes=5)
    assert (crm.linked, crm.rows, crm.unlinked, crm.gone, crm.covered) == (3, 4, 1, 0, True)  # its updated_at is a week old
    assert (billing.linked, billing.rows, billing.unlinked, billing.gone, billing.covered) == (1, 1, 1, 1, False)
    company.project.resolve()
    again = company.project.lag(exact=True)
    assert [(t.unlinked, t.gone) for t in again.tables] == [(0, 0), (0, 0)]
    assert again.resolved_at is not None and again.resolved_at > found.resolved_at
    company.project.rollback()
    back = company.project.lag()
    assert back.version == 3 and back.resolved_at == found.resolved_at  # the links are those of the first


def test_estimates_cost_little_and_a_large_lag_is_told(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    company.postgres.psql(
        company.database, "INSERT INTO holder SELECT i, i || '@y.org', 'Y', 'DE', now() FROM generate_series(10, 20) i", "ANALYZE holder"
    )
    monkeypatch.setattr(lagging, "LARGE_ROWS", 5)
    company.project.source("billing").forget()
    crm, billing = company.project.lag().tables
    assert crm.rows == 3 and crm.filtered and crm.behind is None and not crm.exact
    assert billing.rows == 12 and billing.behind == 11 and billing.far and billing.covered is False
    codes = {(f.code, f.where) for f in check(company.project, keys=False)}
    assert ("C360_CROSSWALK_LAG", "billing.holder") in codes and ("C360_CROSSWALK_LAG", "crm.contact") not in codes


def test_ids_with_gaps_and_rows_of_the_future_raise_no_alarm(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that were given out far apart; a record said to have changed in the year 2099."""
    (company.folder / "c360.yml").write_text(
        PROJECT.format(uri=company.postgres.uri(company.database)).replace("    where: state <> 'gone'\n", "")
    )
    company.contact(50_000, "dan@x.org")
    with sqlite3.connect(company.folder / "crm.sqlite") as con:
        con.execute("UPDATE contact SET updated = '2099-01-01 00:00:00' WHERE id = 1")
    company.postgres.psql(company.database, "INSERT INTO holder VALUES (9, 'g@x.org', 'G', 'DE', '2099-01-01')")
    with connect(company.folder / "c360.yml") as project:
        crm = project.lag().tables[0]
        assert (crm.rows, crm.at_most, crm.far) == (4, False, False)
        assert crm.newest is not None and crm.newest < dt.datetime.now(dt.UTC) and crm.covered is True
        exact = project.lag(exact=True).tables[1]
        assert exact.newest is not None and exact.newest < dt.datetime.now(dt.UTC) and exact.covered is True
    monkeypatch.setattr(discovery, "COUNTED", 2)
    with connect(company.folder / "c360.yml") as project:
        crm = project.lag().tables[0]
        assert (crm.rows, crm.at_most, crm.behind, crm.far) == (50_000, True, None, False)
        assert "C360_CROSSWALK_LAG" not in {f.code for f in check(project, keys=False)}
    monkeypatch.setattr(lagging, "LARGE_ROWS", 0)
    with sqlite3.connect(company.folder / "crm.sqlite") as con:
        con.execute("DELETE FROM contact WHERE id IN (1, 50000)")
    monkeypatch.setattr(discovery, "COUNTED", 1)
    with connect(company.folder / "c360.yml") as project:  # of 3 links at most 2 can still have their record
        crm = project.lag().tables[0]
        assert (crm.rows, crm.at_most, crm.behind, crm.far) == (2, True, 1, True)


def test_a_source_that_is_down_is_told(company: Company) -> None:
    (company.folder / "c360.yml").write_text(PROJECT.format(uri="postgresql:///none?host=/nowhere"))
    with connect(company.folder / "c360.yml") as half:
        crm, billing = half.lag(exact=True).tables
        assert crm.unlinked == 0 and billing.error and billing.linked == 1


def test_answers_say_as_of_when_people_are_known(company: Company) -> None:
    session = company.project.session("root")
    resolved = company.project.lag().resolved_at
    answer = session.sql("SELECT count(*) FROM individual")
    assert answer.report.resolved_at == resolved and answer.report.crosswalk_version == 1
    plan = session.explain("SELECT email FROM individual WHERE id360 = ?", [company.ada], analyze=True)
    assert str(plan).count("crosswalk version 1, resolved ") == 1
    assert plan.as_dict()["resolved_at"] == resolved.isoformat() if resolved else False
    assert company.profile(company.ada).report.resolved_at == resolved
