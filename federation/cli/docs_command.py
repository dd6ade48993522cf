"""`c360 docs`: the catalog as markdown pages."""

from __future__ import annotations

from pathlib import Path

import click

from federation.cli.shared import App, command

MARK = "<!-- written by `c360 docs`: changes here are lost -->"


@command
@click.argument("out_dir", metavar="[OUT_DIR|functions]", default="catalog")
@click.option("--mapped", is_flag=True, help="Leave out standard objects that nothing is mapped to.")
@click.pass_obj
def docs(app: App, out_dir: str, mapped: bool) -> None:
    """Write the catalog as markdown pages.

    A page per subject area (objects, attributes, what they are made of), an index with an ER diagram (mermaid), and the list of
    SQL functions, into OUT_DIR (default: catalog). `c360 docs functions` prints that list. Contacts no source.
    """
    from federation.catalog_pages import functions_page, pages

    if out_dir == "functions":
        click.echo(functions_page())
        return
    folder = Path(out_dir)
    written = {**pages(app.project().model, mapped_only=mapped), "functions.md": functions_page()}
    _refuse_foreign(folder, list(written))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in written.items():
        (folder / name).write_text(f"{MARK}\n{text}\n", encoding="utf-8")
    app.say(f"wrote {len(written)} pages to {folder}/; start with {folder / 'index.md'}")


def _refuse_foreign(folder: Path, names: list[str]) -> None:
    """Never write over a page that is not ours."""
    for name in names:
        path = folder / name
        if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(MARK):
            raise click.UsageError(f"{path} was not written by `c360 docs`, and is not overwritten: name another OUT_DIR")


command = docs
