"""`c360 debug`: one line per thing that must be there."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from federation.cli.shared import App, colour, command, interruptible

if TYPE_CHECKING:
    from federation.project import Project

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
        for line in (*(_around(app, project) if source is None else ()), *_sources(project, names, timeout)):
            _show(line, width)
            fine &= line.ok
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
    yield Line("project", True, f"{app.project_file()}: {counts}", "" if model.sources else "name a source in it, then: c360 discover")
    yield Line("engine", True, ", ".join(f"{name} {version(name)}" for name in ("duckdb", "sqlglot", "pyarrow")))
    yield Line("drivers", True, f"kinds: {', '.join(registry.kinds())}")
    yield _crosswalk(project)


def _crosswalk(project: Project) -> Line:
    from connectors.spi.errors import C360Error

    try:
        crosswalk = project.store.current()
    except C360Error as error:
        return Line("crosswalk", False, f"[{error.code}] {error.message}", error.hint)
    if crosswalk is None:
        return Line("crosswalk", True, "none yet: id360 is not known", "c360 resolve")
    age = datetime.now(UTC).timestamp() - crosswalk.path.stat().st_mtime
    links = sum(t.links for t in crosswalk.links)
    return Line(
        "crosswalk", True, f"version {crosswalk.version}, {links:,} links, {said_age(age)} old{', encrypted' * crosswalk.encrypted}"
    )


def _sources(project: Project, names: list[str], timeout: float) -> Iterator[Line]:
    """All at once, told in the order of the file."""
    with ThreadPoolExecutor(max(1, min(16, len(names)))) as pool:
        yield from pool.map(lambda name: _source(project, name, timeout), names)


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


def said_age(seconds: float) -> str:
    """
    >>> said_age(42), said_age(5400), said_age(200_000)
    ('42 s', '90 min', '56 h')
    """
    for unit, size, until in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 259_200)):
        if seconds < until:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"


command = debug
