"""What is measured: public labelled tables that lie beside the checkout, and people made for the purpose."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TRUTH = "cluster_id"


@dataclass(frozen=True, slots=True)
class DataSet:
    """A table whose column `cluster_id` says who is who and whose `rec_id` is unique.

    `rival` names Splink's model for it (none: it has no columns that Splink's example models know). `goal` is the least F1 that c360
    is meant to reach, None if none was set.
    """

    name: str
    file: Path
    rival: str | None
    goal: float | None


PUBLIC = (
    ("febrl1", "febrl1", None),
    ("febrl2", "febrl2", None),
    ("febrl3", "febrl3", 0.9995),
    ("febrl4", "febrl4", 1.0),
    ("fake_1000", "fake_1000", 0.955),
    ("pseudopeople_sample", "pseudopeople_sample", 0.99),
    ("senzing_truthset", None, None),
    ("dedupe_chicago", "dedupe_chicago", None),
)
MADE = (("people", False, 0.925), ("people_poisoned", True, 0.905))
GOAL_RECORDS = 1_000_000  # the goals of the made-up people are for this many


def public(folder: Path) -> tuple[list[DataSet], list[str]]:
    """The sets that are in the folder, and the names of those that are not."""
    every = [DataSet(name, folder / name / "records.csv", rival, goal) for name, rival, goal in PUBLIC]
    return [s for s in every if s.file.is_file()], [s.name for s in every if not s.file.is_file()]


def made(name: str, records: int, folder: Path) -> DataSet:
    """One of `MADE`, written anew: nobody measures on the people of an older generator."""
    poisoned, goal = {n: (p, g) for n, p, g in MADE}[name]
    file = (folder / f"{name}_{records}.parquet").absolute()
    command = [sys.executable, "-m", "benchmarks.identity.people", str(file), "--records", str(records), "--blind"]
    subprocess.run([*command, "--poison"] if poisoned else command, check=True)
    return DataSet(name, file, "people", goal if records == GOAL_RECORDS else None)
