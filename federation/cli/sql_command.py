"""`c360 sql`: one SELECT, answered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from federation.cli.asking import as_whom, params_of, query_of, text_arguments
from federation.cli.shared import App, command, interruptible, stop_queries

if TYPE_CHECKING:
    from federation.report import Report
    from federation.result import Result

OUTPUTS = ("table", "json", "csv", "parquet", "arrow")


@command
@text_arguments
@as_whom
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="How long the query may take.")
@click.option("--max-rows", type=click.IntRange(min=1), metavar="N", help="Refuse an answer of more rows.")
@click.option("--output", "-o", type=click.Choice(OUTPUTS), help="Format (default: by the suffix of --out, else table).")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write to a file instead of stdout.")
@click.option("--partial", is_flag=True, help="Leave out a source that fails, and say so, instead of failing.")
@click.pass_obj
def sql(
    app: App, query: str | None, file: Path | None, param: tuple[str, ...], principal: str | None, purpose: str | None,
    timeout: float | None, max_rows: int | None, output: str | None, out: Path | None, partial: bool,
) -> None:  # fmt: skip
    """Answer one SELECT over the customer.

    QUERY is SQL in DuckDB's dialect over the unified views (`c360 docs` lists them); `-` reads it from stdin.

    \b
    c360 sql "SELECT full_name, email FROM individual LIMIT 5"
    c360 sql "SELECT * FROM sales_order WHERE id360 = $id" --param id=123456789012345
    c360 sql -f question.sql --out answer.parquet
    """
    text, params = query_of(query, file), params_of(param)
    project = app.project()
    session = project.session(principal, purpose)

    def answer() -> None:
        with session.sql(text, params, timeout=timeout, max_rows=max_rows, partial=partial) as result:
            from federation.cli.output import format_for, write

            format_ = format_for(output, out)
            count = write(result, format_, out)
            _remark(app, result, count, format_, out)

    interruptible(answer, stop_queries(project))


def _remark(app: App, result: Result, count: int, format_: str, out: Path | None) -> None:
    """What a person wants to know besides the rows, on stderr: how many, from where, and what is missing."""
    if not result.report.complete:
        gaps = ", ".join(f"{source} ({code})" for source, code in result.report.missing.items())
        click.echo(f"incomplete: no answer from {gaps}", err=True)
    if format_ == "table" or out is not None or app.verbosity > 0:
        app.say(said_rows(result, count) + (f" → {out}" if out else "") + " · " + said_cost(result.report))
    if app.verbosity > 0:
        app.say(f"query {result.query_id}, crosswalk version {result.report.crosswalk_version or 'none'}")


def said_rows(result: Result, shown: int) -> str:
    """`3 rows`, or `the first 40 of 218 rows`; a `+` where the end was not looked for."""
    known, more = known_rows(result)
    if known > shown:
        return f"the first {shown:,} of {known:,}{'+' if more else ''} rows (--output csv gives all)"
    return f"{shown:,} row{'' if shown == 1 else 's'}"


def known_rows(result: Result) -> tuple[int, bool]:
    """How many rows have been read, and whether there are more."""
    return result._rows, result._open


def said_cost(report: Report) -> str:
    """Where the rows came from, at what cost."""
    asked: dict[str, int] = {}
    for fragment in report.fragments:
        asked[fragment.source] = asked.get(fragment.source, 0) + (fragment.rows if fragment.asked else 0)
    sources = ", ".join(
        f"{source} {rows:,}" for source, rows in asked.items() if any(f.asked for f in report.fragments if f.source == source)
    )
    spared = [s for s in asked if not any(f.asked for f in report.fragments if f.source == s)]
    moved = f"rows moved: {sources}" if sources else "no source was asked"
    return f"{report.total_ms:,.0f} ms · {moved}" + (f" · not asked: {', '.join(spared)}" if spared else "")


command = sql
