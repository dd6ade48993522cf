"""`c360 crosswalk`: which versions there are, and going back to one."""

from __future__ import annotations

import click

from federation.cli.shared import App, Command


@click.command(cls=Command)
@click.argument("action", type=click.Choice(["list", "use"]), default="list")
@click.argument("version", type=int, required=False)
@click.pass_obj
def crosswalk(app: App, action: str, version: int | None) -> None:
    """List the kept versions of the crosswalk, or go back to one.

    `c360 crosswalk use 7` lets version 7 serve again; the next resolve builds upon it.
    """
    store = app.project().store
    if action == "use":
        if version is None:
            raise click.UsageError("which version? `c360 crosswalk` lists them")
        if version not in store.versions():
            raise click.UsageError(f"there is no version {version}; kept: {', '.join(map(str, store.versions())) or 'none'}")
        app.say(f"version {store.use(version).version} serves")
        return
    current = store.current()
    for kept in store.versions():
        serves = current is not None and current.version == kept
        click.echo(f"{kept}{f'  serves, {sum(t.links for t in current.links):,} links' if serves and current else ''}")


command = crosswalk
