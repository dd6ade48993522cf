"""The demo's company: the same from the same seed, with the mess that it promises, in systems that hold what was made."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from federation.demo.postgres import EmbeddedPostgres, available
from federation.demo.questions import QUESTIONS
from federation.demo.run import run
from federation.demo.world import Company, NotADemoFolder, build, company_tables
from views.load import load

AS_OF = date(2026, 6, 30)
PEOPLE = 400


def tables(seed: int = 1) -> duckdb.DuckDBPyConnection:
    return company_tables(people=PEOPLE, seed=seed, as_of=AS_OF)


def one(con: duckdb.DuckDBPyConnection, sql: str) -> object:
    row = con.execute(sql).fetchone()
    assert row is not None
    return row[0]


def test_the_same_seed_makes_the_same_company() -> None:
    rows = "select * from record order by system, nr"
    first = tables().execute(rows).fetchall()
    assert first == tables().execute(rows).fetchall()
    assert first != tables(seed=2).execute(rows).fetchall()


def test_it_has_the_mess_of_life() -> None:
    con = company_tables(people=4000, seed=1, as_of=AS_OF)
    for mess in (
        "email is null", "email = ''", "email <> lower(email)", "email <> trim(email)", "phone is null", "phone = ''", "phone like '0049%'",
        "phone like '+49%'", "phone = '040 5550-0'", "city = ''", "birth_date is null", "last_name = upper(last_name)", "again = 1",
    ):  # fmt: skip
        assert one(con, f"select count(*) from record where {mess}"), mess
    for mess in ("first_name", "last_name", "email", "phone", "street"):
        assert one(con, f"select count(*) from (select pid from record group by pid having count(distinct {mess}) > 1)"), mess
    assert one(con, "select count(*) from (select phone from record where phone <> '' group by phone having count(distinct pid) > 1)")


def test_nothing_happens_after_today() -> None:
    con = tables()
    events = {
        "shop__orders": "ordered_at",
        "support__ticket": "opened_at",
        "marketing__email_events": "occurred_at",
        "record": "updated_at",
    }
    for table, column in events.items():
        assert one(con, f"select max({column}) <= timestamp '{AS_OF}' from {table}"), table


def test_money_adds_up() -> None:
    wrong = """select count(*) from shop__orders o
               where total - shipping <> (select sum(amount) from shop__order_line l where l.order_id = o.order_id)"""
    assert one(tables(), wrong) == 0


@pytest.fixture(scope="module")
def in_files(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return build(tmp_path_factory.mktemp("files") / "demo", people=PEOPLE, as_of=AS_OF, postgres=False)


@pytest.fixture(scope="module")
def in_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    company = build(tmp_path_factory.mktemp("postgres") / "demo", people=PEOPLE, as_of=AS_OF, postgres=True)
    assert company.server is not None
    yield company
    company.server.stop()


def test_in_files_it_is_a_project(in_files: Company) -> None:
    model = load(in_files.project)
    assert {s.kind for s in model.sources.values()} == {"sqlite", "duckdb", "files"}
    with sqlite3.connect(in_files.folder / "crm.sqlite") as crm:
        assert crm.execute("select count(*) from contact").fetchone() == (one(in_files.tables, "select count(*) from crm__contact"),)
        assert "pid" not in {row[1] for row in crm.execute("pragma table_info(contact)")}
    crm.close()


def test_the_truth_is_nowhere_in_the_folder(in_files: Company) -> None:
    assert not [path for path in in_files.folder.rglob("*") if "truth" in path.name]
    header = (in_files.folder / "loyalty" / "member.csv").read_text(encoding="utf-8").splitlines()[0]
    assert "pid" not in header.split(",")


@pytest.mark.skipif(not available(), reason="the wheel with PostgreSQL is not installed")
def test_in_postgres_it_is_a_project_and_keeps_null_and_empty_apart(in_postgres: Company) -> None:
    server = in_postgres.server
    assert server is not None
    assert {s.kind for s in load(in_postgres.project).sources.values()} == {"postgres", "sqlite", "files"}
    for what in ("count(*)", "count(*) filter (where phone is null)", "count(*) filter (where phone = '')"):
        assert int(server.psql("shop", f"select {what} from customer")) == one(in_postgres.tables, f"select {what} from shop__customer")
    assert (
        server.psql(
            "shop", "select data_type from information_schema.columns where (table_name, column_name) = ('orders', 'total')"
        ).strip()
        == "numeric"
    )


@pytest.mark.skipif(not available(), reason="the wheel with PostgreSQL is not installed")
def test_the_server_can_be_stopped_and_started_again(in_postgres: Company) -> None:
    server = EmbeddedPostgres(in_postgres.folder / "postgres")
    before = server.psql("crm", "select count(*) from contact")
    server.stop()
    assert not server.running()
    server.stop()
    assert server.start().running()
    assert server.psql("crm", "select count(*) from contact") == before


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(NotADemoFolder):
        build(tmp_path, people=PEOPLE, postgres=False)
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_the_smallest_company_answers_all_questions(tmp_path: Path) -> None:
    """Nobody in it is known to four systems."""
    told = io.StringIO()
    run(tmp_path / "demo", Console(file=told, width=140), people=200, postgres=False)
    assert all(f"{number}. {question.title}" in told.getvalue() for number, question in enumerate(QUESTIONS, 1))
