"""Sources that hold each person once: no two of their records are one, by rules or a model, whole or incremental. A steward may."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from batches import IDENTIFIERS, MODEL, Both, history, links, sets
from people import Row, people_set, strangers
from records import RULES, SECRET, record_set

from identity.engines import Engines
from identity.evidence.reading import evidence_of
from identity.incremental.record_index import NoIndex
from identity.incremental.resolving import incremental
from identity.probabilistic.exclusion import doubled
from identity.resolve import MEMORY_LIMIT, quiet, resolve
from identity.retrain import retrain
from identity.stewardship.decision_log import decide, read_decisions
from identity.stewardship.decisions import SAME, Decision, RecordName
from identity.stewardship.review import review
from identity.versions.store import CrosswalkStore


class Once(Both):
    """As Both, where the CRM holds each person once."""

    limits: ClassVar = {"once": {"individual": ("crm",)}}

    def same(self) -> None:
        super().same()
        found = links(self.little.current())  # type: ignore[arg-type]
        assert max(Counter(id360 for (source, _), id360 in found.items() if source == "crm").values()) == 1


@pytest.mark.usefixtures("any_share")
@pytest.mark.parametrize(("seed", "ruled", "probable"), [(31, False, True), (32, True, True), (33, True, False)])
def test_batch_after_batch_as_a_whole_resolve(tmp_path: Path, models: Path, seed: int, ruled: bool, probable: bool) -> None:
    for _ in Once(tmp_path, models, RULES if ruled else None, probable, cap=12).through(*history(seed), batches=2):
        pass


def test_an_index_made_without_the_limit_is_not_built_upon(tmp_path: Path, models: Path) -> None:
    _, world, _ = history(34)
    both = Both(tmp_path, models)
    both.start(world)
    limited = Once(tmp_path, models)
    with pytest.raises(NoIndex, match="each person once"):
        incremental(sets(world), {}, both.little, SECRET, engines=limited.engines(), identifiers=IDENTIFIERS)


def exact(store: CrosswalkStore, rows: dict[tuple[str, int], Row], once: tuple[str, ...], **options: Any) -> dict[tuple[str, int], int]:
    """Resolve by rules alone; rows are keyed by (table, key). The id of each."""
    tables = [
        record_set([{"k0": key, **row} for (name, key), row in rows.items() if name == table], source, table)
        for source, table in (("crm", "contact"), ("crm", "lead"), ("shop", "customer"))
    ]
    resolve(tables, RULES, store, SECRET, engines=Engines(SECRET, {}, store.directory, once={"individual": once}), **options)
    found = store.current()
    assert found is not None
    return {
        (t.table, key): id360 for t in found.links for key, id360 in found.reader.execute(f"SELECT k0, id360 FROM xw.{t.name}").fetchall()
    }


ONE_FAMILY: dict[tuple[str, int], Row] = {
    ("contact", 1): {"email": "us@x.de"},
    ("contact", 2): {"email": "us@x.de", "phone": "+49301111111"},
    ("lead", 1): {"email": "us@x.de"},
    ("customer", 1): {"email": "us@x.de", "phone": "+49301111111"},
}


def test_a_source_a_table_and_a_steward(tmp_path: Path) -> None:
    without = exact(CrosswalkStore(tmp_path / "without"), ONE_FAMILY, ())
    assert len(set(without.values())) == 1
    source = exact(CrosswalkStore(tmp_path / "source"), ONE_FAMILY, ("crm",))
    assert len({source["contact", 1], source["contact", 2], source["lead", 1]}) == 3, "a lead is of the same source"
    table = exact(CrosswalkStore(tmp_path / "table"), ONE_FAMILY, ("crm.contact",))
    assert table["contact", 1] != table["contact", 2] and table["lead", 1] in (table["contact", 1], table["contact", 2])
    assert table["customer", 1] == table["contact", 2], "what agrees on the rarer value joins first"
    log = tmp_path / "decisions.jsonl"
    one, other = (RecordName("crm", "contact", (key,)) for key in ("1", "2"))
    decide(log, Decision(SAME, "individual", "", one, other, None, "twice in there", "ana", datetime.now(UTC), None))
    decided = exact(CrosswalkStore(tmp_path / "decided"), ONE_FAMILY, ("crm.contact",), decisions=read_decisions(log).active())
    assert decided["contact", 1] == decided["contact", 2] == decided["customer", 1]


def test_a_steward_joins_two_of_a_source_that_nothing_else_ties(tmp_path: Path, models: Path) -> None:
    """By rules, by the model, and incrementally."""
    one, other = (RecordName("crm", "contact", (key,)) for key in ("1", "2"))
    log = tmp_path / "decisions.jsonl"
    decide(log, Decision(SAME, "individual", "", one, other, None, "twice in there", "ana", datetime.now(UTC), None))
    decided = read_decisions(log).active()
    alone: dict[tuple[str, int], Row] = {("contact", 1): {"email": "a@x.de"}, ("contact", 2): {"email": "b@x.de"}}
    found = exact(CrosswalkStore(tmp_path / "rules"), alone, ("crm",), decisions=decided)
    assert found["contact", 1] == found["contact", 2]
    people = strangers(600, 0)
    given = [people_set(people, "crm"), people_set(people[300:], "shop")]
    store = CrosswalkStore(tmp_path / "model")
    engines = Engines(SECRET, {"individual": MODEL}, models, index=True, once={"individual": ("crm",)})
    resolve(given, {}, store, SECRET, engines=engines, index=True)
    incremental(given, {}, store, SECRET, engines=engines, decisions=decided)
    held = links(store.current())  # type: ignore[arg-type]
    assert held["crm", 1] == held["crm", 2] and len({held["crm", i] for i in range(1, 601)}) == 599


def test_what_the_limit_refused_is_there_to_be_reviewed(tmp_path: Path) -> None:
    store = CrosswalkStore(tmp_path)
    exact(store, {key: ONE_FAMILY[key] for key in (("contact", 1), ("contact", 2))}, ("crm",))
    crosswalk = store.current()
    assert crosswalk is not None
    (item,) = review(evidence_of(crosswalk, "individual", ""), SECRET)
    assert (item.kind, item.a, item.b) == ("refused merge", "crm.contact:1", "crm.contact:2")
    assert "crm holds each person once" in str(item)


def test_the_model_keeps_them_apart_and_says_which_limit_did(tmp_path: Path) -> None:
    """Twice the same people in one source, and once in another: each finds one of the two, and no two of one source are one."""
    people = strangers(400, 0)
    twins = [{**row, "phone": None} for row in people[:40]]
    sets = [people_set(people + twins, "crm"), people_set(people[:80], "shop")]
    found = {}
    for name, once in (("free", ()), ("limited", ("crm",))):
        store = CrosswalkStore(tmp_path / name)
        engines = Engines(SECRET, {"individual": MODEL}, tmp_path / "models", once={"individual": once})
        resolve(sets, {}, store, SECRET, engines=engines)
        engines.save()
        found[name] = links(store.current())  # type: ignore[arg-type]
    free, limited = found["free"], found["limited"]
    assert sum(free["crm", i] == free["crm", 400 + i] for i in range(1, 41)) >= 38
    assert len({limited["crm", i] for i in range(1, 441)}) == 440
    assert all(limited["shop", i] in (limited["crm", i], limited["crm", 400 + i]) for i in range(1, 41))
    assert all(limited["shop", i] == free["crm", i] for i in range(41, 81))


def test_the_one_that_more_speaks_for_gets_it(tmp_path: Path) -> None:
    """Both are as good as certain; the second says more. Whatever the order, and without the limit nothing is weighed otherwise."""
    people = strangers(400, 0)
    poorer = [{**row, "phone": None, "street": None} for row in people[:40]]
    shop = people_set(people[:80], "shop")
    for name, crm, better in (("first", poorer + people, 40), ("last", people + poorer, 0)):
        store = CrosswalkStore(tmp_path / name)
        engines = Engines(SECRET, {"individual": MODEL}, tmp_path / "models", once={"individual": ("crm",)})
        resolve([people_set(crm, "crm"), shop], {}, store, SECRET, engines=engines)
        engines.save()
        found = links(store.current())  # type: ignore[arg-type]
        assert [i for i in range(1, 41) if found["shop", i] != found["crm", better + i]] == []
        queue = review(evidence_of(store.current(), "individual", ""), SECRET, limit=100, kinds=["refused merge"])  # type: ignore[arg-type]
        spare = {f"crm.contact:{(400 if name == 'last' else 0) + i}" for i in range(1, 41)}
        assert spare <= {record for item in queue for record in (item.a, item.b)}, "the other one is there to be reviewed"


def test_training_anew_goes_by_the_limit(tmp_path: Path) -> None:
    people = strangers(300, 0)
    sets = [people_set(people, "crm"), people_set(people[:200], "shop")]
    engines = Engines(SECRET, {"individual": MODEL}, tmp_path / "models", anew=True, once={"individual": ("crm", "shop.customer")})
    (use,) = retrain(sets, {}, CrosswalkStore(tmp_path / "store"), engines, progress=quiet, memory_limit=MEMORY_LIMIT)
    assert use.trained and use.records == 500


def test_pairs_of_one_source_are_all_pairs() -> None:
    draw = random.Random(5)
    labels = np.array([draw.randrange(4) for _ in range(60)])
    once = np.array([draw.choice([-1, 0, 1]) for _ in range(60)])
    left, right, number = doubled(labels, once)
    pairs = {(a, b, int(once[a])) for a in range(60) for b in range(a + 1, 60) if labels[a] == labels[b] and once[a] == once[b] != -1}
    assert sorted(zip(left.tolist(), right.tolist(), number.tolist(), strict=True)) == sorted(pairs)
    none = doubled(labels, np.full(60, -1))
    assert [len(side) for side in none] == [0, 0, 0]
