"""How long `import c360` and `c360 --help` take, over a bare interpreter. Run as `python -m benchmarks.startup`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

RUNS = 7
COMMANDS = {
    "bare interpreter": (sys.executable, "-c", "pass"),
    "import c360": (sys.executable, "-c", "import c360"),
    "c360 --help": (str(Path(sys.executable).with_name("c360")), "--help"),
}


def seconds(command: tuple[str, ...]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def startup() -> dict[str, float]:
    """Best of some runs, in seconds; all but the first are over the bare interpreter."""
    best = {name: min(seconds(command) for _ in range(RUNS)) for name, command in COMMANDS.items()}
    bare = best["bare interpreter"]
    return {name: taken if name == "bare interpreter" else taken - bare for name, taken in best.items()}


if __name__ == "__main__":
    for name, taken in startup().items():
        print(f"{name:18s} {taken:6.3f} s")
