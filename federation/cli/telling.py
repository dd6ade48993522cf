"""How a failure is told: `[CODE] what happened` and the next step, on stderr; a traceback only with --debug."""

from __future__ import annotations

import os
import sys
import traceback

import click

from federation.cli.shared import Interrupted, colour

FAILED, USAGE, INTERRUPTED = 1, 2, 130


def tell(error: BaseException, *, debug: bool) -> int:
    """Tell an error and return the exit code for it."""
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.ClickException():
            error.show()
            return USAGE if isinstance(error, click.UsageError) else FAILED
        case SystemExit():
            return error.code if isinstance(error.code, int) else FAILED
        case click.Abort() | KeyboardInterrupt() | Interrupted():
            click.echo("interrupted", err=True)
            if isinstance(error, Interrupted) and not error.clean:
                sys.stdout.flush()
                os._exit(INTERRUPTED)  # a thread hangs in a driver: the interpreter would wait for it
            return INTERRUPTED
    from connectors.spi.errors import C360Error

    if debug:
        traceback.print_exception(error)
    error = _coded(error) if isinstance(error, OSError) else error
    if isinstance(error, C360Error):
        click.echo(rendered(error), err=True)
    else:
        click.echo(rendered_bug(error, debug), err=True)
    return FAILED


def _coded(error: OSError) -> BaseException:
    """What the disk or its permissions refuse, as a coded error; anything else as it is."""
    from federation.disk import coded

    return coded(error) or error


def rendered(error: BaseException) -> str:
    """A coded error in colour, where stderr takes colours.

    The code stands out, the next step too; an error that holds several shows each as it is.
    """
    code, message, hint = getattr(error, "code", ""), getattr(error, "message", str(error)), getattr(error, "hint", "")
    lines = [f"{_styled(f'[{code}]', fg='red', bold=True)} {message}"]
    if hint:
        lines.append(f"  {_styled('next:', fg='green', bold=True)} {hint}")
    return "\n".join(lines)


def rendered_bug(error: BaseException, debug: bool) -> str:
    """An exception that no one expected. Its text is shown with --debug only: it may quote a row."""
    said = f"{_styled('[C360_INTERNAL]', fg='red', bold=True)} this is a bug of c360: {type(error).__name__}"
    hint = "report it with the traceback above" if debug else "run it again with --debug to see the traceback, and report it"
    return f"{said}\n  {_styled('next:', fg='green', bold=True)} {hint}"


def _styled(text: str, **style: object) -> str:
    return click.style(text, **style) if colour(sys.stderr) else text  # type: ignore[arg-type]
