"""`c360 train`: learn anew what agreements are worth."""

from __future__ import annotations

import click

from federation.cli.resolve_command import model_lines, watched
from federation.cli.shared import App, command, interruptible


@command
@click.argument("entity", required=False)
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", help="What to print on stdout.")
@click.pass_obj
def train(app: App, entity: str | None, output: str) -> None:
    """Train the model of an entity anew, or of all that have one.

    Reads the records as a resolve does, and keeps the new model; the one before stays beside it as `.previous`. Nobody's id
    changes before the next `c360 resolve`, which goes by the new model.
    """
    project = app.project()
    used = interruptible(lambda: watched(project, lambda progress: project.train(entity, progress), app.progress()), project.close)
    if output == "json":
        import json
        from dataclasses import asdict

        click.echo(json.dumps([asdict(one) for one in used], indent=2))
        return
    for one in used:
        for line in model_lines(one):
            click.echo(line)
    app.say("next: `c360 plan` shows what the new model changes, `c360 resolve` goes by it")


command = train
