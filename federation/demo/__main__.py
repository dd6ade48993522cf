"""`python -m federation.demo [--folder demo] [--people 20000] [--seed 1] [--files-only]`: see federation.demo.world."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from connectors.spi.errors import C360Error
from federation.demo.run import run
from federation.demo.world import PEOPLE


@click.command(help="Build a small company, resolve its customers, ask six questions, leave a project to play with.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="where the project is written")
@click.option("--people", type=click.IntRange(200, 1_000_000), default=PEOPLE, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--files-only", is_flag=True, help="without PostgreSQL: SQLite, DuckDB, Parquet and CSV")
def main(folder: Path, people: int, seed: int, files_only: bool) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    try:
        run(folder, console, people=people, seed=seed, postgres=False if files_only else None)
    except C360Error as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
