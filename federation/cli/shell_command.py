"""`c360 shell`: ask one question after another. What is typed stays in memory: a query's literals may be personal."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from federation.cli.asking import as_whom
from federation.cli.output import FORMATS
from federation.cli.shared import App, Interrupted, command, interruptible, stop_queries
from federation.cli.statements import split_statement
from federation.cli.telling import tell

if TYPE_CHECKING:
    from federation.session import Session

DOT_COMMAND = re.compile(r"\s*\.[a-z]+\b")
HELP = """\
Type SQL over the unified views; `;` ends a query, which may go over several lines. Ctrl-C stops a query, Ctrl-D leaves.
.views               the views there are
.schema VIEW         a view's columns
.explain on|off      show what each query asks of whom, instead of its answer
.timer on|off        show how long it took and where the rows came from (on)
.output FORMAT|FILE  answers as table, json or csv; or the next one into a file
.help                this
.quit                leave"""


@command
@as_whom
@click.pass_obj
def shell(app: App, principal: str | None, purpose: str | None) -> None:
    """Ask one question after another.

    A query ends with `;` and may go over several lines; .help lists the other commands. From a pipe, the queries in it are
    answered in turn. No history is kept after the shell ends.
    """
    project = app.project()
    session = project.session(principal, purpose)
    told = Shell(app, session)
    watched = sys.stdin.isatty()
    if watched:
        _with_readline(session)
        crosswalk = project.store.current()
        known = f"crosswalk version {crosswalk.version}" if crosswalk else "no crosswalk yet: run `c360 resolve`"
        app.say(f"{project.model.name}: {len(project.model.sources)} sources, {known}. .help for help")
    failures = told.loop(watched)
    if failures and not watched:
        raise click.exceptions.Exit(1)


class Shell:
    """One conversation: settings that dot commands change, and the lines typed so far."""

    def __init__(self, app: App, session: Session) -> None:
        self.app, self.session = app, session
        self.explains, self.timed = False, True
        self.format = "table"
        self.out: Path | None = None

    def loop(self, watched: bool) -> int:
        """Read and answer until the end; how many failed."""
        typed, failures = "", 0
        while True:
            try:
                line = _line(watched, bool(typed.strip()))
            except EOFError:
                return failures + (self.answered(typed) if typed.strip() else 0)
            except KeyboardInterrupt:
                if not watched:
                    raise  # nobody is there to type the next line
                click.echo()
                typed = ""
                continue
            if DOT_COMMAND.match(line):
                try:
                    failures += self.dotted(line.strip())
                except EOFError:
                    return failures
                continue
            typed += line
            while (parted := split_statement(typed)) is not None:
                statement, typed = parted
                if statement.strip():
                    failures += self.answered(statement)
            typed = typed if typed.strip() else ""

    def answered(self, sql: str) -> bool:
        """Answer one query; whether it failed. The shell goes on."""
        try:
            interruptible(lambda: self._answer(sql), stop_queries(self.session.project))
        except BrokenPipeError:
            raise
        except (Exception, Interrupted) as error:
            tell(error, debug=self.app.debug)
            return True
        return False

    def _answer(self, sql: str) -> None:
        from federation.cli.output import format_for, write
        from federation.cli.remarks import said_cost, said_gaps, said_rows

        if self.explains:
            click.echo(str(self.session.explain(sql)))
            return
        with self.session.sql(sql) as result:
            out, self.out = self.out, None
            count = write(result, format_for(None if out else self.format, out), out)
            for line in said_gaps(result.report):
                click.echo(line, err=True)
            if self.timed:
                self.app.say(said_rows(result, count) + (f" → {out}" if out else "") + " · " + said_cost(result.report))

    def dotted(self, line: str) -> bool:
        """A command that begins with a dot; whether it failed. Raises EOFError for `.quit`."""
        word, _, rest = line.removesuffix(";").partition(" ")
        commands: dict[str, Callable[[str], None]] = {
            ".help": lambda _: click.echo(HELP), ".views": self._views, ".schema": self._schema, ".explain": self._explain,
            ".timer": self._timer, ".output": self._output, ".quit": _quit, ".exit": _quit,
        }  # fmt: skip
        if word not in commands:
            click.echo(f"there is no `{word}`: .help lists what there is", err=True)
            return True
        try:
            commands[word](rest.strip())
        except (click.ClickException, ValueError) as error:
            click.echo(str(error), err=True)
            return True
        return False

    def _views(self, _: str) -> None:
        from views.describe import views

        session_views = self.session.views
        found = [v for v in views(self.session.project.model) if v.name in session_views.names and not session_views.closed(v.name)]
        width = max((len(v.name) for v in found), default=0)
        for view in found:
            click.echo(f"{view.name:{width}}  {view.description}")

    def _schema(self, name: str) -> None:
        from views.describe import views, why_unknown

        model = self.session.project.model
        known = model.object_named(name)
        view = next((v for v in views(model) if v.name in (name, known.name if known else name)), None)
        if view is None:
            said, hint = why_unknown(model, name) if name else ("name a view: .schema individual", "")
            raise ValueError(f"{said}; {hint}" if hint else said)
        width, types = max(len(c.name) for c in view.columns), max(len(c.type) for c in view.columns)
        for column in view.columns:
            click.echo(f"{column.name:{width}}  {column.type:{types}}  {column.description}".rstrip())

    def _explain(self, text: str) -> None:
        self.explains = _on(text, ".explain")

    def _timer(self, text: str) -> None:
        self.timed = _on(text, ".timer")

    def _output(self, text: str) -> None:
        if text in FORMATS[:3]:
            self.format, self.out = text, None
        elif text:
            self.out = Path(text).expanduser()
            click.echo(f"the next answer goes to {self.out}", err=True)
        else:
            raise ValueError("say .output table, json, csv, or a file name")


def _line(watched: bool, inside: bool) -> str:
    if watched:
        return input("  ...> " if inside else "c360> ") + "\n"
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line


def _on(text: str, name: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError(f"say {name} on, or {name} off")
    return text == "on"


def _quit(_: str) -> None:
    raise EOFError


def _with_readline(session: Session) -> None:
    """Line editing, history (in memory) and completion of views and columns, where Python has readline."""
    with suppress(ImportError):
        import readline

        names = set(session.views.names) | {c for n in session.views.names if (v := session.views.get(n)) is not None for c in v.types}
        words = sorted(names | {"SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "LIMIT", ".help", ".views", ".schema", ".quit"})

        def complete(text: str, state: int) -> str | None:
            found = [w for w in words if w.lower().startswith(text.lower())]
            return found[state] if state < len(found) else None

        readline.set_completer(complete)
        readline.set_completer_delims(" \t\n,()=<>;")
        readline.parse_and_bind("tab: complete")


command = shell
