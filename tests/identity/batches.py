"""Histories in batches, and two crosswalks of each: one resolved whole every time, the other only where something changed."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from people import ATTRIBUTES, Row, kin, strangers
from records import SECRET, record_set

from identity.crosswalk import Crosswalk
from identity.engines import Engines
from identity.incremental.resolving import incremental
from identity.model import MatchKey, MatchModel, MatchRule, RecordSet
from identity.probabilistic.kinds import recognise
from identity.report import ResolveReport
from identity.resolve import resolve
from identity.stewardship.decisions import Decision
from identity.versions.store import CrosswalkStore

MODEL = MatchModel(recognise(ATTRIBUTES), block_cap=8)
SOURCES = ("crm", "shop")
World = dict[tuple[str, int], Row]
IDENTIFIERS = {"individual": {"email": MatchKey("email", "email")}}


def sets(world: World) -> list[RecordSet]:
    return [
        record_set([{"k0": key, **row} for (s, key), row in world.items() if s == source], source, attributes=ATTRIBUTES)
        for source in SOURCES
    ]


def trained(folder: Path, people: Sequence[Row]) -> Path:
    """The folder of a model trained on these people."""
    world = {(SOURCES[i % 2], i): row for i, row in enumerate(people)}
    engines = Engines(SECRET, {"individual": MODEL}, folder / "models")
    resolve(sets(world), {}, CrosswalkStore(folder / "state"), SECRET, engines=engines)
    engines.save()
    return folder / "models"


class Both:
    """Two crosswalks of one history: one resolved whole every time, the other only where something changed."""

    limits: ClassVar[Mapping[str, Any]] = {}
    """What the engines are told besides."""

    def __init__(
        self, folder: Path, models: Path, rules: dict[str, tuple[MatchRule, ...]] | None = None, probable: bool = True, cap: int = 100
    ):
        self.whole, self.little = CrosswalkStore(folder / "whole"), CrosswalkStore(folder / "little")
        self.models, self.rules, self.probable, self.cap = models, rules or {}, probable, cap
        self.decisions: tuple[Decision, ...] = ()

    def engines(self) -> Engines:
        return Engines(SECRET, {"individual": MODEL} if self.probable else {}, self.models, self.cap, **self.limits)

    def start(self, world: World) -> None:
        ways: dict[str, Any] = {"identifiers": IDENTIFIERS, "decisions": self.decisions}
        resolve(sets(world), self.rules, self.little, SECRET, engines=self.engines(), index=True, **ways)
        shutil.copytree(self.little.directory, self.whole.directory, dirs_exist_ok=True)

    def go_on(self, world: World, some: list[RecordSet] | None = None) -> ResolveReport:
        ways: dict[str, Any] = {"identifiers": IDENTIFIERS, "decisions": self.decisions}
        before = self.whole.current()
        whole = resolve(sets(world), self.rules, self.whole, SECRET, engines=self.engines(), **ways)
        report = incremental(some or sets(world), self.rules, self.little, SECRET, engines=self.engines(), **ways)
        assert report.ignored_decisions == whole.ignored_decisions
        assert (report.ids, report.singletons, report.largest) == (whole.ids, whole.singletons, whole.largest)
        self.same()
        now = self.whole.current()
        assert before is not None and now is not None and report.unchanged == whole.unchanged == (links(before) == links(now))
        return report

    def through(self, draw: random.Random, world: World, people: list[Row], batches: int) -> Iterator[tuple[World, ResolveReport]]:
        """Batch after batch: what there is then, and the report."""
        self.start(world)
        for step in range(1, batches + 1):
            world = batch(draw, world, people, step)
            yield world, self.go_on(world)

    def same(self) -> None:
        one, other = self.whole.current(), self.little.current()
        assert one is not None and other is not None
        assert links(other) == links(one)
        for sql in (
            "SELECT * FROM xw.id_history ORDER BY ALL",
            "SELECT * FROM xw.id_event ORDER BY ALL",
            "SELECT * FROM xw.redirect ORDER BY ALL",
            "SELECT name, links FROM xw.link_table ORDER BY ALL",
            *(f"SELECT * FROM xw.{t.name} ORDER BY ALL" for t in one.identifiers),
        ):
            assert other.reader.execute(sql).fetchall() == one.reader.execute(sql).fetchall(), sql
        runs = "SELECT run, links, ids, minted, merged, retired FROM xw.run ORDER BY run"
        assert other.reader.execute(runs).fetchall() == one.reader.execute(runs).fetchall()


def links(crosswalk: Crosswalk) -> dict[tuple[str, int], int]:
    return {
        (table.source, key): id360
        for table in crosswalk.links
        for key, id360 in crosswalk.reader.execute(f"SELECT k0, id360 FROM xw.{table.name}").fetchall()
    }


def misspelt(draw: random.Random, row: Row) -> Row:
    """The same person, as another system has it."""
    changed = dict(row)
    for _ in range(draw.randint(1, 3)):
        name = draw.choice(ATTRIBUTES)
        value = changed[name]
        if value is None or draw.random() < 0.3:
            changed[name] = None
        else:
            at = draw.randrange(len(value))
            changed[name] = value[:at] + draw.choice("aeio1") + value[at + 1 :]
    return changed


def crowd(draw: random.Random, count: int) -> list[Row]:
    """People of few names in few houses, so that blocks are around their caps all the time."""
    first, last, city = ("Ann", "Tom", "Eve", "Max"), ("Li", "Ray", "Fox"), ("Bath", "York")
    people = strangers(count, 0, seed=draw.randrange(1000))
    for row in people:
        if draw.random() < 0.5:
            row |= {"first_name": draw.choice(first), "last_name": draw.choice(last), "city": draw.choice(city)}
        if draw.random() < 0.3:
            row |= {"phone": f"0711111111{draw.randrange(3)}", "birth_date": None}
    return people


def history(seed: int) -> tuple[random.Random, World, list[Row]]:
    draw = random.Random(seed)
    people = crowd(draw, 130)
    people += kin(people[:25], seed)
    world = {(draw.choice(SOURCES), i): dict(row) for i, row in enumerate(people)}
    world |= {(draw.choice(SOURCES), 1000 + i): misspelt(draw, draw.choice(people)) for i in range(60)}
    return draw, world, people


def batch(draw: random.Random, world: World, people: list[Row], step: int) -> World:
    """A few records come, a few change, a few go."""
    later = dict(world)
    for key in draw.sample(sorted(later), draw.randint(0, 5)):
        del later[key]
    for key in draw.sample(sorted(later), draw.randint(0, 5)):
        later[key] = misspelt(draw, draw.choice(people) if draw.random() < 0.5 else later[key])
    for i in range(draw.randint(0, 6)):
        later[draw.choice(SOURCES), draw.choice((1, -1)) * (10_000 * step + i)] = misspelt(draw, draw.choice(people))
    return later
