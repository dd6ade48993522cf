"""`c360 crosswalk`: its versions, one id's history, a version of the past, what changed between two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from federation.cli.shared import App, Command

if TYPE_CHECKING:
    from federation.lag import TableLag
    from federation.project import Project
    from identity.crosswalk import Crosswalk
    from identity.versions.lineage import Event
    from identity.versions.store import CrosswalkStore

TAKES = {
    "list": (0, "nothing more"), "status": (0, "nothing more"), "use": (1, "a version"), "show": (1, "an id360"),
    "as-of": (2, "a version and an id360"), "diff": (2, "two versions"),
}  # fmt: skip


@click.command(cls=Command)
@click.argument("action", type=click.Choice(list(TAKES)), default="list")
@click.argument("numbers", nargs=-1, type=click.IntRange(min=0), metavar="[NUMBER]...")
@click.option("--exact", is_flag=True, help="With `status`: count, by reading all keys.")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", help="With `status`: format.")
@click.pass_obj
def crosswalk(app: App, action: str, numbers: tuple[int, ...], exact: bool, output: str) -> None:
    """List the versions of the crosswalk; show how far it lags, an id's history, the past, or a difference.

    \b
    c360 crosswalk                      the versions that are kept
    c360 crosswalk status               per table: records linked, and what came since
    c360 crosswalk show 123456789012345 what became of an id: minted, merged, split, retired, restored
    c360 crosswalk as-of 7 1234…        the records (of a household the people) that an id had in version 7
    c360 crosswalk diff 7 9             what changed from version 7 to version 9
    c360 crosswalk use 7                the same as `c360 rollback --to 7`
    """
    count, what = TAKES[action]
    if len(numbers) != count:
        raise click.UsageError(f"`{action}` takes {what}")
    if action != "status" and (exact or output != "text"):
        raise click.UsageError("--exact and --output go with `status`")
    project = app.project()
    store = project.store
    if action == "list":
        _list(store)
    elif action == "status":
        _status(project, exact, output)
    elif action == "use":
        restored = project.rollback(numbers[0])
        app.say(f"version {restored.version} serves, with the links of version {restored.restores}")
    elif action == "show":
        _show(project, numbers[0])
    elif action == "as-of":
        _records(store.at(numbers[0]), numbers[1])
    else:
        _diff(store, *numbers)


def _list(store: CrosswalkStore) -> None:
    current = store.current()
    if current is None:
        return
    told = "SELECT run, epoch(finished_at), ids, minted, retired, restores FROM xw.run"
    runs = {run: counts for run, *counts in current.reader.execute(told).fetchall()}
    for kept in store.versions():
        said = [str(kept)]
        if kept in runs:  # a version made after the one that serves is not in its list
            finished, ids, minted, retired, restores = runs[kept]
            changed = ", ".join(f"{count:,} {what}" for count, what in ((minted, "new"), (retired, "retired")) if count)
            told_ids = f"{ids:,} ids" + (f" ({changed})" if changed else "")
            said.append(f"{datetime.fromtimestamp(finished, UTC):%Y-%m-%d %H:%M} UTC  {told_ids}")
            said += [f"the links of version {restores}"] if restores is not None else []
        said += [f"serves, {sum(t.links for t in current.links):,} links"] if current.version == kept else []
        click.echo("  ".join(said))


def _status(project: Project, exact: bool, output: str) -> None:
    from federation.cli.shared import interruptible
    from federation.state import serving
    from federation.wording import age

    serving(project)
    found = interruptible(lambda: project.lag(exact=exact), project.close)
    if output == "json":
        import json

        click.echo(json.dumps(found.as_dict(), indent=2))
        return
    resolved = f", resolved {found.resolved_at:%Y-%m-%d %H:%M} UTC ({age(found.resolved_at)} ago)" if found.resolved_at else ""
    click.echo(f"version {found.version}{resolved}")
    for table in found.tables:
        click.echo(f"  {table.source}.{table.table}{f' of {table.space}' if table.space else ''} as {table.entity}: {_lag(table)}")


def _lag(table: TableLag) -> str:
    if table.linked is None:
        return "not resolved yet"
    told = [f"{table.linked:,} linked"]
    if table.error:
        told.append(f"no answer [{table.error}]")
    elif table.exact:
        told += [f"{table.rows:,} now", f"{table.unlinked or 0:,} new", f"{table.gone or 0:,} gone"]
    elif table.rows is not None:
        told.append(f"{table.about} now" + (" in the whole table, of which the mapping takes some" if table.filtered else ""))
    else:
        told.append("rows now unknown (--exact counts)")
    if table.newest is not None:
        told.append(f"newest change {table.newest:%Y-%m-%d %H:%M} UTC{'' if table.covered else ', after the resolve'}")
    return ", ".join(told) + (": far behind, run `c360 resolve`" if table.far else "")


def _show(project: Project, id360: int) -> None:
    from federation.state import serving
    from identity.versions.lineage import lineage

    crosswalk = serving(project)
    found = lineage(crosswalk, id360)
    now = "nobody's now" if found.now is None else "is in use" if found.now == id360 else f"leads to {found.now}"
    click.echo(f"{id360} ({found.entity}{f', {found.space}' if found.space else ''}) {now}")
    for event in found.events:
        when = f"{event.finished_at:%Y-%m-%d %H:%M}" if event.finished_at else ""
        click.echo(f"  run {event.run:<4} {when:16}  {_told(event)}")
    _records(crosswalk, id360)


def _told(event: Event) -> str:
    size = "" if event.records is None else f" ({event.records:,} record{'s' * (event.records != 1)})"
    match event.event, event.came:
        case "merged", True:
            return f"took over {event.other}{size}"
        case "merged", False:
            return f"merged into {event.other}{size}"
        case "split", True:
            return f"split off from {event.other}{size}"
        case "split", False:
            return f"lost a part to {event.other}{size}"
    return event.event


def _records(crosswalk: Crosswalk, id360: int) -> None:
    from federation.cli.values import plain

    for record in crosswalk.lookup(id360):
        click.echo(f"  {record.source}.{record.table}:{','.join(plain(part) for part in record.key)}")
    for person in crosswalk.members(id360):
        click.echo(f"  {person}")


def _diff(store: CrosswalkStore, before: int, after: int) -> None:
    from federation.cli.plan_command import changed
    from identity.versions.changes import difference

    found = difference(store.at(before), store.at(after))
    click.echo(f"version {before} → {after}: {found.ids_before:,} → {found.ids_after:,} ids")
    for line in changed(found):
        click.echo(line)


command = crosswalk
