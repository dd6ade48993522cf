"""`c360 rollback`: go back to an earlier version."""

from __future__ import annotations

import click

from federation.cli.shared import App, command


@command
@click.option("--to", type=click.IntRange(min=1), metavar="VERSION", help="The version to restore (default: the one before).")
@click.pass_obj
def rollback(app: App, to: int | None) -> None:
    """Let the links of the version before serve again.

    They become a new version: numbers only go forward. Ids that only later versions knew stay known, lead to those who have their
    records now, and are never given to anybody else. A second rollback goes further back. The next resolve links by the rules and
    decisions as they are then: change those too, if they were what was wrong.
    """
    restored = app.project().rollback(to)
    app.say(f"crosswalk version {restored.version} serves, with the links of version {restored.restores}")


command = rollback
