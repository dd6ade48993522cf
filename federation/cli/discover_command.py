"""`c360 discover`: from a live schema to mappings to look over."""

from __future__ import annotations

import glob
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from federation.cli.shared import App, command, interruptible

if TYPE_CHECKING:
    from federation.project import Project

FOLDER = "mappings"


@command
@click.argument("source", required=False)
@click.option("--write", is_flag=True, help=f"Write {FOLDER}/SOURCE.yml and include it, instead of printing.")
@click.option("--all", "everything", is_flag=True, help="Propose for tables that are mapped already, too.")
@click.pass_obj
def discover(app: App, source: str | None, write: bool, everything: bool) -> None:
    """Read a source's live schema and propose mappings.

    Without SOURCE, every source. Columns are held against the standard objects' attributes by name and type; no row is read.
    Look the proposal over: what is unsure says so.
    """
    project = app.project()
    known = list(project.model.sources)
    if source is not None and source not in known:
        from federation.errors import UnknownObject

        raise UnknownObject(f"there is no source `{source}`", hint=f"sources: {', '.join(known) or 'none yet: add one to c360.yml'}")
    if not known:
        app.say(f"{app.project_file()} names no source yet: add one under `sources:`")
    for name in [source] if source else known:
        project = app.project()
        text, count, strange = interruptible(partial(proposed, project, name, everything), project.close)
        if not count and strange:
            app.say(f"{name}: like no standard object: {', '.join(strange)}; to map by hand (`c360 docs` writes what objects there are)")
        elif not count:
            app.say(f"{name}: nothing new to map")
        elif write:
            path = written(app, name, text)
            app.close()  # the next source is held against the project as it is now
            app.say(f"wrote {path} with {count} mapping{'s' * (count != 1)}; look it over, then: c360 check")
        else:
            click.echo(text)


def proposed(project: Project, source: str, everything: bool) -> tuple[str, int, list[str]]:
    """The YAML proposed for a source, how many mappings it holds, and the tables that are like no object. Raises SourceError."""
    from federation.proposal_yaml import mapping_yaml
    from federation.proposals import propose

    connector, model = project.source(source), project.model
    mapped = set() if everything else {m.table for m in model.mappings if m.source == source}
    tables = [connector.table(t) for t in connector.tables() if t not in mapped]
    known = [connector.table(t) for t in connector.tables() if t in mapped]  # what new tables may point to
    proposals, strange = propose(source, [*tables, *known], model.objects)
    strange = [name for name in strange if name not in mapped]
    among = f"{len(tables)} table{'s' * (len(tables) != 1)}"
    proposals = [p for p in proposals if p.table.name not in mapped]
    lines = [f"# Proposed by `c360 discover {source}` from {among}. Look it over; `# ?` marks what is unsure."]
    if proposals:
        lines.append("mappings:")
    for proposal in proposals:
        lines += mapping_yaml(proposal)
    if strange:
        lines.append(f"# like no standard object: {', '.join(strange)}")
    matched = model.rules.get("individual") or "individual" in model.models
    if not matched and any(p.object.entity == "individual" for p in proposals):
        lines += [
            "",
            "identity:",
            "  individual:",
            "    model: standard   # ? weighs what records have in common; `rules: [email]` beside it: who agrees on it is one",
        ]
    return "\n".join(lines) + "\n", len(proposals), strange


def written(app: App, source: str, text: str) -> Path:
    """Write a proposal to its own file and include it. The project file is put back as it was if the whole does not load."""
    from federation.errors import NotWritten
    from views.load import load

    project = app.project_file()
    path = project.parent / FOLDER / f"{source}.yml"
    if path.exists():
        raise NotWritten(f"{path} is there already, and is not overwritten", hint="move it away, or take what is printed without --write")
    before = project.read_text(encoding="utf-8")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    try:
        project.write_text(_including(before, project, path), encoding="utf-8")
        load(project)
    except BaseException:
        project.write_text(before, encoding="utf-8")
        path.unlink()
        raise
    return path


def _including(text: str, project: Path, path: Path) -> str:
    """The project file with the new file among its includes; every other line as it was."""
    import yaml

    from federation.proposal_yaml import plain_or_quoted
    from views.yaml_core import CoreLoader

    given = (yaml.load(text, Loader=CoreLoader) or {}).get("include") or []
    items = [given] if isinstance(given, str) else list(given)
    matched = {Path(p) for item in items for p in glob.glob(item, root_dir=project.parent, recursive=True)}  # noqa: PTH207
    wanted = path.relative_to(project.parent)
    if wanted in matched:
        return text
    line = f"include: [{', '.join(plain_or_quoted(str(i)) for i in (*items, wanted.as_posix()))}]"
    lines = text.splitlines()
    at = next((n for n, found in enumerate(lines) if re.match(r"include\s*:", found)), None)
    if at is None:
        after = max((n for n, found in enumerate(lines) if re.match(r"(version|name|state)\s*:", found)), default=-1)
        lines.insert(after + 1, line)
    else:
        end = at + 1
        while end < len(lines) and re.match(r"\s+\S|-", lines[end]):
            end += 1  # a list written below
        lines[at:end] = [line]
    return "\n".join(lines) + "\n"


command = discover
