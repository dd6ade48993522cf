"""`c360 sql`: one SELECT, answered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from federation.cli.asking import as_whom, params_of, query_of, text_arguments
from federation.cli.shared import App, command, interruptible, stop_queries

if TYPE_CHECKING:
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
    """On stderr: gaps always, the rest to whoever looks on."""
    from federation.cli.remarks import said_cost, said_gaps, said_rows

    for line in said_gaps(result.report):
        click.echo(line, err=True)
    if format_ == "table" or out is not None or app.verbosity > 0:
        app.say(said_rows(result, count) + (f" → {out}" if out else "") + " · " + said_cost(result.report))
    if app.verbosity > 0:
        app.say(f"query {result.query_id}, crosswalk version {result.report.crosswalk_version or 'none'}")


command = sql
