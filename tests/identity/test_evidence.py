"""Evidence is kept with the crosswalk: enough to explain every link and every near miss, and no value of anybody."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from people import ATTRIBUTES, Row, engine, kin, people_set, resolved, strangers
from records import RULES, SECRET, record_set

from identity.cohesion import cohesion, spanning_forest
from identity.engines import Engines
from identity.errors import NoEvidence, UnknownRecord
from identity.evidence.document import MODEL
from identity.evidence.reading import StoredEvidence, evidence_of
from identity.evidence.waterfall import Bar, Waterfall, score, told_silent
from identity.evidence.why import why, why_cluster
from identity.matching import Matching
from identity.model import MatchKey, MatchRule
from identity.resolve import resolve
from identity.versions.rollback import rollback
from identity.versions.store import CrosswalkStore

TWICE = 60


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    people = strangers(200, TWICE)
    return people + kin(people[100:110])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> CrosswalkStore:
    kept = CrosswalkStore(tmp_path_factory.mktemp("evidence"))
    resolved(kept, people_set(rows[:200]), people_set(rows[200:], "shop"))
    return kept


@pytest.fixture(scope="module")
def evidence(store: CrosswalkStore) -> StoredEvidence:
    crosswalk = store.current()
    assert crosswalk is not None
    return evidence_of(crosswalk, "individual", "")


def test_every_pair_inside_a_cluster_is_kept_with_what_joined_it(evidence: StoredEvidence) -> None:
    inside = evidence.inside()
    assert len(inside) == TWICE and {evidence.document.rules[r] for r in inside.rule} == {"model"}
    assert (inside.odds > 0).all() and evidence.document.compared == 270 * 269 // 2
    assert sum(evidence.document.inside) == TWICE and sum(evidence.document.across) == evidence.document.compared - TWICE
    assert evidence.document.sizes == {1: 150, 2: TWICE} and evidence.document.pairs == TWICE


def test_the_levels_and_the_model_give_the_odds_that_are_kept(evidence: StoredEvidence) -> None:
    given = [score(evidence.document, levels.tolist()) for levels in evidence.patterns]
    assert np.allclose(given, evidence.odds, atol=1e-3) and len(given) >= 2


def test_near_pairs_are_found_from_either_side(evidence: StoredEvidence) -> None:
    near = evidence.near()
    assert len(near) and (near.odds > -10).all()
    one, other = int(near.left[0]), int(near.right[0])
    from_there = evidence.near(int(near.beyond[0]))
    assert (one, other) in zip(from_there.right.tolist(), from_there.left.tolist(), strict=True)


def test_why_two_records_are_one(evidence: StoredEvidence, rows: list[Row]) -> None:
    a, b = evidence.find("crm", "contact", ["7"]), evidence.find("shop", "contact", [7])
    started = time.process_time()
    told = why(evidence, a, b)
    took = time.process_time() - started
    assert told.same and len(told.path) == 1 and told.direct == told.path[0]
    fall = told.path[0].waterfall
    assert fall is not None and fall.posterior is not None and fall.posterior > 0.9
    assert fall.prior + sum(bar.bits for bar in fall.bars) + fall.household == pytest.approx(fall.odds, abs=1e-3)
    assert sum(bits for _, _, bits in fall.steps) == pytest.approx(fall.odds, abs=1e-3)
    levels = {bar.factor: bar.level for bar in fall.bars}
    assert levels["birth date"] == "same" and levels["phone"] == "different" and levels["e-mail"].startswith("same")
    assert all(flip.odds < 0 for flip in fall.flips)
    assert took < 0.2, "20 ms are the goal; of a slow machine's processor more"


def test_what_says_nothing_is_no_step_and_the_steps_add_up() -> None:
    bars = Bar("name", "same", 12.5), Bar("phone", "missing", 0.04), Bar("e-mail", "missing", 0.0), Bar("city", "other", 0.03)
    fall = Waterfall(MODEL, -11.0, bars, -0.02, 1.55, 0.75)
    assert [(name, bits) for name, _, bits in fall.steps] == [
        ("what chance gives", -11.0), ("name: same", 12.5), ("all else together", pytest.approx(0.05))
    ]  # fmt: skip
    assert told_silent(fall) == "phone, e-mail: missing; city: other"
    loud = replace(fall, bars=bars[:1], household=0.0, odds=1.5)
    assert sum(bits for _, _, bits in loud.steps) == 1.5 and told_silent(loud) == "" and len(loud.steps) == 2


def test_why_two_records_are_not_one(evidence: StoredEvidence) -> None:
    near = evidence.near()
    members = evidence.named([int(near.left[0]), int(near.right[0])])
    told = why(evidence, members[int(near.left[0])], members[int(near.right[0])])
    assert not told.same and not told.path and told.direct is not None
    assert told.direct.waterfall is not None and told.direct.waterfall.odds < 0
    assert all(flip.odds > 0 for flip in told.direct.waterfall.flips)


def test_a_record_that_is_not_there(evidence: StoredEvidence) -> None:
    with pytest.raises(UnknownRecord):
        evidence.find("crm", "contact", ["no number"])
    with pytest.raises(UnknownRecord):
        evidence.find("crm", "nothing", [1])


def test_no_value_of_anybody_is_in_the_file(store: CrosswalkStore, rows: list[Row]) -> None:
    held = b"".join(path.read_bytes() for path in store.directory.rglob("*") if path.is_file()).lower()
    assert b"birth date" in held, "names of factors are there, so that the search below would find a text"
    for row in rows:
        for name in ATTRIBUTES:
            value = (row[name] or "").lower().encode()
            if len(value) > 5:
                assert value not in held and value.replace(b" ", b"") not in held, name


def test_exact_rules_explain_themselves_too(tmp_path: Path) -> None:
    rows = [
        {"k0": 1, "email": "a@example.org"},
        {"k0": 2, "email": "a@example.org", "phone": "0441234567"},
        {"k0": 3, "phone": "0441234567"},
        {"k0": 4, "email": "b@example.org"},
    ]
    store = CrosswalkStore(tmp_path)
    resolve([record_set(rows)], RULES, store, SECRET)
    crosswalk = store.current()
    assert crosswalk is not None
    evidence = evidence_of(crosswalk, "individual", "")
    one, three, four = (evidence.find("crm", "contact", [k]) for k in (1, 3, 4))
    told = why(evidence, one, three)
    assert [(step.a, step.b, step.joined) for step in told.path] == [
        ("crm.contact:1", "crm.contact:2", "email"),
        ("crm.contact:2", "crm.contact:3", "phone"),
    ]
    fall = told.path[0].waterfall
    assert fall is not None and [(bar.factor, bar.level) for bar in fall.bars] == [("email", "same, on 2 records")]
    assert fall.odds == pytest.approx(1.0) and fall.posterior is None
    assert not why(evidence, one, four).same
    hangs = why_cluster(evidence, one.id360)
    assert hangs is not None and hangs.bridge is None and len(hangs.strongest) == 2


def test_many_rules_are_told_apart(tmp_path: Path) -> None:
    """More rules than levels fit into one number of 64 bits."""
    names = [f"attribute{i}" for i in range(12)]
    rules = {"individual": tuple(MatchRule(n, (MatchKey(n, "exact"),)) for n in names)}
    rows = [{"k0": 2 * i + j, n: f"value {i}"} for i, n in enumerate(names) for j in (0, 1)]
    store = CrosswalkStore(tmp_path)
    resolve([record_set(rows, attributes=names)], rules, store, SECRET)
    crosswalk = store.current()
    assert crosswalk is not None
    evidence = evidence_of(crosswalk, "individual", "")
    for i, name in enumerate(names):
        told = why(evidence, evidence.find("crm", "contact", [2 * i]), evidence.find("crm", "contact", [2 * i + 1]))
        fall = told.path[0].waterfall
        assert fall is not None and [bar.factor for bar in fall.bars] == [name] and told.path[0].joined == name


def test_a_bridge_between_two_groups_is_named(tmp_path: Path) -> None:
    rules = {"individual": tuple(MatchRule(n, (MatchKey(n, n),)) for n in ("email", "phone"))}
    rows = [
        *({"k0": k, "email": "a@example.org"} for k in (1, 2)),
        {"k0": 3, "email": "a@example.org", "phone": "0441234567"},
        {"k0": 4, "email": "b@example.org", "phone": "0441234567"},
        *({"k0": k, "email": "b@example.org"} for k in (5, 6)),
    ]
    store = CrosswalkStore(tmp_path)
    resolve([record_set(rows)], rules, store, SECRET)
    crosswalk = store.current()
    assert crosswalk is not None
    evidence = evidence_of(crosswalk, "individual", "")
    hangs = why_cluster(evidence, evidence.find("crm", "contact", [1]).id360)
    assert hangs is not None and hangs.bridge is not None and hangs.parts == (3, 3)
    assert (hangs.bridge.a, hangs.bridge.b, hangs.bridge.joined) == ("crm.contact:3", "crm.contact:4", "phone")


def test_a_rollback_brings_evidence_back(tmp_path: Path, rows: list[Row]) -> None:
    store = CrosswalkStore(tmp_path)
    resolved(store, people_set(rows))
    before = evidence_of(store.at(1), "individual", "").inside()
    resolved(store, people_set(rows[:100]))
    found = evidence_of(rollback(store), "individual", "").inside()
    assert np.array_equal(found.left, before.left) and np.array_equal(found.odds, before.odds)


def test_a_matcher_that_gives_no_evidence_leaves_none(tmp_path: Path) -> None:
    class Silent:
        def needs(self, *_: object) -> tuple[MatchKey, ...]:
            return ()

        def match(self, records: object, *_: object) -> Matching:
            return Matching(np.arange(records.count))  # type: ignore[attr-defined]

    store = CrosswalkStore(tmp_path)
    resolve([record_set([{"k0": 1}])], RULES, store, SECRET, engines=Engines(SECRET, {}, tmp_path, only=Silent()))  # type: ignore[arg-type]
    crosswalk = store.current()
    assert crosswalk is not None
    with pytest.raises(NoEvidence):
        evidence_of(crosswalk, "individual", "")


def test_the_same_evidence_whatever_the_threads(tmp_path: Path, rows: list[Row]) -> None:
    found = []
    for threads in (1, 4):
        store = CrosswalkStore(tmp_path / str(threads))
        crosswalk = resolved(store, people_set(list(reversed([{**r, "key": i} for i, r in enumerate(rows)]))), threads=threads)
        evidence = evidence_of(crosswalk, "individual", "")
        found.append((evidence.inside(), evidence.near(), evidence.patterns))
    for one, other in zip(*found, strict=True):
        if isinstance(one, np.ndarray):
            assert np.array_equal(one, other)
        else:
            assert all(np.array_equal(getattr(one, n), getattr(other, n), equal_nan=True) for n in one.__slots__)


def test_bridges_and_spanning_forests_are_those_found_by_taking_edges_away() -> None:
    random = np.random.default_rng(3)
    for _ in range(60):
        count = int(random.integers(4, 9))
        first, second = np.triu_indices(count, 1)
        chosen = random.random(len(first)) < 0.35
        left, right = first[chosen].astype(np.int64), second[chosen].astype(np.int64)
        bits = random.permutation(len(left)).astype(np.float64)
        labels = _labels(count, left, right)
        tree = spanning_forest(count, left, right, bits)
        assert np.array_equal(_labels(count, left[tree], right[tree]), labels) and len(tree) == count - len(np.unique(labels))
        found = cohesion(labels, left, right, bits)
        for row, cluster in enumerate(found.cluster):
            mine = np.flatnonzero(labels[left] == cluster)
            keeps = [_joined(count, left, right, mine[bits[mine] >= bits[e]], labels == cluster) for e in mine]
            assert bits[found.weakest[row]] == max(bits[e] for e, whole in zip(mine, keeps, strict=True) if whole)
            parts = {int(e): _lesser(count, np.delete(left, e), np.delete(right, e), labels == cluster) for e in mine}
            best = max(parts.values())
            assert (found.bridge[row] >= 0) == (best >= 2)
            assert found.bridge[row] < 0 or parts[int(found.bridge[row])] == best == found.part[row]


def _labels(count: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    labels = np.arange(count)
    for _ in range(count):
        for a, b in zip(left, right, strict=True):
            labels[a] = labels[b] = min(labels[a], labels[b])
    return labels


def _joined(count: int, left: np.ndarray, right: np.ndarray, edges: np.ndarray, members: np.ndarray) -> bool:
    return len(set(_labels(count, left[edges], right[edges])[members])) == 1


def _lesser(count: int, left: np.ndarray, right: np.ndarray, members: np.ndarray) -> int:
    sizes = np.unique(_labels(count, left, right)[members], return_counts=True)[1]
    return int(sizes.min()) if len(sizes) == 2 else 0


def test_an_engine_of_exact_rules_and_a_model_says_which_joined(tmp_path: Path, rows: list[Row]) -> None:
    rules = {"individual": (MatchRule("phone", (MatchKey("phone", "phone"),)),)}
    shared = [{**rows[0]}, {**rows[1], "phone": rows[0]["phone"]}, *rows[2:]]
    store = CrosswalkStore(tmp_path)
    resolve([people_set(shared)], rules, store, SECRET, engines=engine())
    crosswalk = store.current()
    assert crosswalk is not None
    evidence = evidence_of(crosswalk, "individual", "")
    told = why(evidence, evidence.find("crm", "contact", [1]), evidence.find("crm", "contact", [2]))
    assert told.same and told.path[0].joined == "phone"
