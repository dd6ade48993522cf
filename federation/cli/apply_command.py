"""`c360 apply`: publish what was planned."""

from __future__ import annotations

import click

from federation.cli.shared import App, command


@command
@click.pass_obj
def apply(app: App) -> None:
    """Publish the plan that waits, exactly as it was shown.

    Refused if another version serves than the plan builds upon, or other decisions hold. Queries see the old version or the new one.
    """
    done = app.project().apply()
    app.say(f"crosswalk version {done.version} serves: {done.changes.ids_after:,} ids")


command = apply
