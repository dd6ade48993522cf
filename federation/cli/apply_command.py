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
    from federation.wording import age

    done = app.project().apply()
    upon = f"upon version {done.base}" if done.base else "as the first"
    planned = f"planned {done.made_at:%Y-%m-%d %H:%M} UTC ({age(done.made_at)} ago) {upon}"
    app.say(
        f"crosswalk version {done.version} serves: {done.changes.ids_after:,} ids, {planned}; what came since waits for the next resolve"
    )


command = apply
