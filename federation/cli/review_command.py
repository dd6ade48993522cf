"""`c360 review`: what is worth a steward's look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from federation.cli.shared import App, command

if TYPE_CHECKING:
    from identity.stewardship.review import Item


@command
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many, the weightiest first.")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", help="What to print on stdout.")
@click.pass_obj
def review(app: App, limit: int, output: str) -> None:
    """List what is worth a steward's look, weightiest first.

    Near matches, refused merges, weak links, bridges, values on too many records, ids that moved: ordered by the records at stake × how
    unsure it is. Each with the commands that settle it; what was decided leaves the list.
    """
    found = app.project().review(limit)
    if output == "json":
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode([{"weight": item.weight, **_plain(item)} for item in found]), indent=2).decode())
        return
    for number, item in enumerate(found, 1):
        for line in lines(number, item):
            click.echo(line)
    if not found:
        app.say("nothing to look at")


def _plain(item: Item) -> dict[str, object]:
    import msgspec

    told: dict[str, object] = msgspec.to_builtins(item)
    return told


def lines(number: int, item: Item) -> list[str]:
    """One item for people."""
    said = f" {item.posterior:.0%}" if item.posterior is not None else ""
    pair = f": {item.a} – {item.b}" if item.a else ""
    return [f"{number:>3}  {item.kind}{said}{pair}", f"     {item.detail}", *(f"     {c}" for c in item.decide)]


command = review
