"""`c360 resolve`: link the records of all sources."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import click

from federation.cli.check_command import SAMPLE
from federation.cli.shared import App, command, interruptible

if TYPE_CHECKING:
    from rich.console import Console

    from federation.project import Project
    from identity.engines import Generic
    from identity.model_use import BlockingYield, ModelUse
    from identity.report import ResolveReport, SourceCount

T = TypeVar("T")
SHOWN = 20
"""The most values that are nobody's and blocking rules that are shown."""


@command
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", help="What to print on stdout.")
@click.option("--full", is_flag=True, help="Match all records anew, not only what changed (`identity: incremental: true`).")
@click.option("--allow-shrink", is_flag=True, help="Publish although a table has lost most of its records.")
@click.pass_obj
def resolve(app: App, output: str, full: bool, allow_shrink: bool) -> None:
    """Link the records of all sources: who is who.

    Reads keys and match attributes of every mapped person table, and publishes a new version of the crosswalk. The one in use
    serves until the new one is complete; Ctrl-C leaves it as it is. It stops if a table has lost more than half of its records
    (`identity: max_shrink`): its source may be half written.
    """
    project = app.project()
    generic: list[Generic] = []

    def work(progress: Callable[[str, int], None]) -> ResolveReport:
        return project.resolve(progress, generic.append, full=full, allow_shrink=allow_shrink)

    report = interruptible(lambda: watched(project, work, app.progress()), project.close)
    if output == "json":
        import json
        from dataclasses import asdict

        click.echo(json.dumps(asdict(report), indent=2))
        return
    for line in lines(report):
        click.echo(line)
    if generic and sys.stdout.isatty():  # a value of a source is shown to who watches, and goes into no file
        click.echo(f"values that are nobody's: {', '.join(f'{g.attribute} {g.value} ({g.records:,})' for g in generic[:SHOWN])}")


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
    said = [*read_lines(report), *shrunk_lines(report), *odd_columns(report)]
    if not report.sources:
        said.append("no table is mapped to people or another entity; next: `c360 discover` proposes mappings")
    said += id_lines(report)
    for model in report.models:
        said += model_lines(model)
        said += blocking_lines([b for b in report.blocking if (b.entity, b.space) == (model.entity, model.space)])
    said += rule_lines(report)
    for told in report.households:
        people = f"{told.people:,} {told.entity}s{f' ({told.space})' if told.space else ''}, {told.largest} in the largest"
        said.append(f"{told.households:,} households of {people}; {told.minted:,} are new")
    if report.largest and report.largest[0][1] > 1:
        said.append("largest: " + ", ".join(f"{id360} ({records})" for id360, records in report.largest[:5]))
    said += contradicted_lines(report)
    if report.ignored_decisions:
        said.append(f"decisions on records that are not there: {', '.join(report.ignored_decisions)}")
    if report.ambiguous_identifiers:
        said.append(f"identifiers of more than one person, which lead to nobody: {report.ambiguous_identifiers:,}")
    return said


def read_lines(report: ResolveReport) -> list[str]:
    """What was read and how much of it was matched, for people."""
    read = sum(s.records for s in report.sources)
    whom = "people" if {s.entity for s in report.sources} <= {"individual"} else "people or other entities"
    said = [f"{read:,} records are {report.ids:,} {whom} (crosswalk version {report.version}, {report.seconds:.1f} s)"]
    if report.touched is not None:
        t = report.touched
        said.append(
            f"incremental: {t.new:,} record{'s are' if t.new != 1 else ' is'} new, {t.changed:,} changed, {t.gone:,} gone; "
            f"with their neighbours and those of decisions {t.records:,} in {t.clusters:,} clusters were matched anew"
        )
    if report.whole_because:
        said.append(f"all records were matched anew: {report.whole_because}")
    width = max((len(_name(s)) for s in report.sources), default=0)
    for source in report.sources:
        notes = [f"{source.null_keys:,} without a key, left out"] if source.null_keys else []
        notes += [f"keys are personal ({source.personal}), and now in the crosswalk"] if source.personal else []
        said.append(f"  {_name(source):{width}}  {source.records:>10,} records" + "".join(f"  · {n}" for n in notes))
    return said


def id_lines(report: ResolveReport) -> list[str]:
    """What became of ids, for people."""
    retired = max(0, report.retired - report.merged)  # ids that were merged are told once, as in a plan
    gone = f"{report.merged:,} merged into others, {retired:,} retired"
    said = [f"ids: {report.minted:,} new, {gone}, {report.singletons:,} of one record only"]
    return said + (["nothing changed: no record came, went or got another id"] if report.unchanged else [])


