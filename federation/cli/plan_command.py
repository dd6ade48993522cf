"""`c360 plan`: what a resolve would change, before anything does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from federation.cli.resolve_command import contradicted_lines, model_lines, odd_columns, watched
from federation.cli.shared import App, command, interruptible

if TYPE_CHECKING:
    from identity.risk import RiskyMerge
    from identity.versions.changes import Moved, VersionChanges
    from identity.versions.plans import Plan

SHOWN = 10


@command
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", help="What to print on stdout.")
@click.pass_obj
def plan(app: App, output: str) -> None:
    """Resolve without publishing, and show what would change.

    The result waits beside the crosswalk until `c360 apply` publishes exactly it. A new plan replaces the one that waits.
    """
    project = app.project()
    made = interruptible(lambda: watched(project, project.plan, app.progress()), project.close)
    if output == "json":
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(made), indent=2).decode())
        return
    for line in lines(made):
        click.echo(line)
    app.say("next: `c360 apply` publishes it")


def lines(plan: Plan) -> list[str]:
    """A plan for people."""
    found = plan.changes
    upon = f"upon version {plan.base}" if plan.base else "the first"
    said = [f"plan for crosswalk version {plan.version}, {upon}: {found.ids_before:,} → {found.ids_after:,} ids"]
    said += changed(found)
    said += _shrunk(found)
    said += odd_columns(plan.report)
    for model in plan.report.models:
        said += model_lines(model)
    if plan.riskiest:
        said.append("riskiest merges (records that change their id, against the evidence):")
        said += [f"  {_risk(merge)}" for merge in plan.riskiest]
    said += contradicted_lines(plan.report)
    if plan.report.ignored_decisions:
        said.append(f"decisions on records that are not there: {', '.join(plan.report.ignored_decisions)}")
    return said


def _shrunk(found: VersionChanges) -> list[str]:
    """Tables that lose most of their records, for which a resolve would stop."""
    from federation.shrinking import name_of
    from identity.report import shrunk

    counts = {(t.entity, t.space, t.source, t.table): (t.after, t.before) for t in found.tables}
    lost = shrunk({place: after for place, (after, _) in counts.items()}, {place: before for place, (_, before) in counts.items()})
    said = [f"  ! {name_of(s)} loses most of its records: {s.now:,} are left of {s.before:,}" for s in lost]
    return [*said, "  next: if they are not to go, mend the source before you apply: ids that are retired do not come back"] if said else []


def changed(found: VersionChanges) -> list[str]:
    """What is different between two versions, for people."""
    if found.nothing:
        return ["nothing changes: every record keeps its id"]
    said = [counted(found)]
    width = max((len(f"{t.source}.{t.table}") for t in found.tables), default=0)
    said += [
        f"  {f'{t.source}.{t.table}':{width}}  {t.before:>10,} → {t.after:,} records (+{t.added:,} −{t.removed:,}), {t.moved:,} changing id"
        for t in found.tables
    ]
    said += [
        f"  households of {h.entity}{f' ({h.space})' if h.space else ''}: {h.before:,} → {h.after:,}; "
        f"of the people {h.came:,} come into one, {h.left:,} leave for none, {h.moved:,} move"
        for h in found.households
    ]
    said += _listed("merged", found.merged, found.merges, "into") + _listed("split off", found.split, found.splits, "to")
    sizes = sorted(found.sizes_before.keys() | found.sizes_after.keys())
    said.append("records per id  before → after")
    said += [f"  {size:>12,}  {found.sizes_before.get(size, 0):>6,} → {found.sizes_after.get(size, 0):,}" for size in sizes[:SHOWN]]
    if len(sizes) > SHOWN:
        before, after = (sum(n for size, n in s.items() if size > sizes[SHOWN - 1]) for s in (found.sizes_before, found.sizes_after))
        said.append(f"  {'more':>12}  {before:>6,} → {after:,}  (at most {sizes[-1]:,})")
    return said


def counted(found: VersionChanges) -> str:
    """How many ids and records are different between two versions."""
    return (
        f"{found.merged:,} merged, {found.split:,} split off, {found.minted - found.split:,} of new records, {found.retired:,} retired; "
        f"{found.moved:,} {'record changes its' if found.moved == 1 else 'records change their'} id"
    )


def _listed(word: str, count: int, moved: tuple[Moved, ...], how: str) -> list[str]:
    said = [f"  {m.was} {how} {m.now} ({m.records:,} record{'s' * (m.records != 1)})" for m in moved[:SHOWN]]
    return [*([f"{word}:"] if said else []), *said, *([f"  and {count - SHOWN:,} more (-o json lists them)"] if count > SHOWN else [])]


def _risk(merge: RiskyMerge) -> str:
    parts = " + ".join(f"{id360} ({records})" for id360, records in merge.parts[:4]) + (" + …" if len(merge.parts) > 4 else "")
    rules = ", ".join(f"{rule} ({pairs})" for rule, pairs in merge.rules) or "no rule told"
    bits = "decided" if merge.bits is None else f"{merge.bits:.1f} bits"
    return f"{merge.id360}: {parts}, {merge.records} records of {merge.sources} table{'s' * (merge.sources != 1)}, by {rules}, {bits}"


command = plan
