"""c360, the rival and the plans by hand over one world, in one run: who answers what, how fast, and by moving how much.

    python -m benchmarks.run [--people 500000] [--folder DIR] [--only QUESTION] [--systems rival,byhand,c360] [--output FILE]

For each question the systems take turns, so that what else the machine does meets all three. Every system's first answer is its
warm-up, and is compared with the rival's. Exit code 1 if an answer differs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import answers
from benchmarks.questions import QUESTIONS, Question
from benchmarks.rivals.by_hand import ByHand
from benchmarks.rivals.duckdb_views import DuckDBViews
from benchmarks.system import Busy, System
from benchmarks.worlds import World, default_folder, open_world

SYSTEMS = ("rival", "byhand", "c360")
ROUNDS = 3
ROUND_MS = 40  # a system's turn: at least one call, and as many as fit
CALLS = 200  # of a turn, at most
RESULTS = Path(__file__).parent / "results" / "queries.json"


def measure(systems: Sequence[System], question: Question) -> dict[str, list[float]]:
    """Milliseconds of every call, by system, in turns."""
    times: dict[str, list[float]] = {system.name: [] for system in systems}
    for _ in range(ROUNDS):
        for system in systems:
            turn: list[float] = []
            while not turn or (sum(turn) < ROUND_MS and len(turn) < CALLS):
                start = time.perf_counter()
                system.ask(question.name)
                turn.append((time.perf_counter() - start) * 1000)
            times[system.name] += turn
    return times


def disagreements(systems: Sequence[System], question: Question) -> list[str]:
    """What is wrong with the systems' answers, the first system's being right."""
    first, *others = systems
    table = first.ask(question.name)
    assert table is not None, "the first system must answer"
    expected, allowed = answers.rows(table, question), None
    if question.unlimited and isinstance(first, DuckDBViews):
        allowed = answers.rows(first.query(question.unlimited), question)
    wrong = []
    for system in others:
        table = system.ask(question.name)
        if table is not None and (why := answers.difference(question, expected, answers.rows(table, question, system.people), allowed)):
            wrong.append(f"{question.name}: {system.name} answers otherwise than {first.name}: {why}")
    return wrong


def results_of(systems: Sequence[System], question: Question) -> list[dict[str, object]]:
    """One entry a system, as queries.json holds them."""
    times = measure(systems, question)
    entries: list[dict[str, object]] = []
    for system in systems:
        moved, taken = system.moved(question.name), times[system.name]
        entries.append(
            {
                "question": question.name,
                "system": system.name,
                "best_ms": round(min(taken), 3),
                "median_ms": round(statistics.median(taken), 3),
                "rows_moved": moved.rows,
                "bytes_moved": moved.bytes,
            }
        )
    return entries


def print_results(console: Console, results: Sequence[dict[str, object]]) -> None:
    """One line a question: best times, how many times faster than the rival, rows moved."""
    names = [name for name in SYSTEMS if any(r["system"] == name for r in results)]
    table = Table(title="best ms (median) · rows moved", title_justify="left")
    table.add_column("question")
    for name in names:
        table.add_column(name, justify="right")
        table.add_column("rows", justify="right")
        if name != "rival":
            table.add_column("× rival", justify="right")
    by_question: dict[object, dict[object, dict[str, object]]] = {}
    for result in results:
        by_question.setdefault(result["question"], {})[result["system"]] = result
    for question, by_system in by_question.items():
        cells = []
        for name in names:
            result = by_system[name]
            cells += [f"{result['best_ms']:.1f} ({result['median_ms']:.1f})", f"{result['rows_moved']:,}"]
            if name != "rival":
                cells.append(f"{by_system['rival']['best_ms'] / result['best_ms']:.2f}" if "rival" in by_system else "")  # type: ignore[operator]
        table.add_row(str(question), *cells)
    console.print(table)


def print_c360(console: Console, systems: Sequence[System]) -> None:
    """What only c360 is asked: resolving, profiles one by one and by many callers, starting up."""
    from benchmarks.c360_system import C360
    from benchmarks.latency import latencies
    from benchmarks.startup import startup

    for system in systems:
        if isinstance(system, C360):
            console.print(f"resolve: {system.resolve_s:.1f} s, the crosswalk is the truth's")
            for latency in latencies(system):
                console.print(str(latency))
            for what, seconds in startup().items():
                console.print(f"{what}: {seconds:.3f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=500_000)
    parser.add_argument("--folder", type=Path, help="of the world, built there if it is not there")
    parser.add_argument("--only", choices=[q.name for q in QUESTIONS], help="one question")
    parser.add_argument("--systems", default=",".join(SYSTEMS), help="of rival, byhand, c360: the first is taken to be right")
    parser.add_argument("--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)

    folder = args.folder or default_folder(args.people)
    was_running = World(folder.resolve(), args.people).postgres.running()
    world = open_world(folder, args.people)
    busy = Busy.of(world)
    systems = [_system(name)(world, busy) for name in args.systems.split(",")]
    results: list[dict[str, object]] = []
    wrong: list[str] = []
    try:
        for question in QUESTIONS:
            if args.only in (None, question.name):
                wrong += disagreements(systems, question)
                results += (entries := results_of(systems, question))
                print(f"{question.name:20s} " + "  ".join(f"{e['system']} {e['best_ms']} ms" for e in entries), file=sys.stderr, flush=True)
        print_results(console, results)
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(results, indent=1) + "\n")
        console.print("\n".join(wrong) or f"all answers agree · {args.output}", markup=False)
        print_c360(console, systems)
    finally:
        for system in systems:
            system.close()
        if not was_running:
            world.postgres.stop()
    return 1 if wrong else 0


def _system(name: str):  # type: ignore[no-untyped-def]
    if name == "c360":
        from benchmarks.c360_system import C360  # not imported before: it may be left out

        return C360
    return {"rival": DuckDBViews, "byhand": ByHand}[name]


if __name__ == "__main__":
    sys.exit(main())
