"""How long it takes to tell why two records are one person, or two, from the evidence kept with a version.

    python -m benchmarks.identity.why [--people FILE.parquet] [--records 1000000] [--asked 300] [--quick]

Made-up people are resolved; then pairs drawn at random are asked for, each by its two source keys: of one person (`same`), nearly one
(`near`), and having nothing to do with one another (`strangers`). The first of a process opens the evidence (`first_ms`). Writes
benchmarks/results/identity_why.json; exit code 1 if, at a million records, a median is above the goal.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.identity.incremental import SECRET, Sources, engines
from benchmarks.identity.people import made
from identity.crosswalk import Crosswalk
from identity.evidence.reading import Member, StoredEvidence, evidence_of
from identity.evidence.why import why
from identity.resolve import resolve
from identity.versions.store import CrosswalkStore

RESULT = Path(__file__).parent.parent / "results" / "identity_why.json"
GOAL = 20.0
"""Milliseconds, the median over a million records."""
Pair = tuple[Member, Member]


def draw(evidence: StoredEvidence, asked: int) -> dict[str, list[Pair]]:
    """So many pairs of each kind, at random but the same each time."""
    found = {}
    for nth, (kind, pairs) in enumerate((("same", evidence.inside()), ("near", evidence.near()))):
        chosen = pairs.where(np.random.default_rng(nth).permutation(len(pairs))[:asked])
        members = evidence.named([*chosen.left.tolist(), *chosen.right.tolist()])
        found[kind] = [(members[a], members[b]) for a, b in zip(chosen.left.tolist(), chosen.right.tolist(), strict=True)]
    others = [pair[1] for pair in found["near"]]
    return found | {"strangers": list(zip([pair[0] for pair in found["same"]], others, strict=False))}


def measured(crosswalk: Crosswalk, pairs: list[Pair]) -> dict[str, float]:
    """Milliseconds of one question each, from the two keys on."""
    times = []
    for a, b in pairs:
        started = time.perf_counter()
        evidence = evidence_of(crosswalk, "individual", "")
        found = why(evidence, *(evidence.find(m.table.source, m.table.table, m.key) for m in (a, b)))
        times.append((time.perf_counter() - started) * 1000)
        assert found.same == (a.id360 == b.id360)
    p50, p99 = np.percentile(times, [50, 99])
    return {"p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2)}


def measure(folder: Path, file: Path, asked: int) -> dict[str, Any]:
    """Resolve, then ask."""
    store = CrosswalkStore(folder / "crosswalk")
    report = resolve(Sources(folder, file, 1, 0).sets(), {}, store, SECRET, engines=engines(folder))
    crosswalk = store.current()
    assert crosswalk is not None
    pairs = draw(evidence_of(crosswalk, "individual", ""), asked)
    opened = Crosswalk(crosswalk.path)
    first = measured(opened, pairs["same"][:1])["p50_ms"]
    kinds = {kind: measured(opened, some) for kind, some in pairs.items()}
    return {"records": report.links, "asked": asked, "first_ms": first, **kinds, "goal_ms": GOAL}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.identity.why", description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--asked", type=int, default=300)
    parser.add_argument("--quick", action="store_true", help="20 000 records; no result is written")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = given.people or made(20_000 if given.quick else given.records, folder)
        found = measure(folder, file, given.asked)
    print(json.dumps(found, indent=1))
    if given.quick or found["records"] != 1_000_000:
        return 0
    RESULT.write_text(json.dumps(found, indent=1) + "\n")
    return int(max(found[kind]["p50_ms"] for kind in ("same", "near", "strangers")) > GOAL)


if __name__ == "__main__":
    sys.exit(main())
