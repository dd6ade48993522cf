"""`c360 rollback`: go back to an earlier version."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from connectors.spi.errors import C360Error
from federation.cli.shared import App, command

if TYPE_CHECKING:
    from federation.project import Project
    from identity.crosswalk import Crosswalk


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
    served = _served(project)
    restored = project.rollback(to)
    app.say(f"crosswalk version {restored.version} serves, with the links of version {restored.restores}")
    if served is not None:
        _say_change(app, served, restored)
    _say_waiting(app, project)
    after = in_use(models_folder(project))
    for name, digest in restored.models.items():
        if after.get(name) != digest:
            app.say(f"the model `{name}` that it was made with is not kept any more: the next resolve goes by the one in use")
        elif before.get(name) != digest:
            app.say(f"the model `{name}` that it was made with is in use again; the one before is kept as {name}.json.previous")


def _served(project: Project) -> Crosswalk | None:
    """The version that is abandoned; None if it is broken, which a rollback is the way out of."""
    with suppress(C360Error):
        return project.store.current()
    return None


def _say_change(app: App, served: Crosswalk, restored: Crosswalk) -> None:
    """Going back to a version that says the same is no help: then others are named."""
    import duckdb

    from federation.cli.plan_command import counted
    from identity.versions.changes import difference

    with suppress(C360Error, duckdb.Error):  # what was abandoned may be broken; what was restored serves
        found = difference(served, restored)
        same = f"nothing changes: version {restored.restores} said of every record what version {served.version} said"
        app.say(f"{same}; `c360 crosswalk` lists the others" if found.nothing else counted(found))


def _say_waiting(app: App, project: Project) -> None:
    """A decision that the version restored does not know of holds on."""
    from federation.deciding import project_entries, standings

    with suppress(C360Error):
        waiting = standings(project, project_entries(project)).count("waits")
        if waiting:
            told = f"{waiting:,} decisions are" if waiting > 1 else "1 decision is"
            app.say(
                f"{told} not in force in it, but from the next resolve on: `c360 decide list` shows which, `c360 decide undo` withdraws"
            )


command = rollback
