"""The command `c360`. Nothing heavy is imported before a command runs: `c360 --help` costs little more than the interpreter."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence


def main(args: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 ok, 1 a query, project or source failed, 2 wrong usage, 130 interrupted."""
    from federation.cli.app import run

    for stream in (sys.stdout, sys.stderr):  # what a terminal of another encoding than UTF-8 lacks shows as "?", and ends nothing
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    code = run(args)
    if code:  # all is stopped and told: what the interpreter would still tidy up (DuckDB 2 says so at length) is gone anyway
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
