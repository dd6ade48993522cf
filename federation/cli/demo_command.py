"""`c360 demo`: a small company to look at."""

from __future__ import annotations

from pathlib import Path

import click

from federation.cli.shared import App, command


@command
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path, file_okay=False), default=Path("demo"))
@click.option("--people", type=click.IntRange(200, 1_000_000), help="How many people (default 20 000).")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same company.")
@click.option("--files-only", is_flag=True, help="Without PostgreSQL: SQLite, DuckDB, Parquet and CSV.")
@click.pass_obj
def demo(app: App, folder: Path, people: int | None, seed: int, files_only: bool) -> None:
    """Build a small company, resolve it, ask six questions.

    Leaves a project in DIR (default: demo) to play with.
    """
    from rich.console import Console

    from federation.demo.run import run
    from federation.demo.world import PEOPLE

    console = Console(quiet=app.quiet)
    if not console.is_terminal:
        console = Console(width=140, quiet=app.quiet)
    run(folder, console, people=people or PEOPLE, seed=seed, postgres=False if files_only else None)


command = demo
