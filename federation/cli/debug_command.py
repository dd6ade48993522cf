"""`c360 debug`: one line per thing that must be there."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from federation.cli.shared import App, colour, command, interruptible

if TYPE_CHECKING:
    from federation.project import Project
    from views.model import Model

DEADLINE = 10.0


@dataclass(frozen=True, slots=True)
class Line:
    """One check: what, whether it holds, what was found, and what to do if not."""

    name: str
    ok: bool
    said: str
    hint: str = ""


@command
@click.argument("source", required=False)
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), default=DEADLINE, show_default=True, metavar="SECONDS",
              help="How long a source may take to answer.")  # fmt: skip
@click.pass_obj
def debug(app: App, source: str | None, timeout: float) -> None:
    """Ask every source whether it answers: one line each.

    With SOURCE, only that one. Also looks at the project file, the crosswalk and what is installed. Exit code 1 if anything fails.
    """
    project = app.project()
    if source is not None and source not in project.model.sources:
        from federation.errors import UnknownObject

        raise UnknownObject(f"there is no source `{source}`", hint=f"sources: {', '.join(project.model.sources)}")
    names = [source] if source else list(project.model.sources)
    width = max(map(len, (*names, "crosswalk")))

    def look() -> bool:
        fine = True
        for line in (*(_around(app, project) if source is None else ()), *(found := list(_sources(project, names, timeout)))):
            _show(line, width)
            fine &= line.ok
        for line in _lagging(project, [line.name for line in found if line.ok]):
            _show(line, width)
        return fine

    if not interruptible(look, project.close):
        raise click.exceptions.Exit(1)


def _show(line: Line, width: int) -> None:
    mark = "OK  " if line.ok else "FAIL"
    if colour(sys.stdout):
        mark = click.style(mark, fg="green" if line.ok else "red", bold=True)
    click.echo(f"{mark}  {line.name:{width}}  {line.said}")
    if line.hint:
        click.echo(f"      {'':{width}}  next: {line.hint}")


def _around(app: App, project: Project) -> Iterator[Line]:
    from importlib.metadata import version

    from connectors import registry

    model = project.model
    counts = f"sources: {len(model.sources)}, mappings: {len(model.mappings)}, policies: {len(model.policies)}"
    counts += "".join(f" · include `{pattern}` matches no file" for pattern in model.unmatched)
    yield Line("project", True, f"{app.project_file()}: {counts}", _first_step(model))
    yield Line("engine", True, ", ".join(f"{name} {version(name)}" for name in ("duckdb", "sqlglot", "pyarrow")))
    yield Line("drivers", True, f"kinds: {', '.join(registry.kinds())}")
    yield from _secret(project)
    yield _crosswalk(project)


def _secret(project: Project) -> Iterator[Line]:
    """Whether the secret under which a resolve mints ids is there; nothing if the first resolve is yet to make one."""
    from connectors.spi.errors import C360Error
    from federation.state import known_secret
    from identity.resolve import check_secret

    try:
        if (secret := known_secret(project.model)) is None:
            return
        check_secret(secret)
    except C360Error as error:
        yield Line("secret", False, f"[{error.code}] {error.message}", error.hint)
        return
    yield Line("secret", True, "the project's own" if project.model.secret is not None else "made by c360, beside the crosswalk")


def _first_step(model: Model) -> str:
    if not model.sources:
        return "name a source in it, then: c360 discover"
    return "" if model.mappings else "c360 discover SOURCE --write proposes mappings"


def _crosswalk(project: Project) -> Line:
    from connectors.spi.errors import C360Error
    from federation.wording import age

    try:
        crosswalk = project.store.current()
    except C360Error as error:
        return Line("crosswalk", False, f"[{error.code}] {error.message}", error.hint)
    if crosswalk is None:
        return Line("crosswalk", True, "none yet: id360 is not known", "c360 resolve" if project.model.mappings else "")
    resolved = f", resolved {age(crosswalk.resolved_at)} ago" if crosswalk.resolved_at else ""
    links = sum(t.links for t in crosswalk.links)
    return Line("crosswalk", True, f"version {crosswalk.version}, {links:,} links{resolved}{', encrypted' * crosswalk.encrypted}")


def _sources(project: Project, names: list[str], timeout: float) -> Iterator[Line]:
    """All at once, told in the order of the file."""
    with ThreadPoolExecutor(max(1, min(16, len(names)))) as pool:
        yield from pool.map(lambda name: _source(project, name, timeout), names)


def _lagging(project: Project, names: list[str]) -> Iterator[Line]:
    """A line for each table of the sources that answer, if the crosswalk lags far behind it by the source's own statistics."""
    from connectors.spi.errors import C360Error
    from federation.lag import lag

    try:
        found = lag(project, sources=frozenset(names))
    except C360Error:
        return  # a crosswalk that cannot be read was told already
    for table in found.tables:
        if table.linked is not None and table.far:
            said = f"{table.source}.{table.table} has {table.about} rows, and the crosswalk {table.linked:,} links"
            yield Line("lag", True, said, "c360 resolve (c360 crosswalk status --exact counts)")


def _source(project: Project, name: str, timeout: float) -> Line:
    from connectors.spi import Deadline
    from connectors.spi.errors import C360Error

    kind = project.model.sources[name].kind
    started = time.perf_counter()
    try:
        connector = project.source(name)
        product = connector.ping(Deadline.after(timeout))
        ms = (time.perf_counter() - started) * 1000
        tables = len(connector.tables())
    except C360Error as error:
        return Line(name, False, f"{kind} · [{error.code}] {error.message}", error.hint)
    return Line(name, True, f"{product} · {tables} table{'s' * (tables != 1)} · {ms:.1f} ms")


command = debug
