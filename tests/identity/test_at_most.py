"""Limits on how many values of an attribute one person has: by rules or a model, whole or incremental, in any order. A steward's word is
stronger."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from batches import IDENTIFIERS, MODEL, Both, World, history, links, sets
from hypothesis import given, settings
from hypothesis import strategies as st
from people import people_set, strangers
from records import RULES, SECRET, record_set

from identity.cardinality import NO_VALUE, Holdings, Limited
from identity.clustering import Ints, components
from identity.engines import Engines
from identity.evidence.reading import evidence_of
from identity.evidence.why import why
from identity.exact_rules import ExactRules
from identity.incremental.record_index import NoIndex
from identity.incremental.resolving import incremental
from identity.matching import Edges, Records
from identity.model import AtMost, MatchKey, MatchRule
from identity.probabilistic.correlation import FORBIDDEN, REQUIRED, correlation_clusters
from identity.probabilistic.exclusion import every_pair
from identity.resolve import resolve
from identity.stewardship.decision_log import decide, read_decisions
from identity.stewardship.decisions import SAME, Decision, RecordName
from identity.stewardship.review import review
from identity.versions.store import CrosswalkStore

PHONES = AtMost(MatchKey("phone", "exact"), 1)
COUNT = 14


def held(labels: Ints, value: Ints) -> dict[int, set[int]]:
    found: dict[int, set[int]] = defaultdict(set)
    for label, one in zip(labels.tolist(), value.tolist(), strict=True):
        found[label] |= {one} - {NO_VALUE}
    return found


def numbered(value: Ints) -> Ints:
    """Each value by the first record that has it."""
    _, first, of = np.unique(value, return_index=True, return_inverse=True)
    return np.where(value == NO_VALUE, NO_VALUE, first[of])


def graph(pairs: list[tuple[int, int, int]]) -> tuple[Ints, Ints, Ints]:
    """Each pair once, in order."""
    once = {(min(a, b), max(a, b)): weight for a, b, weight in pairs if a != b}
    rows = np.array([(a, b, w) for (a, b), w in sorted(once.items())], np.int64).reshape(-1, 3)
    return rows[:, 0], rows[:, 1], rows[:, 2]


records = st.integers(0, COUNT - 1)
weights = st.sampled_from([-4000, 500, 3000, 8000, 12000, FORBIDDEN])
pairs = st.lists(st.tuples(records, records, weights), max_size=40)
numbers = st.lists(st.sampled_from([NO_VALUE, 0, 1, 2, 3, 4]), min_size=COUNT, max_size=COUNT)


@settings(max_examples=200, deadline=None)
@given(pairs, numbers, numbers, st.integers(1, 3), st.integers(1, 3), st.randoms(use_true_random=False))
def test_no_cluster_holds_more_and_nothing_else_changes(
    given_pairs: list[tuple[int, int, int]], one: list[int], other: list[int], most: int, most_other: int, draw: random.Random
) -> None:
    left, right, weight = graph(given_pairs)
    limits = [Limited("one", np.array(one), most), Limited("other", np.array(other), most_other)]
    free = correlation_clusters(COUNT, left, right, weight)
    labels = correlation_clusters(COUNT, left, right, weight, limits=limits)
    for limit in limits:
        assert all(len(values) <= limit.most for values in held(labels, limit.value).values())
    order = draw.sample(range(len(left)), len(left))
    assert correlation_clusters(COUNT, left[order], right[order], weight[order], limits=limits).tolist() == labels.tolist()
    together = components(COUNT, left[weight > 0], right[weight > 0])
    for part in np.unique(together):
        inside = together == part
        if all(len(set(limit.value[inside]) - {NO_VALUE}) <= limit.most for limit in limits):
            assert labels[inside].tolist() == free[inside].tolist(), "where no limit is touched, nothing is another"
        members = np.flatnonzero(inside)  # each part by itself is clustered as among all, as an incremental resolve does
        mine = inside[left] & inside[right]
        alone = [Limited(limit.name, numbered(limit.value[members]), limit.most) for limit in limits]
        ends = np.searchsorted(members, left[mine]), np.searchsorted(members, right[mine])
        assert members[correlation_clusters(len(members), *ends, weight[mine], limits=alone)].tolist() == labels[inside].tolist()


@settings(max_examples=100, deadline=None)
@given(pairs, numbers, st.integers(1, 3), st.lists(st.tuples(records, records), min_size=1, max_size=3))
def test_only_a_steward_goes_beyond_a_limit(
    given_pairs: list[tuple[int, int, int]], value: list[int], most: int, same: list[tuple[int, int]]
) -> None:
    free = [(a, b, abs(w) if w == FORBIDDEN else w) for a, b, w in given_pairs]
    left, right, weight = graph([*((a, b, min(w, 12000)) for a, b, w in free), *((a, b, REQUIRED) for a, b in same)])
    limit = Limited("one", np.array(value), most)
    labels = correlation_clusters(COUNT, left, right, weight, limits=[limit])
    decided = components(COUNT, left[weight == REQUIRED], right[weight == REQUIRED])
    assert all(labels[a] == labels[b] for a, b in same)
    stewards = held(decided, limit.value)
    for label, values in held(labels, limit.value).items():
        over = [stewards[d] for d in set(decided[labels == label].tolist()) if len(stewards[d]) > most]
        assert len(values) <= most or any(values == wide for wide in over), "beyond the limit only what a steward put together"


def test_what_hangs_together_least_is_cut() -> None:
    """0-1-2 and 3-4 agree closely, 2-3 a little: five values, of which three are allowed."""
    pairs = np.array([0, 1, 0, 3, 2]), np.array([1, 2, 2, 4, 3]), np.array([8000, 8000, 8000, 8000, 6000])
    limit = Limited("at_most email 3", np.arange(5), 3)
    assert correlation_clusters(5, *pairs).tolist() == [0, 0, 0, 0, 0]
    assert correlation_clusters(5, *pairs, limits=[limit]).tolist() == [0, 0, 0, 3, 3]
    assert correlation_clusters(5, *pairs, limits=[Limited("", np.array([0, 1, 2, 2, 1]), 3)]).tolist() == [0] * 5, "values, not records"
    assert correlation_clusters(5, *pairs, limits=[Limited("", np.array([0, -1, -1, 1, -1]), 1)]).tolist() == [0, 0, 0, 3, 3]


def test_a_hundred_values_in_one_cluster_are_cut_in_one_go() -> None:
    """As many merges as records at most, however many values there are too many: no cluster is tried again."""
    left, right = np.triu_indices(100, 1)
    for most in (1, 4, 99):
        labels = correlation_clusters(100, left, right, np.full(len(left), 8000), limits=[Limited("", np.arange(100), most)])
        sizes = np.bincount(labels)
        assert sizes.max() == most and (sizes > 0).sum() == -(-100 // most)


@settings(max_examples=100, deadline=None)
@given(numbers, st.lists(records, min_size=COUNT, max_size=COUNT), st.integers(1, 3))
def test_a_merge_is_one_value_too_many(value: list[int], labels: list[int], most: int) -> None:
    found = Holdings.of(Limited("", np.array(value), most), np.array(labels))
    values = held(np.array(labels), np.array(value))
    for _ in range(2):
        one, other = (np.array(side) for side in zip(*((a, b) for a in range(COUNT) for b in range(COUNT) if a != b), strict=True))
        sets_ = [(values.get(a, set()), values.get(b, set())) for a, b in zip(one.tolist(), other.tolist(), strict=True)]
        assert found.exceeded(one, other).tolist() == [len(a | b) > max(len(a), len(b), most) for a, b in sets_]
        assert found.crowded().tolist() == sorted(c for c, held_ in values.items() if len(held_) > most)
        target = np.arange(COUNT) // 2
        found, joined = found.joined(target), defaultdict(set)
        for cluster, held_ in values.items():
            joined[int(target[cluster])] |= held_
        values = joined


SCRATCH = [duckdb.connect(config={"threads": threads}) for threads in (1, 2)]
texts = st.lists(st.sampled_from([None, "a", "b", "c"]), min_size=COUNT, max_size=COUNT)
same_pairs = st.lists(st.tuples(records, records).filter(lambda p: p[0] < p[1]), max_size=3)


@settings(max_examples=100, deadline=None)
@given(texts, texts, texts, same_pairs, st.integers(1, 3))
def test_exact_rules_keep_to_it_and_nothing_else_is_torn(
    emails: list[str | None], phones: list[str | None], cards: list[str | None], same: list[tuple[int, int]], most: int
) -> None:
    table = pa.table({"rec": range(COUNT)} | {f"n{i}": pa.array(v, pa.string()) for i, v in enumerate((emails, phones, cards))})
    limit = AtMost(MatchKey("card", "exact"), most)
    must = np.array(same, np.int64).reshape(-1, 2)
    answers = []
    for seed, con in enumerate(SCRATCH):
        con.register("given", table.take(random.Random(seed).sample(range(COUNT), COUNT)))
        con.execute("CREATE OR REPLACE TABLE record AS FROM given")
        keys = [MatchKey(name, "exact") for name in ("email", "phone", "card")]
        rules = [MatchRule(key.attribute, (key,)) for key in keys[:2]]
        records_ = Records(con, "record", COUNT, {key: f"n{i}" for i, key in enumerate(keys)}, must)
        answers.append(ExactRules(b"secret", at_most=(limit,)).match(records_, rules, "individual", ""))
    labels, edges, refusals = answers[0].labels, answers[0].edges, answers[0].refusals
    assert answers[1].labels.tolist() == labels.tolist()
    assert edges is not None and (components(COUNT, edges.left, edges.right) == labels).all()
    assert (labels[must[:, 0]] == labels[must[:, 1]]).all()
    value = np.array([NO_VALUE if card is None else "abc".index(card) for card in cards])
    values, decided = held(labels, value), components(COUNT, must[:, 0], must[:, 1])
    stewards = held(decided, value)
    widest = [max(len(stewards[d]) for d in set(decided[labels == label].tolist())) for label in values]
    assert all(len(held_) <= max(most, wide) for held_, wide in zip(values.values(), widest, strict=True))
    assert refusals is not None and set(refusals.limits) == {f"at_most card {most}"}
    refused = {frozenset((int(labels[a]), int(labels[b]))) for a, b in zip(refusals.left, refusals.right, strict=True)}
    assert all(len(pair) == 2 for pair in refused)
    if not same:
        for a in range(COUNT):
            for b in range(a):
                agree = any(v[a] is not None and v[a] == v[b] for v in (emails, phones))
                if agree and labels[a] != labels[b]:
                    assert len(values[int(labels[a])] | values[int(labels[b])]) > most, "records that agree are apart for no reason"


def test_whom_a_limit_keeps_from_the_first_of_a_block_it_need_not_keep_from_the_others() -> None:
    star = Edges(np.array([0, 0, 0, 5]), np.array([1, 2, 3, 6]), np.array([0, 0, 1, 0]), np.array([4.0, 4.0, 5.0, 4.0]), ("email", "phone"))
    full = every_pair(star, np.arange(7) < 5)
    found = sorted(zip(full.left.tolist(), full.right.tolist(), full.rule.tolist(), full.bits.tolist(), strict=True))
    assert found == [(0, 1, 0, 4.0), (0, 2, 0, 4.0), (0, 3, 1, 5.0), (1, 2, 0, 4.0), (5, 6, 0, 4.0)]


class Few(Both):
    """As Both, where nobody has two phones."""

    limits: ClassVar = {"at_most": {"individual": (AtMost(MatchKey("phone", "exact"), 1), AtMost(MatchKey("city", "lower"), 2))}}

    def limited(self, world: World) -> tuple[int, int]:
        """The most phones and cities of a person."""
        phones, cities = defaultdict(set), defaultdict(set)
        for place, id360 in links(self.little.current()).items():  # type: ignore[arg-type]
            phones[id360] |= {world[place]["phone"]} - {None, ""}
            cities[id360] |= {(world[place]["city"] or "").strip().lower()} - {""}
        return max(map(len, phones.values())), max(map(len, cities.values()))


@pytest.mark.usefixtures("any_share")
@pytest.mark.parametrize(("seed", "ruled", "probable"), [(41, False, True), (42, True, True), (43, True, False)])
def test_batch_after_batch_as_a_whole_resolve(tmp_path: Path, models: Path, seed: int, ruled: bool, probable: bool) -> None:
    both = Few(tmp_path, models, RULES if ruled else None, probable, cap=12)
    refused = 0
    for world, _ in both.through(*history(seed), batches=3):
        assert both.limited(world) == (1, 2)
        found = review(evidence_of(both.little.current(), "individual", ""), SECRET, limit=10_000)  # type: ignore[arg-type]
        refused += sum("at_most phone 1" in item.why for item in found)
    assert refused, "the limit kept nobody apart: the history shows nothing"


def test_an_index_made_without_the_limit_is_not_built_upon(tmp_path: Path, models: Path) -> None:
    _, world, _ = history(34)
    both = Both(tmp_path, models)
    both.start(world)
    with pytest.raises(NoIndex, match="limit on values of one person"):
        incremental(sets(world), {}, both.little, SECRET, engines=Few(tmp_path, models).engines(), identifiers=IDENTIFIERS)


def engines_of(folder: Path, *limits: AtMost) -> Engines:
    return Engines(SECRET, {"individual": MODEL}, folder / "models", at_most={"individual": limits})


def test_the_model_keeps_to_it_and_says_so(tmp_path: Path) -> None:
    """Everybody is there with three phones: with two allowed, one record stays alone, and why is in the queue and in `why`."""
    people = strangers(600, 0)
    thrice = [people, *([{**row, "phone": f"0780{nth}{i:06}"} for i, row in enumerate(people[:40])] for nth in (1, 2))]
    given_sets = [people_set(rows, source) for rows, source in zip(thrice, ("crm", "shop", "web"), strict=True)]
    found = {}
    for most in (3, 2, 1):
        store = CrosswalkStore(tmp_path / str(most))
        engines = engines_of(tmp_path, AtMost(MatchKey("phone", "phone(GB)"), most))
        resolve(given_sets, {}, store, SECRET, engines=engines)
        engines.save()
        found[most] = links(store.current())  # type: ignore[arg-type]
        people_of = [len({found[most][s, i] for s in ("crm", "shop", "web")}) for i in range(1, 41)]
        assert people_of.count(4 - most) >= 38, (most, people_of)
        if most < 3:
            evidence = evidence_of(store.current(), "individual", "")  # type: ignore[arg-type]
            items = review(evidence, SECRET, limit=1000, kinds=["refused merge"])
            assert {item.why for item in items} == {f"at_most phone {most}"} and len(items) >= 38 * (3 - most)
            too_many = f"more than {most} value{'s' if most > 1 else ''} of phone (at_most)"
            assert too_many in items[0].detail
            ends = [evidence.find(*name.split(":")[0].split("."), [name.split(":")[1]]) for name in (str(items[0].a), str(items[0].b))]
            assert why(evidence, *ends).kept_apart == f"together they would have {too_many}"


def test_must_not_is_at_most_one(tmp_path: Path) -> None:
    people = strangers(600, 0)
    given_sets = [people_set(people, "crm"), people_set([{**row, "phone": f"0780{i:07}"} for i, row in enumerate(people[:40])], "shop")]
    engines = engines_of(tmp_path)
    resolve(given_sets, {}, CrosswalkStore(tmp_path / "first"), SECRET, engines=engines)
    engines.save()
    found = []
    for name, limits in (("most", (PHONES,)), ("not", ())):
        model = MODEL if limits else MODEL.__class__(MODEL.fields, MODEL.normals, (PHONES.key,), block_cap=MODEL.block_cap)
        store = CrosswalkStore(tmp_path / name)
        one = Engines(SECRET, {"individual": model}, tmp_path / "models", at_most={"individual": limits})
        resolve(given_sets, {}, store, SECRET, engines=one)
        found.append(links(store.current()))  # type: ignore[arg-type]
    assert found[0] == found[1] and len(set(found[0].values())) == 640


def test_what_a_steward_says_is_stronger(tmp_path: Path) -> None:
    """By the model and by rules: what it joins has as many values as it has, and takes no further one."""
    log = tmp_path / "decisions.jsonl"
    one, other = RecordName("crm", "contact", ("1",)), RecordName("shop", "contact", ("1",))
    decide(log, Decision(SAME, "individual", "", one, other, None, "asked her", "ana", datetime.now(UTC), None))
    people = strangers(600, 0)
    more = [{**row, "phone": f"0780{i:07}"} for i, row in enumerate(people[:40])]
    third = [{**people[0], "phone": "07999999999"}, {**people[0], "phone": people[0]["phone"]}, {**people[0], "phone": None}]
    given_sets = [people_set(people, "crm"), people_set(more, "shop"), people_set(third, "web")]
    store = CrosswalkStore(tmp_path / "model")
    ways = {"engines": engines_of(tmp_path, PHONES), "decisions": read_decisions(log).active()}
    resolve(given_sets, {}, store, SECRET, **ways)  # type: ignore[arg-type]
    found = links(store.current())  # type: ignore[arg-type]
    assert found["crm", 1] == found["shop", 1] == found["web", 2] == found["web", 3] != found["web", 1]
    assert all(found["crm", i] != found["shop", i] for i in range(2, 41))
    rows = [{"k0": i, "email": "us@x.de", "phone": phone} for i, phone in enumerate(("+491", "+492", "+493", "+491", None), 1)]
    tables = [record_set(rows[:1], "crm"), record_set([{**rows[1], "k0": 1}], "shop"), record_set(rows[2:], "web")]
    rules = {"individual": (MatchRule("email", (MatchKey("email", "lower"),)),)}
    store = CrosswalkStore(tmp_path / "rules")
    by_rules = Engines(SECRET, {}, tmp_path, at_most={"individual": (PHONES,)})
    resolve(tables, rules, store, SECRET, engines=by_rules, decisions=read_decisions(log).active())
    found = links(store.current())  # type: ignore[arg-type]
    assert found["crm", 1] == found["shop", 1] == found["web", 4] == found["web", 5] != found["web", 3]
