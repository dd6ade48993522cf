"""`c360 decide`: what a steward knows better than the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from federation.cli.asking import record_of
from federation.cli.shared import App, command

if TYPE_CHECKING:
    from identity.stewardship.decisions import Decision, Decisions

HOW_MANY = {"same": 2, "different": 2, "pin": 2, "list": 0, "undo": 1}


@command
@click.argument("verdict", type=click.Choice(list(HOW_MANY)))
@click.argument("what", nargs=-1)
@click.option("--reason", help="Why, for those who come after.")
@click.option("--by", metavar="NAME", help="Who decides (default: the user of this machine).")
@click.option("--until", type=click.DateTime(), help="Until when it holds, UTC (default: for ever).")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", help="Format of `list`.")
@click.pass_obj
def decide(app: App, verdict: str, what: tuple[str, ...], reason: str | None, by: str | None, until: datetime | None, output: str) -> None:
    """Note what a steward knows: two records are one, or are not.

    Records are named source.table:key (a composite key: crm.contact:de,42). Decisions hold from the next resolve or plan on.

    \b
    c360 decide same crm.contact:17 shop.customer:C-3 --reason "asked her"
    c360 decide different crm.contact:17 crm.contact:18 --reason "father and son"
    c360 decide pin crm.contact:17 123456789012345 --reason "printed on her card"
    c360 decide list
    c360 decide undo 5f0c2a9e --reason "was a mistake"
    """
    if len(what) != HOW_MANY[verdict]:
        expected = {"list": "nothing more", "undo": "one decision, by its id or number", "pin": "a record and an id360"}
        raise click.UsageError(f"`{verdict}` takes {expected.get(verdict, 'two records: source.table:key')}")
    if verdict != "list" and not reason:
        raise click.UsageError("a decision needs a --reason")
    if verdict == "list":
        _list(app, output)
    elif verdict == "undo":
        _undo(app, what[0], str(reason), by)
    else:
        _decide(app, verdict, what[0], what[1], str(reason), by, until.replace(tzinfo=UTC) if until else None)


def _decide(app: App, verdict: str, a: str, b: str, reason: str, by: str | None, until: datetime | None) -> None:
    from federation.deciding import decide_records, other_bearers, project_entries, unknown_records
    from identity.stewardship.decisions import written_key

    project = app.project()
    other = _id360(b) if verdict == "pin" else record_of(project, b)
    one = record_of(project, a)
    held = project_entries(project).active()
    made = decide_records(project, verdict, one, other, reason=reason, by=by, until=until)
    if made.id in {d.id for d in held}:
        app.say(f"decided already: {made}, by {made.by} on {made.at:%Y-%m-%d}; nothing was added")
    else:
        app.say(f"decided: {made}; it holds from the next `c360 resolve` or `c360 plan` on")
        replaced = project_entries(project).withdrawn
        for former in (d for d in held if d.id in replaced):
            app.say(f"it replaces {former.id}, which held {_term(former)}; this one holds {_term(made)}")
    if isinstance(other, int) and (bearing := other_bearers(project, one, other)):
        held_by = f"{bearing:,} other record{'s' * (bearing != 1)}"
        app.say(f"{other} is the id of {held_by} now: unless they become one person, those get another; `c360 plan` shows it first")
    for source, table, *key in unknown_records(project, [one] if isinstance(other, int) else [one, other]):
        app.say(f"no record {source}.{table}:{written_key(key)} in the crosswalk yet; the decision waits for a resolve that finds it")


def _undo(app: App, named: str, reason: str, by: str | None) -> None:
    from federation.deciding import project_entries, undo_decision

    withdrawn = undo_decision(app.project(), named, reason=reason, by=by)
    app.say(f"withdrawn: {withdrawn}, from the next `c360 resolve` or `c360 plan` on")
    _say_contradiction(app, project_entries(app.project()))


def _list(app: App, output: str) -> None:
    from federation.deciding import lingering, project_entries, standings

    entries = project_entries(app.project())
    states = standings(app.project(), entries)
    _show(entries, states, output)
    if waiting := states.count("waits"):
        app.say(f"{waiting:,} wait{'s' * (waiting == 1)} for the next `c360 resolve`; `c360 plan` shows what changes")
    for decision in lingering(app.project(), entries):
        app.say(f"{decision.id} counts in the version that serves, until the next `c360 resolve`")
    _say_contradiction(app, entries)


def _term(decision: Decision) -> str:
    return f"until {decision.until:%Y-%m-%d %H:%M} UTC" if decision.until else "for ever"


def _id360(text: str) -> int:
    if not text.isdigit():
        raise click.UsageError(f"an id360 is a whole number, not `{text}`")
    return int(text)


def _show(decisions: Decisions, states: Sequence[str], output: str) -> None:
    if output == "json":
        import json

        found = [{**asdict(d), "state": state} for d, state in zip(decisions.entries, states, strict=True)]
        click.echo(json.dumps(found, indent=2, ensure_ascii=False, default=str))
        return
    for number, (d, state) in enumerate(zip(decisions.entries, states, strict=True), 1):
        until = f" until {d.until:%Y-%m-%d}" if d.until else ""
        click.echo(f"{number:>3}  {d.id}  {state:9}  {d.verdict} {d.a} {d.b or d.id360}{until}  · {d.reason} ({d.by}, {d.at:%Y-%m-%d})")


def _say_contradiction(app: App, decisions: Decisions) -> None:
    """What cannot all hold is said beside the list, which is there to choose what to withdraw."""
    from identity.errors import ContradictoryDecisions
    from identity.stewardship.contradictions import refuse_contradictions

    try:
        refuse_contradictions(decisions.active())
    except ContradictoryDecisions as error:
        app.say(str(error))


command = decide
