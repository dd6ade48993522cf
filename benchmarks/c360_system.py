"""c360 under measurement: the same world as a project, its crosswalk resolved by c360 itself and held against the truth."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import duckdb
import pyarrow as pa

import c360
from benchmarks.questions import QUESTIONS
from benchmarks.system import Busy, Moved
from benchmarks.worlds import World

PROJECT = Path(__file__).parent / "project" / "c360.yml"


class WrongCrosswalk(Exception):
    """The ids that c360 gave are not the truth's persons under other names: nothing after this would mean anything."""


class C360:
    """`people` translates its id360s into the truth's numbers, `id_of` back; `resolve_s` is how long resolving took."""

    name = "c360"

    def __init__(self, world: World, busy: Busy) -> None:
        os.environ["C360_BENCH_CRM"], os.environ["C360_BENCH_SHOP"] = world.postgres.uri("crm"), world.postgres.uri("shop")
        self.project = c360.connect(str(Path(shutil.copy(PROJECT, world.folder))))
        start = time.perf_counter()
        self.project.resolve()
        self.resolve_s = time.perf_counter() - start
        self.session = self.project.session()
        self.people = self._persons(world)
        ids = {person: id360 for id360, person in self.people.items()}
        fifty = ", ".join(str(ids[person]) for person in busy.fifty if person in ids)
        values = {"id": ids[busy.person], "email": busy.email, "ids": fifty}
        self.questions = {q.name: q.c360.format(**values) for q in QUESTIONS}
        self.id_of = ids

    def _persons(self, world: World) -> dict[int, int]:
        """id360 → the truth's number; raises unless they are one to one and every record has its id."""
        crosswalk = self.session.sql(
            "select source || '.' || split_part(source_table, '.', -1) as source, key, id360 from crosswalk"
        ).arrow()
        with duckdb.connect() as con:
            con.register("crosswalk", crosswalk)
            pairs = con.execute(
                f"select distinct x.id360, t.pid from '{world.truth}' t left join crosswalk x on x.source = t.source and x.key = t.key"
            ).fetchall()
        persons = {id360: person for id360, person in pairs if id360 is not None}
        if len(persons) != len(pairs) or len(set(persons.values())) != len(pairs):
            raise WrongCrosswalk(f"{len(pairs)} pairs of id360 and person, {len(persons)} ids, {len(set(persons.values()))} persons")
        return persons

    def ask(self, question: str) -> pa.Table:
        return self.session.sql(self.questions[question]).arrow()

    def moved(self, question: str) -> Moved:
        """Rows and bytes that the sources' answers held, by c360's own report."""
        result = self.session.sql(self.questions[question])
        result.arrow()
        return Moved(result.report.rows_moved, result.report.bytes_moved)

    def close(self) -> None:
        self.project.close()
