"""Another process that runs `c360` commands, one after another: where what counts is that it is another, not that it is a new one."""

from __future__ import annotations

import contextlib
import io
import json
import resource
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from tests.support.command import Said

ROOT = Path(__file__).resolve().parents[2]


class Elsewhere:
    """The process, for as long as the block lasts. `prefix` is a command that starts it with other rights."""

    def __init__(self, *prefix: str) -> None:
        command = [*prefix, sys.executable, "-m", "tests.support.elsewhere"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, *words: object, size: int = resource.RLIM_INFINITY) -> Said:
        """What the command said; no file may grow beyond `size` bytes."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([[*map(str, words)], size]) + "\n")
        self.process.stdin.flush()
        return Said(*json.loads(self.process.stdout.readline()))

    def __enter__(self) -> Elsewhere:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.communicate()


def serve() -> None:
    """The other process: a command and its limit per line in, what it said per line out."""
    from federation.cli.app import run

    for line in sys.stdin:
        words, size = json.loads(line)
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(words)
        print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)


if __name__ == "__main__":
    serve()
