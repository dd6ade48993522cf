"""What every command shares: which project, how much is said, and how a running query is interrupted."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

    from federation.project import Project

T = TypeVar("T")
FILE = "c360.yml"
INTERRUPT_GRACE = 5.0
"""Seconds that a cancelled query has to give everything back; a source frees its reader within half of one."""


class Interrupted(BaseException):
    """Ctrl-C, after what ran was stopped. `clean` False: it did not stop in time."""

    def __init__(self, clean: bool) -> None:
        super().__init__("interrupted")
        self.clean = clean


class App:
    """The state of one call of `c360`. `verbosity` is -1 (quiet), 0, or the number of -v."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.verbosity = 0
        self.debug = False
        self._project: Project | None = None

    @property
    def quiet(self) -> bool:
        return self.verbosity < 0

    def project_file(self) -> Path:
        """The file given by --project (or in the directory given), else the nearest c360.yml from here upwards."""
        if self.path is not None:
            return self.path / FILE if self.path.is_dir() else self.path
        here = Path.cwd()
        for directory in (here, *here.parents):
            if (directory / FILE).is_file():
                found = directory / FILE
                return found.relative_to(here) if directory == here else found
        from views.errors import ProjectFile

        raise ProjectFile(f"there is no {FILE} here or in any directory above", hint="run `c360 init`, or name one with --project")

    def project(self) -> Project:
        """The project, opened once. Contacts no source."""
        if self._project is None:
            from federation.project import connect

            if self.verbosity > 0:
                _log(self.verbosity)
            self._project = connect(self.project_file())
        return self._project

    def close(self) -> None:
        if self._project is not None:
            self._project.close()
            self._project = None

    def say(self, text: str) -> None:
        """A remark for the person at the terminal: on stderr, unless --quiet."""
        if not self.quiet:
            click.echo(text, err=True, color=colour(sys.stderr))

    def progress(self) -> Console:
        """A console on stderr for progress bars; it shows nothing if nobody watches."""
        from rich.console import Console

        return Console(stderr=True, quiet=self.quiet or not sys.stderr.isatty())


def interruptible(work: Callable[[], T], stop: Callable[[], None]) -> T:
    """Do `work` in a thread of its own, so that Ctrl-C is heard while it waits inside a driver; then `stop` it and raise Interrupted."""
    outcome: list[Any] = []
    failure: list[BaseException] = []
    done = threading.Event()  # not Thread.join: interrupted, it takes the thread for dead (bpo-45274)

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            failure.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=run, name="c360-command", daemon=True)
    try:
        thread.start()  # in here: it waits for the thread, which may have begun to work
        while not done.wait(0.2):
            pass
    except KeyboardInterrupt:
        with suppress(KeyboardInterrupt):  # a second one does not wait any longer
            for _ in range(int(INTERRUPT_GRACE / 0.25)):
                stop()  # again and again: what is still being planned runs only later
                if done.wait(0.25):
                    break
        raise Interrupted(clean=done.is_set()) from None
    thread.join(INTERRUPT_GRACE)  # a cursor of its own that it still closes when the interpreter goes would abort the process
    if failure:
        raise failure[0]
    return outcome[0]  # type: ignore[no-any-return]


def stop_queries(project: Project) -> Callable[[], None]:
    """What stops every query of a project that runs now."""

    def stop() -> None:
        from federation.errors import UnknownQuery

        for query_id in list(project.running):
            try:
                project.cancel(query_id)
            except UnknownQuery:
                continue

    return stop


def colour(stream: IO[str]) -> bool:
    """Whether to write colours: on a terminal, unless NO_COLOR is set (no-color.org)."""
    import os

    return not os.environ.get("NO_COLOR") and stream.isatty()


def shared_options() -> list[click.Parameter]:
    """The options that may stand before a command's name or after it."""

    def project(ctx: click.Context, _: click.Parameter, value: Path | None) -> None:
        if value is not None:
            ctx.ensure_object(App).path = value

    def louder(ctx: click.Context, _: click.Parameter, value: int) -> None:
        ctx.ensure_object(App).verbosity += value

    def quieter(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            ctx.ensure_object(App).verbosity = -1

    def debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        ctx.ensure_object(App).debug |= value

    where = click.Path(path_type=Path)
    return [
        click.Option(["-p", "--project"], type=where, expose_value=False, callback=project, metavar="PATH",
                     help="The project file or its directory (default: the nearest c360.yml from here upwards)."),
        click.Option(["-q", "--quiet"], is_flag=True, expose_value=False, callback=quieter, help="No remarks on stderr."),
        click.Option(["-v", "--verbose"], count=True, expose_value=False, callback=louder, help="Say more; twice: still more."),
        click.Option(["--debug"], is_flag=True, expose_value=False, callback=debug, help="Show tracebacks."),
    ]  # fmt: skip


class Command(click.Command):
    """A command that also takes the shared options."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.params += shared_options()


def command(function: Callable[..., Any]) -> Command:
    """A command named after its function, its help the docstring."""
    return click.command(cls=Command)(function)


def _log(verbosity: int) -> None:
    import logging

    logging.basicConfig(format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("c360").setLevel(logging.DEBUG if verbosity > 1 else logging.INFO)
