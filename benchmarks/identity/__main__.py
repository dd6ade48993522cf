"""Who is who: c360 and Splink over public labelled data and made-up people, each in a process of its own, in one run.

    python -m benchmarks.identity [--er FOLDER] [--data NAME ...] [--records 1000000] [--quick] [--systems c360,splink] [--growth]

c360 answers at its one default setting, without labels; Splink at the best of four thresholds. Pairwise F1 is of the final
partition and counts every true pair, those too that blocking missed. Exit code 1 if c360 fails or misses a goal for F1.
`--growth` measures c360 alone, at 10 000, 100 000, a million and five million made-up records.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.identity import splink_rival
from benchmarks.identity.children import MEMORY, PATIENCE, Failed, run
from benchmarks.identity.sets import MADE, PUBLIC, TRUTH, DataSet, made, public

RESULTS = Path(__file__).parent.parent / "results"
WORK = Path(".bench") / "identity"
QUICK, GROWTH = 20_000, (10_000, 100_000, 1_000_000, 5_000_000)
KEYS = ("precision", "recall", "f1", "bcubed_f1", "seconds", "rss_mb")
Entry = dict[str, Any]


def c360(data: DataSet, *options: str) -> Entry:
    """What `identity.evaluate` prints of the file."""
    command = [sys.executable, "-m", "identity.evaluate", str(data.file), "--truth", TRUTH, "--output", "json", *options]
    return run(command, seconds=PATIENCE, rss_mb=MEMORY)


def splink(data: DataSet, python: Path) -> Entry:
    """The same keys, and the threshold they hold for."""
    measured = splink_rival.measure(data, python, seconds=PATIENCE, rss_mb=MEMORY)
    quality = measured.by_threshold[measured.best]
    found = {key: getattr(quality, key) for key in ("precision", "recall", "f1", "bcubed_f1")}
    return found | {"seconds": measured.seconds, "rss_mb": measured.rss_mb, "threshold": measured.best}


def measure(data: DataSet, systems: list[str], python: Path) -> Iterator[tuple[Entry, str]]:
    """An entry for each system, and a note on it. One that does not finish has no figures but its seconds and memory up to there."""
    for system in systems:
        if system == "splink" and data.rival is None:
            continue
        try:
            found = c360(data) if system == "c360" else splink(data, python)
        except Failed as failure:
            yield (
                {"data": data.name, "system": system, **dict.fromkeys(KEYS), "seconds": failure.seconds, "rss_mb": failure.rss_mb},
                str(failure),
            )
            continue
        note = f"at {found['threshold']}, its best" if system == "splink" else f"ECE {found['ece']:.3f}"
        if system == "c360" and data.goal is not None and found["f1"] < data.goal:
            note += f"; goal {data.goal} missed"
        yield {"data": data.name, "system": system} | {key: round(found[key], 1 if key == "rss_mb" else 5) for key in KEYS}, note


def show(console: Console, entries: list[tuple[Entry, str]]) -> None:
    """One table, a line per entry."""
    table = Table(*("data", "system"), box=None, pad_edge=False)
    for name in ("P", "R", "F1", "B³ F1", "s", "MB"):
        table.add_column(name, justify="right")
    table.add_column("")
    for entry, note in entries:
        shares = ["–" if entry[key] is None else f"{entry[key]:.4f}" for key in KEYS[:4]]
        table.add_row(entry["data"], entry["system"], *shares, f"{entry['seconds']:.1f}", f"{entry['rss_mb']:.0f}", note)
    console.print(table)


def growth(console: Console, sizes: tuple[int, ...]) -> list[Entry]:
    """c360's time per record as the table grows."""
    entries = []
    for size in sizes:
        data = made("people", size, WORK)
        found = c360(data, "--memory", "8GiB")  # five million need more than the default
        data.file.unlink()
        entry = {"records": size, "seconds": round(found["seconds"], 3), "microseconds_per_record": round(found["seconds"] / size * 1e6, 2)}
        entries.append(entry | {"f1": round(found["f1"], 5), "rss_mb": round(found["rss_mb"], 1)})
        console.print(entries[-1])
    return entries


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.identity", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--er", type=Path, default=Path("..") / "shared" / "data" / "er", help="folder of the public sets")
    parser.add_argument("--data", nargs="+", choices=[row[0] for row in (*PUBLIC, *MADE)], help="these sets alone")
    parser.add_argument("--records", type=int, default=1_000_000, help="how many made-up records")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} made-up records; results to the working folder")
    parser.add_argument("--systems", default="c360,splink")
    parser.add_argument(
        "--splink", type=Path, default=splink_rival.ENVIRONMENT, metavar="PYTHON", help="of the environment with Splink in it"
    )
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


def main() -> int:
    """The command."""
    args, console = arguments(), Console(width=None if sys.stdout.isatty() else 160)
    if args.growth:
        entries = growth(console, GROWTH[:2] if args.quick else GROWTH)
        write(args.output or (WORK / "growth.json" if args.quick else RESULTS / "identity_growth.json"), entries)
        return 0
    systems = args.systems.split(",")
    if "splink" in systems and not args.splink.exists():
        console.print(f"without Splink: there is no {args.splink} (`make bench-identity` builds it)")
        systems.remove("splink")
    found, missing = public(args.er)
    if missing:
        console.print(f"without {', '.join(missing)}: not in {args.er}")
    wanted = args.data or [row[0] for row in (*PUBLIC, *MADE)]
    measured: list[tuple[Entry, str]] = []
    for name in wanted:
        chosen = [s for s in found if s.name == name] or [
            made(n, QUICK if args.quick else args.records, WORK) for n, _, _ in MADE if n == name
        ]
        for data in chosen:
            console.print(f"{name} ...", style="dim")
            measured += measure(data, systems, args.splink)
    show(console, measured)
    partial = args.quick or args.data or systems != ["c360", "splink"]
    write(args.output or (WORK / "identity.json" if partial else RESULTS / "identity.json"), [entry for entry, _ in measured])
    return int(any(entry["system"] == "c360" and (entry["f1"] is None or note.endswith("missed")) for entry, note in measured))


def write(file: Path, entries: list[Entry]) -> None:
    """One entry a line, so that a change of one reads as one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
