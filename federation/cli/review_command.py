"""`c360 review`: what is worth a steward's look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from federation.cli.shared import App, command
from identity.stewardship.kinds import KINDS

if TYPE_CHECKING:
    from identity.stewardship.review import Item, Queue

WORDS = {kind.replace(" ", "-"): kind for kind in KINDS}


@command
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many, the weightiest first.")
@click.option("--kind", "kinds", type=click.Choice(tuple(WORDS)), multiple=True, help="Only these; may be given several times.")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", help="What to print on stdout.")
@click.pass_obj
def review(app: App, limit: int, kinds: tuple[str, ...], output: str) -> None:
    """List what is worth a steward's look, weightiest first.

    Near matches, refused merges, weak links, bridges, values on too many records, blocks over the cap, ids that moved: ordered by the
    records at stake × how unsure it is. Each with the commands that settle it; what was decided leaves the list.
    """
    found = app.project().review(limit, [WORDS[kind] for kind in kinds])
    if output == "json":
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode([{"weight": item.weight, **_plain(item)} for item in found]), indent=2).decode())
        return
    for number, item in enumerate(found, 1):
        for line in lines(number, item):
            click.echo(line)
    app.say(waiting(found))
    if any(item.a for item in found):
        app.say("`c360 why A B --values` shows the two records of a pair side by side, and what speaks for and against")


def _plain(item: Item) -> dict[str, object]:
    import msgspec

    told: dict[str, object] = msgspec.to_builtins(item)
    return told


def lines(number: int, item: Item) -> list[str]:
    """One item for people."""
    said = _likely(item)
    pair = f": {item.a} – {item.b}" if item.a else ""
    speaks = [f"{word}: {', '.join(told)}" for word, told in (("for", item.speaks_for), ("against", item.speaks_against)) if told]
    found = [f"{number:>3}  {item.kind}{said}{pair}", f"     {item.detail}", *([f"     {' · '.join(speaks)}"] if speaks else [])]
    if len(item.decide) == 2:  # the other differs in the verdict alone
        return [*found, f"     {item.decide[0]}   # or {item.decide[1].split()[2]}"]
    return [*found, *(f"     {c}" for c in item.decide)]


def _likely(item: Item) -> str:
    """How likely it is one person, and by which pairs: the best of many is good by chance. Where the others refused it, they are told as
    votes, and this is what they refused."""
    alone = f" {item.of_pair:.0%}" if item.of_pair is not None else ""
    if item.votes is not None:
        return f"{alone} by this pair alone" if alone else ""
    if item.posterior is None:
        return ""
    if item.pairs == 1:
        return f" {item.posterior:.0%}"
    return f" {item.posterior:.0%} by the mean of the {item.pairs:,} pairs between the two" + (
        f"; this one alone says{alone}" if alone else ""
    )


def waiting(found: Queue) -> str:
    """How much there is in all, kind by kind."""
    total = sum(found.totals.values())
    if not total:
        return "nothing to look at"
    kinds: dict[str, list[tuple[str, int]]] = {}
    for (kind, why), count in found.totals.most_common():
        kinds.setdefault(kind, []).append((why, count))
    told = []
    for kind, reasons in kinds.items():
        because = ", ".join(f"{why}: {count:,}" for why, count in reasons[:4] if why)
        told.append(f"{kind} {sum(count for _, count in reasons):,}" + (f" ({because})" if because else ""))
    shown = f"{len(found):,} of {total:,} shown" if len(found) < total else f"{total:,} in all"
    return f"{shown}: {'; '.join(told)}"


command = review
