"""`c360 resolve`: link the records of all sources."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from federation.cli.shared import App, command, interruptible

if TYPE_CHECKING:
    from rich.console import Console

    from federation.project import Project
    from identity.report import ResolveReport, SourceCount

T = TypeVar("T")


@command
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", help="What to print on stdout.")
@click.pass_obj
def resolve(app: App, output: str) -> None:
    """Link the records of all sources: who is who.

    Reads keys and match attributes of every mapped person table, and publishes a new version of the crosswalk. The one in use
    serves until the new one is complete; Ctrl-C leaves it as it is.
    """
    project = app.project()
    report = interruptible(lambda: watched(project, project.resolve, app.progress()), project.close)
    if output == "json":
        import json
        from dataclasses import asdict

        click.echo(json.dumps(asdict(report), indent=2))
        return
    for line in lines(report):
        click.echo(line)


def watched(project: Project, work: Callable[[Callable[[str, int], None]], T], console: Console) -> T:
    """Resolve or plan (`work`) with a line per source: rows so far, rows a second, time; a bar where the source knows how many."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.completed:>12,} rows"),
        TextColumn("{task.fields[speed]}", style="dim"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bars:
        return work(_progress(project, bars.add_task, bars.update))


def _progress(project: Project, add: Callable[..., int], update: Callable[..., None]) -> Callable[[str, int], None]:
    tasks: dict[str, tuple[int, float]] = {}

    def seen(label: str, rows: int) -> None:
        if label not in tasks:
            tasks[label] = add(label, total=_rows(project, label), speed=""), time.monotonic()
        task, started = tasks[label]
        taken = time.monotonic() - started
        update(task, completed=rows, speed=f"{rows / taken:,.0f}/s" if taken > 0.5 else "")

    return seen


def _rows(project: Project, label: str) -> int | None:
    """The source's own estimate; None if it has none."""
    source, _, table = label.partition(".")
    from connectors.spi.errors import SourceError

    try:
        return project.source(source).statistics(table).rows
    except SourceError:
        return None


def lines(report: ResolveReport) -> list[str]:
    """A report for people."""
    read = sum(s.records for s in report.sources)
    said = [f"{read:,} records are {report.ids:,} people or other entities (crosswalk version {report.version}, {report.seconds:.1f} s)"]
    width = max((len(_name(s)) for s in report.sources), default=0)
    for source in report.sources:
        notes = [f"{source.null_keys:,} without a key, left out"] if source.null_keys else []
        notes += [f"keys are personal ({source.personal}), and now in the crosswalk"] if source.personal else []
        said.append(f"  {_name(source):{width}}  {source.records:>10,} records" + "".join(f"  · {n}" for n in notes))
    gone = f"{report.merged:,} merged into others, {report.retired:,} retired"
    said.append(f"ids: {report.minted:,} new, {gone}, {report.singletons:,} of one record only")
    for rule in report.rules:
        shared = f", {rule.shared_values:,} values on too many records to link" if rule.shared_values else ""
        said.append(f"  rule {rule.rule}: {rule.values:,} values link {rule.pairs:,} pairs{shared}")
    if report.shared:
        worst = max(report.shared, key=lambda s: s.records)
        said.append(f"shared values that link nobody: {len(report.shared):,}; the most common stands on {worst.records:,} records")
    if report.largest and report.largest[0][1] > 1:
        said.append("largest: " + ", ".join(f"{id360} ({records})" for id360, records in report.largest[:5]))
    said += [f"decision {c.decision}: rule {c.rule} says otherwise, {c.times:,} times" for c in report.contradicted]
    if report.ignored_decisions:
        said.append(f"decisions on records that are not there: {', '.join(report.ignored_decisions)}")
    if report.ambiguous_identifiers:
        said.append(f"identifiers of more than one person, which lead to nobody: {report.ambiguous_identifiers:,}")
    return said


def _name(source: SourceCount) -> str:
    return f"{source.source}.{source.table}" + (f" ({source.space})" if source.space else "")


command = resolve
