"""`c360 init`: a project to start from, with sample sources made on the spot."""

from __future__ import annotations

import re
from pathlib import Path

import click

from federation.cli.shared import FILE, App, command


@command
@click.argument("directory", metavar="[DIR]", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--bare", is_flag=True, help="Only a commented c360.yml, no sample sources.")
@click.pass_obj
def init(app: App, directory: Path, bare: bool) -> None:
    """Write a working project to start from.

    In DIR (default: here): a commented c360.yml, and in data/ a tiny CRM (SQLite) and shop (CSV, Parquet) that it reads.
    Nothing is overwritten.
    """
    from federation.errors import NotEmpty

    for path in (directory / FILE, *(() if bare else (directory / "data",))):
        if path.exists():
            raise NotEmpty(f"{path} is there already, and is not overwritten", hint="name another directory: c360 init DIR")
    directory.mkdir(parents=True, exist_ok=True)
    if not bare:
        from federation.cli.sample.make import make

        make(directory / "data")
    text = _template("bare.yml").replace("my-project", _project_name(directory)) if bare else _template(FILE)
    (directory / FILE).write_text(text, encoding="utf-8")
    ignored = directory / ".gitignore"
    if not ignored.exists():
        ignored.write_text(".c360/\n", encoding="utf-8")
    inside = "" if directory == Path() else f"cd {directory}; "
    app.say(f"wrote {directory / FILE}" + ("" if bare else f" and {directory / 'data'}/"))
    steps = (
        "name your sources in it, then: c360 debug"
        if bare
        else 'c360 resolve; c360 sql "SELECT id360, full_name, email, city FROM individual"'
    )
    app.say(f"next: {inside}{steps}")


def _project_name(directory: Path) -> str:
    """The directory's name, as far as a project may be called so."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", directory.resolve().name).lstrip("-_0123456789").rstrip("-") or "my-project"


def _template(name: str) -> str:
    from importlib.resources import files

    return files("federation.cli.sample").joinpath(name).read_text(encoding="utf-8")


command = init
