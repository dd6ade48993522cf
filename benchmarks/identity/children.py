"""A measured program runs in a process of its own: its seconds and its memory are nobody else's, and it can be stopped."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

EVERY = 0.2  # seconds between two looks at a child's memory
PATIENCE, MEMORY = 900.0, 16_000.0  # seconds and MB after which a system counts as not finishing


class Failed(Exception):
    """The child gave no answer: why, after how many seconds, with how much memory at most."""

    def __init__(self, why: str, seconds: float, rss_mb: float) -> None:
        super().__init__(f"{why} (after {seconds:.0f} s, {rss_mb:.0f} MB)")
        self.seconds = seconds
        self.rss_mb = rss_mb


def run(command: list[str], *, seconds: float, rss_mb: float) -> dict[str, Any]:
    """The JSON object that the command prints last. `Failed` if it ends otherwise, or takes more time or memory than that."""
    start, peak, why = time.monotonic(), 0.0, None
    with TemporaryFile("w+", encoding="utf-8") as out, TemporaryFile("w+", encoding="utf-8") as err:
        child = subprocess.Popen(command, stdout=out, stderr=err, text=True)
        try:
            while child.poll() is None and why is None:
                time.sleep(EVERY)
                peak = max(peak, _peak_mb(child.pid))
                if time.monotonic() - start > seconds:
                    why = f"not finished in {seconds:.0f} s"
                elif peak > rss_mb:
                    why = f"more than {rss_mb:.0f} MB"
        finally:
            child.kill()
            child.wait()
        taken = time.monotonic() - start
        if why:
            raise Failed(why, taken, peak)
        if child.returncode:
            err.seek(0)
            raise Failed(f"exit code {child.returncode}: {_last_line(err.read())}", taken, peak)
        out.seek(0)
        return _last_object(out.read(), taken, peak)


def _peak_mb(pid: int) -> float:
    """The most memory that the process has held so far; 0 once it has ended."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return int(found.group(1)) / 1024 if found else 0.0


def _last_line(text: str) -> str:
    """What a program says last; of a Python traceback the line with the exception, which may be followed by indented text."""
    lines = [line for line in text.splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(" ")] if "Traceback (most recent call last)" in text else lines
    raised = [line for line in said if re.match(r"[\w.]+(Error|Exception|[a-z]): ", line)]
    return (raised or said or ["nothing said"])[-1]


def _last_object(text: str, taken: float, peak: float) -> dict[str, Any]:
    """One on the last line, or one printed over several lines at the end."""
    for at in (m.start() for m in re.finditer(r"^\{", text, re.MULTILINE)):
        try:
            found = json.loads(text[at:])
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    raise Failed(f"no JSON object at the end of the output, but: {_last_line(text)}", taken, peak)
