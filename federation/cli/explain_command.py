"""`c360 explain`: what a query asks of whom."""

from __future__ import annotations

from pathlib import Path

import click

from federation.cli.asking import as_whom, params_of, query_of, text_arguments
from federation.cli.shared import App, command, interruptible, stop_queries


@command
@text_arguments
@as_whom
@click.option("--analyze", is_flag=True, help="Run it, and show what each source was asked and what it sent.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="How long an analysed query may take.")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", help="Format.")
@click.pass_obj
def explain(
    app: App, query: str | None, file: Path | None, param: tuple[str, ...], principal: str | None, purpose: str | None,
    analyze: bool, timeout: float | None, output: str,
) -> None:  # fmt: skip
    """Show what a query asks of whom, and what stays local.

    Without --analyze no source is asked for rows, only for its schema. With -v: what each planner pass did, and the SQL of both rooms.
    """
    text, params = query_of(query, file), params_of(param)
    project = app.project()
    session = project.session(principal, purpose)
    explanation = interruptible(lambda: session.explain(text, params, analyze=analyze, timeout=timeout), stop_queries(project))
    click.echo(explanation.json() if output == "json" else explanation.text(verbose=app.verbosity > 0))


command = explain