def rule_lines(report: ResolveReport) -> list[str]:
    """What exact rules linked, and what they did not, for people."""
    said = []
    for rule in report.rules:
        shared = f", {rule.shared_values:,} values on too many records to link" if rule.shared_values else ""
        said.append(f"  rule {rule.rule}: {rule.values:,} values link {rule.pairs:,} pairs{shared}")
    if report.shared:
        worst = max(report.shared, key=lambda s: s.records)
        said.append(f"shared values that link nobody: {len(report.shared):,}; the most common stands on {worst.records:,} records")
    return said


def shrunk_lines(report: ResolveReport) -> list[str]:
    """Tables that lost most of their records, for people: ids that are retired now do not come back by themselves."""
    from federation.shrinking import name_of

    said = [f"  ! {name_of(s)}: {s.now:,} records, {s.before:,} before" for s in report.shrunk]
    return (
        [*said, "  next: if they were not to go, mend the source and `c360 rollback` before the next resolve: so ids stay"] if said else []
    )


def contradicted_lines(report: ResolveReport) -> list[str]:
    """Decisions that keep apart what the data says is one, for people."""
    named = [(c, "the model" if c.rule == "model" else f"rule {c.rule}") for c in report.contradicted]
    return [f"decision {c.decision}: {who} says otherwise{f', {c.times:,} times' if c.times > 1 else ''}" for c, who in named]


def odd_columns(report: ResolveReport) -> list[str]:
    """Attributes that are empty, or not what they are matched as, for people."""
    said = [f"  ! {fit.told}" for fit in report.odd_columns]
    if not said:
        return []
    rows = max(fit.records for fit in report.odd_columns)  # a smaller sample may hold too few of them to be told
    sample = f" --sample {rows}" if rows > SAMPLE else ""
    return [*said, f"  next: look at what these attributes are mapped to; `c360 check{sample}` names the lines"]


def model_lines(model: ModelUse) -> list[str]:
    """What a model made of the records of an entity, for people."""
    where = f"model of {model.entity}" + (f" ({model.space})" if model.space else "")
    how = f"trained on these {model.records:,} records" if model.trained else f"as trained on {model.trained_on:,} records"
    said = [
        f"{where}, {how}: of {model.pairs:,} pairs compared some {model.matches:,.0f} are one person, "
        f"{model.households:,.0f} two of one household",
        f"  weighed: {', '.join(name if name == kind else f'{name} ({kind})' for name, kind in model.attributes.items())}",
    ]
    if model.generic:
        said.append(
            f"  values that are nobody's, neither linked nor weighed: {len(model.generic):,}; on most records: "
            + ", ".join(f"{g.attribute} {g.keyed_hash} ({g.records:,})" for g in model.generic[:3])
        )
    if model.suspect:
        said.append(
            "  ! values that look like nobody's by now, and did not in training: "
            + ", ".join(f"{g.attribute} {g.keyed_hash} ({g.records:,})" for g in model.suspect[:3])
            + (f" and {len(model.suspect) - 3:,} more" if len(model.suspect) > 3 else "")
            + f"; they count until `c360 train {model.entity}`: look at them first"
        )
    said += [
        f"  ! drift: {d.factor} of matches is no longer as in training (index {d.index:.2f}): "
        f"{d.level}: {d.was:.0%} → {d.now:.0%}; look at the sources, then `c360 train {model.entity}`"
        for d in model.drift
    ]
    if model.outgrown:
        said.append(f"  ! trained on {model.trained_on:,} records, and there are {model.records:,} now: `c360 train {model.entity}`")
    return said


def blocking_lines(blocking: Sequence[BlockingYield]) -> list[str]:
    """What each blocking rule did, for people: most telling ones first."""
    ordered = sorted((b for b in blocking if b.pairs or b.left_out), key=lambda b: (-b.alone, -b.pairs, b.rule))
    if not ordered:
        return []
    width = max(len("blocking rule"), *(len(b.rule) for b in ordered))
    said = [f"  {'blocking rule':{width}} {'pairs':>12} {'its alone':>12} {'oversize blocks':>16} {'records left out':>17}"]
    said += [f"  {b.rule:{width}} {b.pairs:>12,} {b.alone:>12,} {b.oversize_blocks:>16,} {b.left_out:>17,}" for b in ordered[:SHOWN]]
    return said + ([f"  and {len(ordered) - SHOWN} more (-o json lists them)"] if len(ordered) > SHOWN else [])


def _name(source: SourceCount) -> str:
    return f"{source.source}.{source.table}" + (f" ({source.space})" if source.space else "")


command = resolve
