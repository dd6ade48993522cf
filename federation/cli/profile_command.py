"""`c360 profile`: one person, live."""

from __future__ import annotations

import re
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from federation.cli.asking import as_whom, named_record
from federation.cli.remarks import said_gaps
from federation.cli.shared import App, colour, command, interruptible, stop_queries

if TYPE_CHECKING:
    from federation.profile import Profile, Who
    from federation.project import Project
    from federation.provisional import Provisional


@command
@click.argument("who")
@as_whom
@click.option(
    "--window", default="90d", show_default=True, metavar="LENGTH", help="How far back the timeline goes: 12h, 90d, 2y, or `all`."
)
@click.option("--max-events", type=click.IntRange(min=0), default=50, show_default=True, help="At most so many of the newest events.")
@click.option("--provenance", is_flag=True, help="Show which record each value comes from.")
@click.option(
    "--provisional/--no-provisional",
    default=None,
    help="Look for records that came after the last resolve; by default only for WHO is nobody's.",
)
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="How long it may take.")
@click.option("--output", "-o", type=click.Choice(["table", "json"]), default="table", help="Format.")
@click.pass_obj
def profile(
    app: App, who: str, principal: str | None, purpose: str | None, window: str, max_events: int, provenance: bool,
    provisional: bool | None, timeout: float | None, output: str,
) -> None:  # fmt: skip
    """Show one person, live.

    WHO is an id360, an identifier, or a source key:

    \b
    c360 profile 123456789012345
    c360 profile email=ada@example.org
    c360 profile crm.contact:42          (a composite key: crm.contact:de,42)

    A source that does not answer leaves a gap, which is said. Records that the crosswalk does not know yet are shown apart, and
    somebody who is known by such records alone has no id360 yet.
    """
    project = app.project()
    meant = who_of(who, project)
    session = project.session(principal, purpose)
    length = None if window == "all" else window
    options: dict[str, Any] = {"max_events": max_events, "provenance": provenance, "timeout": timeout, "provisional": provisional}
    found = interruptible(lambda: session.profile(meant, window=length, **options), stop_queries(project))
    if output == "json":
        import json

        from federation.cli.values import jsonable

        click.echo(json.dumps(jsonable(found.as_dict()), indent=2, ensure_ascii=False))
        return
    for line in lines(found, provenance):
        click.echo(line)
    if not found.timeline and length is not None:
        app.say(f"nothing happened within {window}; `--window all` looks further back")
    for line in said_gaps(found.report):
        click.echo(line, err=True)
    app.say(f"{found.report.total_ms:,.1f} ms")


def who_of(text: str, project: Project) -> Who:
    """What WHO means. Raises click.UsageError if it is none of the three forms."""
    if re.fullmatch(r"\d+", text):
        return int(text)
    name, equals, value = text.partition("=")
    if equals and re.fullmatch(r"[A-Za-z_]\w*", name):
        return {name: value}
    if (record := named_record(project, text)) is not None:
        if record[0] not in project.model.sources:
            from federation.errors import UnknownObject

            raise UnknownObject(f"there is no source `{record[0]}`", hint=f"sources: {', '.join(project.model.sources)}")
        return record
    raise click.UsageError(f"WHO is an id360, an identifier (email=ada@example.org) or a source key (crm.contact:42), not `{text}`")


def lines(found: Profile, provenance: bool) -> list[str]:
    """A profile for people: values, records, timeline."""
    import pyarrow as pa

    from federation.cli.grid import grid
    from federation.cli.values import plain

    terminal, colours = sys.stdout.isatty(), colour(sys.stdout)
    width = shutil.get_terminal_size().columns if terminal else None
    head = f"id360 {found.id360}" if found.id360 is not None else "provisional: no id360 yet"

    def part(of: Profile | Provisional, records: str) -> list[str]:
        facts = [_fact(name, value, of.provenance.get(name, {}), provenance) for name, value in of.values.items()]
        names = ["attribute", "value", "from", "as of"] if provenance else ["attribute", "value"]
        told = _rows(grid, names, facts, width, colours)
        if of.records:
            keys = [f"{r.source}.{r.table}:{','.join(plain(k) for k in r.key)}" for r in of.records]
            told += ["", f"{len(keys)} {records}{'s' * (len(keys) != 1)}: " + ", ".join(keys)]
        events = [(e["at"], e["kind"], e["source"], e["summary"]) for e in of.timeline]
        told += ["", f"{len(events)} event{'s' * (len(events) != 1)}" + (", newest first" if len(events) > 1 else "")]
        return told + (_rows(grid, ["at", "kind", "source", "what"], events, width, colours, pa.timestamp("us")) if events else [])

    said = [click.style(head, bold=True) if colours else head, ""]
    new = found.provisional
    if new is None or found.id360 is not None:
        said += part(found, "record")
    if new is not None and new.values:
        agree = f", agreeing on {', '.join(new.agree_on)}" if new.agree_on else ""
        said += ["", f"not in the crosswalk yet{agree}:"] if found.id360 is not None else []
        said += part(new, "provisional record")
    if new is not None and new.not_searched:
        said += ["", *(f"not searched: {where}" for where in new.not_searched)]
    return said


def _fact(name: str, value: Any, origin: dict[str, Any], provenance: bool) -> tuple[Any, ...]:
    if not provenance:
        return name, value
    return name, value, f"{origin.get('source')} {origin.get('key')}" if origin else "", origin.get("as_of") or ""


def _rows(grid: Any, names: list[str], rows: list[tuple[Any, ...]], width: int | None, colours: bool, first: Any = None) -> list[str]:
    import pyarrow as pa

    schema = pa.schema([pa.field(n, first if first is not None and i == 0 else pa.string()) for i, n in enumerate(names)])
    return grid(schema, rows, width, colours=colours, below=False).lines  # type: ignore[no-any-return]


command = profile
