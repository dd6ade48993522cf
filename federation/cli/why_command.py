"""`c360 why`: why two records are one person, or are not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from federation.cli.asking import as_whom, record_of
from federation.cli.shared import App, command, interruptible

if TYPE_CHECKING:
    from federation.project import Project
    from federation.session import Session
    from identity.evidence.waterfall import Unmet
    from identity.evidence.why import ClusterEvidence, PairEvidence, Why
    from identity.households.reading import HouseholdEvidence

BAR = 36
SHOWN_RULES = 6


@command
@click.argument("a")
@click.argument("b", required=False)
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", help="What to print on stdout.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write it as a page with pictures as well.")
@click.option("--values", is_flag=True, help="Read the two records live and show them side by side, as far as policies let you see them.")
@as_whom
@click.pass_obj
def why(
    app: App, a: str, b: str | None, output: str, html: Path | None, values: bool, principal: str | None, purpose: str | None
) -> None:  # fmt: skip
    """Show why two records are one person, or are not.

    Two that were never compared are read from their sources and compared now. Without --values nothing of them is shown but how well they
    agree; nothing of them is kept.

    \b
    c360 why crm.contact:17 shop.customer:C-3 --values
    c360 why 123456789012345                  how a person's records hang together; of a household's id, who is of it
    c360 why 123456789012345 234567890123456  why these are two people: by the pair that speaks most for one
    """
    if values and output == "json":
        raise click.UsageError("--values is for reading: leave out -o json")
    project = app.project()
    named = [what for what in (a, b) if what is not None]
    ids = [int(what) for what in named if what.isdigit()]
    if (not ids and b is None) or len(ids) == 1 < len(named):
        raise click.UsageError("name two records (source.table:key), two id360s, or one")
    asked: list[Any] = list(ids) or [record_of(project, what) for what in named]
    found = interruptible(lambda: project.why(*asked), project.close)
    if html is not None:
        from federation.pages import write_page
        from federation.why_page import why_page

        write_page(html, why_page(found))
        app.say(f"written: {html}")
    if output == "json":
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    beside = _beside(project, project.session(principal, purpose), found) if values else []
    for line in [*beside, *lines(found)]:
        click.echo(line)


def _beside(project: Project, session: Session, found: Why | ClusterEvidence | HouseholdEvidence) -> list[str]:
    """The two records that the explanation shows in full, live; of a person the pair that holds least, of a household the first one."""
    from federation.cli.side_by_side import LEGEND, live_side_by_side
    from federation.labelling import question_of
    from identity.evidence.why import Why
    from identity.households.reading import HouseholdEvidence

    pairs = [found] if isinstance(found, Why) else found.pairs if isinstance(found, HouseholdEvidence) else found.strongest
    a, b = (pairs[0].a, pairs[0].b) if pairs else (None, None)
    if a is None or b is None:  # a person of one record
        return []
    question = question_of(project, record_of(project, a), record_of(project, b))
    return [f"live: {LEGEND}", *live_side_by_side(project, session, question), ""]


def lines(found: Why | ClusterEvidence | HouseholdEvidence) -> list[str]:
    """An explanation for people."""
    from identity.evidence.why import Why
    from identity.households.reading import HouseholdEvidence

    if isinstance(found, HouseholdEvidence):
        return _household_lines(found)
    return _pair_lines(found) if isinstance(found, Why) else _cluster_lines(found)


def _pair_lines(found: Why) -> list[str]:
    if found.same:
        said = [f"{found.a} and {found.b} are one person: {found.id360_a}"]
        if len(found.path) > 1:
            said.append(f"over {len(found.path)} pairs:")
        for step in found.path:
            said += pair_lines(step)
        if found.direct is not None and found.direct not in found.path:
            said += ["", "their own pair says otherwise:", *pair_lines(found.direct)]
    else:
        said = [f"{found.a} and {found.b} are two people: {found.id360_a} and {found.id360_b}"]
        said += [f"they are {found.together}"] if found.together else []
        said += [f"{found.spoke} spoke for one person; {found.kept_apart}"] if found.kept_apart else []
        said += pair_lines(found.direct) if found.direct else ["one of them is not in its source any more"]
        if found.across:
            said += ["", "what else is known between the two people:"]
            said += [f"  {p.a} – {p.b}  {_score(p)}" for p in found.across]
        if found.example:
            pair = " ".join(found.example)
            said.append(f"nothing was kept of {found.unkept:,} more pairs between them; `c360 why {pair}` compares one of these now")
    return said + _decided(found.decisions)


def _cluster_lines(found: ClusterEvidence) -> list[str]:
    count = len(found.records)
    said = [f"{found.id360}: {count} record{'s' * (count != 1)}", *(f"  {name}" for name in found.records)]
    if count > 1:
        mean = f", {found.mean:+.1f} bits on average" if found.mean is not None else ""
        said.append(f"cohesion {found.cohesion:.0%} of all pairs speak for one person ({found.compared} compared{mean})")
        said += ["", "what holds them together, weakest first:"]
        said += [f"  {p.a} – {p.b}  {_score(p)}" for p in found.strongest]
        said += ["", "the weakest of these:", *pair_lines(found.strongest[0])] if found.strongest else []
    if found.bridge and found.parts:
        said += ["", f"all hangs on one pair between {found.parts[0]} and {found.parts[1]} records: {found.bridge.a} – {found.bridge.b}"]
    if found.near:
        said += ["", "nearly the same person:", *(f"  {p.a} – {p.b}  {_score(p)}" for p in found.near)]
    return said + _decided(found.decisions)


def _household_lines(found: HouseholdEvidence) -> list[str]:
    said = [f"{found.household} is a household of {len(found.people)} {found.entity}s:"]
    for person, records in found.people:
        more = f" and {len(records) - 3} more" if len(records) > 3 else ""
        said.append(f"  {person}: {', '.join(records[:3])}{more}")
    said += ["", "of one household, surest first:", *(f"  {p.a} – {p.b}  {p.bits:+.1f} bits" for p in found.pairs)]
    return [*said, "", "next: `c360 why RECORD RECORD` shows a pair in full, `c360 why ID360` how the records of one of them hang together"]


def _decided(decisions: tuple[str, ...]) -> list[str]:
    return ["", "decided:", *(f"  {d}" for d in decisions)] if decisions else []


def _score(pair: PairEvidence) -> str:
    fall = pair.waterfall
    by = f" by {pair.joined}" if pair.joined not in (None, "model") else ""
    if fall is None or (by and not fall.steps):  # an exact rules' pair that a decision joined: no rule says anything of it
        return by.strip() or "never compared"
    return f"{fall.odds:+.1f} bits" + (f" ({fall.posterior:.1%})" if fall.posterior is not None else "") + by


def pair_lines(pair: PairEvidence) -> list[str]:
    """One pair, with a bar for each factor: from where the ones before ended to where it takes them."""
    said = ["", f"{pair.a} – {pair.b}  {_score(pair)}"]
    if pair.live:
        from identity.evidence.gathering import NEAR_ODDS

        why = f"when resolved it had less than {NEAR_ODDS:+.0f} bits" if pair.proposed else "no rule had it compared"
        said.append(f"  nothing was kept of this pair, for {why}: read and compared just now")
    if pair.proposed:
        more = len(pair.proposed) - SHOWN_RULES
        said.append("  compared because of: " + "; ".join(pair.proposed[:SHOWN_RULES]) + (f" and {more} more" if more > 0 else ""))
    said += _bars(pair)
    if pair.waterfall is not None and pair.waterfall.flips:
        said.append("  this pair would say otherwise with")
        said += [f"    {flip.factor}: {flip.level} ({flip.odds:+.1f} bits)" for flip in pair.waterfall.flips]
    if pair.unmet:
        said.append("  nearest to linking them, or having them compared:" if pair.waterfall else "  nearest to linking them:")
        unmet: dict[str, Unmet] = {}
        for rule in pair.unmet:  # a blocking rule may be called as a rule that links, which comes first
            unmet.setdefault(rule.rule, rule)
        nearest = sorted(unmet.values(), key=lambda u: len(u.differ) + len(u.lack))
        said += [f"    {u.rule}: {_unmet(u)}" for u in nearest[:SHOWN_RULES]]
        said += [f"    and {len(nearest) - SHOWN_RULES} rules more (-o json lists them)"] if len(nearest) > SHOWN_RULES else []
    return said


def _unmet(rule: Unmet) -> str:
    if rule.nobodys:
        return "they agree, but on a value that is nobody's, which links nobody"
    if rule.crowd:
        return f"they agree, but on a value of {rule.crowd:,} records, which links nobody"
    told = [f"other {', '.join(rule.differ)}"] if rule.differ else []
    return "; ".join([*told, *([f"{', '.join(rule.lack)} missing"] if rule.lack else [])])


def _bars(pair: PairEvidence) -> list[str]:
    from identity.evidence.waterfall import told_silent

    fall = pair.waterfall
    if fall is None or not fall.steps:
        return []
    ends = [0.0, *(start + bits for _, start, bits in fall.steps)]
    low, high = min(ends), max(*ends, 1.0)
    width = max((len(name) for name, _, _ in fall.steps), default=0)

    def column(bits: float) -> int:
        return round((bits - low) / (high - low) * BAR)

    said = []
    for name, start, bits in fall.steps:
        first, last = sorted((column(start), column(start + bits)))
        drawn = [" "] * (BAR + 1)
        drawn[column(0)] = "│"
        drawn[first : max(last, first + 1)] = ("█" if bits >= 0 else "░") * max(last - first, 1)
        said.append(f"  {name:{width}} {bits:+7.1f}  {''.join(drawn).rstrip()}")
    posterior = f", that is {fall.posterior:.2%}" if fall.posterior is not None else ""
    silent = told_silent(fall)
    return [
        *said,
        f"  {'together':{width}} {fall.odds:+7.1f}  bits{posterior}",
        *([f"  nothing either way: {silent}"] if silent else []),
    ]


command = why
