"""The group of commands: which there are, what each shares, and how a failure is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from federation.cli.shared import App, shared_options
from federation.cli.telling import tell

COMMANDS = {
    "init": "Write a working project to start from.",
    "debug": "Ask every source whether it answers: one line each.",
    "discover": "Read a source's live schema and propose mappings.",
    "check": "Hold the project against its live sources.",
    "resolve": "Link the records of all sources: who is who.",
    "train": "Train the model of an entity anew, or of all that have one.",
    "plan": "Resolve without publishing, and show what would change.",
    "apply": "Publish the plan that waits, exactly as it was shown.",
    "rollback": "Let the links of the version before serve again.",
    "decide": "Note what a steward knows: two records are one, or are not.",
    "why": "Show why two records are one person, or are not.",
    "review": "List what is worth a steward's look, weightiest first.",
    "label": "Answer for pairs of records whether they are one person, and learn how good the crosswalk is.",
    "report": "Report how good the crosswalk is, and where it may be wrong.",
    "sql": "Answer one SELECT over the customer.",
    "explain": "Show what a query asks of whom, and what stays local.",
    "profile": "Show one person, live.",
    "shell": "Ask one question after another.",
    "crosswalk": "List the versions of the crosswalk; show how far it lags, an id's history, the past, or a difference.",
    "docs": "Write the catalog as markdown pages.",
    "demo": "Build a small company, resolve it, ask six questions.",
}
"""What each command does, as its own docstring begins (a test holds it): told here so that `--help` imports none of them."""


class Lazy(click.Group):
    """A group whose commands are imported when they are called. `federation.cli.<name>` defines `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        found: click.Command = import_module(f"federation.cli.{name}_command").command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        from difflib import get_close_matches

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = get_close_matches(args[0], COMMANDS, n=1)
            raise click.UsageError(f"there is no command `{args[0]}`" + (f": did you mean `{near[0]}`?" if near else ""), ctx)
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"c360 {version('c360')}")
        ctx.exit()


@click.group(cls=Lazy, params=shared_options(), context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def group() -> None:
    """One SELECT over the customer, answered from where the data lives.

    Start with `c360 init`; then `c360 resolve`, and `c360 sql "SELECT * FROM individual"`.
    """


def run(args: Sequence[str] | None = None) -> int:
    """Run a command line (default: this process's) and return its exit code. Everything that can go wrong is told on stderr."""
    app = App()
    try:
        code = group.main(args=list(args) if args is not None else None, prog_name="c360", standalone_mode=False, obj=app)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except BaseException as error:
        return tell(error, debug=app.debug)
    finally:
        app.close()
    return code if isinstance(code, int) else 0
