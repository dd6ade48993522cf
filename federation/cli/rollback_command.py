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
    from federation.state import models_folder
    from identity.versions.models import in_use

    project = app.project()
    before = in_use(models_folder(project))
    restored = project.rollback(to)
    app.say(f"crosswalk version {restored.version} serves, with the links of version {restored.restores}")
    after = in_use(models_folder(project))
    for name, digest in restored.models.items():
        if after.get(name) != digest:
            app.say(f"the model `{name}` that it was made with is not kept any more: the next resolve goes by the one in use")
        elif before.get(name) != digest:
            app.say(f"the model `{name}` that it was made with is in use again; the one before is kept as {name}.json.previous")


command = rollback
