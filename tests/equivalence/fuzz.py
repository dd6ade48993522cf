"""Random queries, with passes on, off and in part, against local copies of everything.

    python -m tests.equivalence.fuzz --count 1000 --seed 1 [--postgres]

Prints every difference with its query, and a line of figures.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import duckdb

from connectors.spi.errors import C360Error
from federation.passes import NAMES
from tests.equivalence.generator import Generated, Generator
from tests.equivalence.oracle import LocalCopy, comparable
from tests.support.world import World, make

PRINCIPALS = ("root", "root", "ana", "aud", None)


@dataclass
class Campaign:
    """What came of it. `refused`: DuckDB and c360 both would not answer. `differences` are texts for people."""

    compared: int = 0
    queries: int = 0
    refused: int = 0
    rows: int = 0
    differences: list[str] = field(default_factory=list)


def run(
    world: World, local: LocalCopy, count: int, seed: int, *, seconds: float = float("inf"), all_off: float = 0.15, first_only: bool = False
) -> Campaign:
    """Ask `count` random queries, or as many as `seconds` allow; a share `all_off` of them with no pass at all, too.

    With `first_only` the first difference ends it."""
    generator, rng, done = Generator(seed, local.ids), Random(seed), Campaign()
    end = time.monotonic() + seconds
    for _ in range(count):
        if time.monotonic() > end or (first_only and done.differences):
            break
        query = generator.query()
        principal = rng.choice(PRINCIPALS)
        off = [(), tuple(n for n in NAMES if n != "prune_columns" and rng.random() < 0.5), *([NAMES] if rng.random() < all_off else [])]
        compare(world, local, query, principal, off, done)
    return done


def compare(
    world: World, local: LocalCopy, query: Generated, principal: str | None, subsets: list[tuple[str, ...]], done: Campaign
) -> None:
    session = world.project.session(principal)
    done.queries += 1
    right = _attempt(lambda: local.sql(session, query.sql, query.params), query)
    for off in subsets:
        answer = _attempt(lambda off=off: session.sql(query.sql, query.params, passes_off=off).fetchall(), query)
        done.compared += 1
        if isinstance(answer, str) and isinstance(right, str):
            done.refused += 1
        elif answer != right:
            without = f" without {', '.join(off)}" if off else ""
            done.differences.append(
                f"as {principal}{without}: {query.sql}\n  params {query.params}\n  right {_short(right)}\n  got   {_short(answer)}"
            )
    done.rows += len(right) if isinstance(right, list) else 0


def _attempt(ask: Any, query: Generated) -> Any:
    """The rows, or why there are none."""
    try:
        return comparable(ask(), ordered=query.ordered)
    except (duckdb.Error, C360Error) as error:
        return f"{type(error).__name__}: {error}"


def _short(answer: Any) -> str:
    return answer[:300] if isinstance(answer, str) else f"{len(answer)} rows {str(answer[:2])[:300]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--world", type=int, default=7, help="seed of the data")
    parser.add_argument("--postgres", action="store_true", help="with a fourth system, a PostgreSQL")
    given = parser.parse_args()
    server = None
    if given.postgres:
        from tests.support.postgres import server as started

        server = started()
    with tempfile.TemporaryDirectory() as folder:
        world = make(Path(folder), seed=given.world, postgres=server)
        done = run(world, LocalCopy(world), given.count, given.seed)
        world.project.close()
    print(*done.differences, sep="\n\n")
    print(f"\nseed {given.seed}: {done.queries} queries, {done.compared} comparisons, {done.rows} rows, {done.refused} refused, "
          f"{len(done.differences)} differences")  # fmt: skip
    return 1 if done.differences else 0


if __name__ == "__main__":
    sys.exit(main())
