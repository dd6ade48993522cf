"""Clustering with pairs that must or cannot be one: never violated, nothing left apart without a reason, in any order the same."""

from __future__ import annotations

import random
from itertools import combinations

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from identity.clustering import components
from identity.constraints import NOBODY
from identity.exact_rules import ExactRules
from identity.matching import DECISION, Matching, Records
from identity.model import MatchKey, MatchRule

COUNT = 12
SOURCES = ("crm", 0), ("crm", 3), ("shop", 6), ("web", 9)
RULES = tuple(MatchRule(name, (MatchKey(name, "exact"),)) for name in ("email", "phone"))
SCRATCH = [duckdb.connect(config={"threads": threads}) for threads in (1, 2)]
values = st.lists(st.sampled_from([None, "a", "b", "c"]), min_size=COUNT, max_size=COUNT)
pairs = st.lists(st.tuples(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1)).filter(lambda p: p[0] < p[1]), max_size=5)


def array(found: list[tuple[int, int]]) -> np.ndarray:
    return np.array(found, np.int64).reshape(-1, 2)


def match(
    emails: list[str | None], phones: list[str | None], must: np.ndarray, cannot: np.ndarray, seed: int = 0, once: tuple[str, ...] = ()
) -> Matching:
    table = pa.table({"rec": range(len(emails)), "n0": pa.array(emails, pa.string()), "n1": pa.array(phones, pa.string())})
    order = random.Random(seed).sample(range(len(emails)), len(emails))
    con = SCRATCH[seed]
    con.register("given", table.take(order))
    con.execute("CREATE OR REPLACE TABLE record AS FROM given")
    columns = {rule.parts[0]: f"n{i}" for i, rule in enumerate(RULES)}
    records = Records(con, "record", len(emails), columns, must, cannot, SOURCES, ("crm.contact", "crm.lead", "shop.customer", "web.user"))
    return ExactRules(b"secret", once=once).match(records, RULES, "individual", "")


@settings(max_examples=100, deadline=None)
@given(values, values, pairs, pairs)
def test_decisions_are_honoured_and_nothing_else_is_torn(
    emails: list[str | None], phones: list[str | None], same: list[tuple[int, int]], different: list[tuple[int, int]]
) -> None:
    must, cannot = array(same), array(different)
    decided = components(COUNT, must[:, 0], must[:, 1])
    assume(not (decided[cannot[:, 0]] == decided[cannot[:, 1]]).any())
    found = match(emails, phones, must, cannot)
    labels = found.labels
    assert (labels[must[:, 0]] == labels[must[:, 1]]).all()
    assert (labels[cannot[:, 0]] != labels[cannot[:, 1]]).all()
    assert all(labels[label] == label and label <= rec for rec, label in enumerate(labels.tolist())), "a label is the smallest record"
    enemies = {frozenset(labels[list(p)].tolist()) for p in different}
    for one, other in combinations(range(COUNT), 2):
        agree = any(v[one] is not None and v[one] == v[other] for v in (emails, phones))
        if agree and labels[one] != labels[other]:
            assert frozenset((int(labels[one]), int(labels[other]))) in enemies, "records that agree are apart for no reason"
    shuffled = match(emails, phones, must, cannot, seed=1)
    assert (shuffled.labels == labels).all() and shuffled.refused == found.refused
    edges = found.edges
    assert edges is not None
    assert (components(COUNT, edges.left, edges.right) == labels).all(), "the edges are those that joined"
    assert all(0 <= r.cannot < len(different) and r.left != r.right for r in found.refused)


def test_what_is_refused_names_its_rule_and_its_decision() -> None:
    found = match(["a", "a", "a", None], ["p", None, None, "p"], array([(2, 3)]), array([(1, 2), (0, 1)]))
    assert found.labels.tolist() == [0, 1, 0, 0]
    assert {(r.rule, r.cannot) for r in found.refused} == {("email", 0)}
    assert found.edges is not None and DECISION in found.edges.rules


def test_members_of_a_value_whom_the_first_refuses_still_join() -> None:
    found = match(["a", "a", "a"], [None] * 3, array([]), array([(0, 1), (0, 2)]))
    assert found.labels.tolist() == [0, 1, 1]


def test_the_rarer_value_joins_first() -> None:
    """Record 0 shares an e-mail with one and a phone with four others; 1 and 2 are two people, and the rest may be either."""
    found = match(["a", "a", None, None, None], ["p", None, "p", "p", "p"], array([]), array([(1, 2)]))
    assert found.labels.tolist() == [0, 0, 2, 0, 0]


@pytest.mark.parametrize("size", [20_000])
def test_one_decision_in_a_huge_component(size: int) -> None:
    """Every value on two records, all in one chain, cut in the middle."""
    emails = [f"e{(k + 1) // 2}" for k in range(size)]
    phones = [f"p{k // 2}" for k in range(size)]
    found = match(emails, phones, array([]), array([(0, size - 1)]))
    assert len(set(found.labels.tolist())) == 2 and len(found.refused) == 1


@pytest.mark.parametrize("phones", [[None, None, None], ["p", None, "p"]], ids=["nothing else", "beside a rule"])
def test_decisions_alone_may_tie_two_records_of_one_source(phones: list[str | None]) -> None:
    """Records 0, 1 and 3, 4 are of one source each; nobody but a steward speaks for 0 and 1."""
    found = match([None] * COUNT, [*phones, *[None] * 9], array([(0, 1), (3, 4)]), array([]), once=("crm",))
    assert found.labels.tolist() == [0, 0, 2, 3, 3, *range(5, COUNT)]
    assert found.edges is not None and set(found.edges.rule.tolist()) == {found.edges.rules.index(DECISION)}


@settings(max_examples=100, deadline=None)
@given(values, values, pairs, pairs, st.sampled_from([("crm",), ("crm.lead", "shop"), ("crm", "shop", "web")]))
def test_a_source_holds_each_person_once_and_nothing_else_is_torn(
    emails: list[str | None],
    phones: list[str | None],
    same: list[tuple[int, int]],
    different: list[tuple[int, int]],
    names: tuple[str, ...],
) -> None:
    must, cannot = array(same), array(different)
    decided = components(COUNT, must[:, 0], must[:, 1])
    assume(not (decided[cannot[:, 0]] == decided[cannot[:, 1]]).any())
    found = match(emails, phones, must, cannot, once=names)
    labels = found.labels.tolist()
    tables = ["crm.contact"] * 3 + ["crm.lead"] * 3 + ["shop.customer"] * 3 + ["web.user"] * 3
    number = [next((i for i, name in enumerate(names) if name in (table, table.partition(".")[0])), NOBODY) for table in tables]
    assert (found.labels[must[:, 0]] == found.labels[must[:, 1]]).all() and (found.labels[cannot[:, 0]] != found.labels[cannot[:, 1]]).all()
    held = {label: {number[rec] for rec in range(COUNT) if labels[rec] == label} - {NOBODY} for label in labels}
    enemies = {frozenset((labels[one], labels[other])) for one, other in different}
    for one, other in combinations(range(COUNT), 2):
        if labels[one] == labels[other] and number[one] == number[other] != NOBODY:
            assert decided[one] == decided[other], "the limit was broken and no steward did it"
        agree = any(v[one] is not None and v[one] == v[other] for v in (emails, phones))
        if agree and labels[one] != labels[other]:
            apart = frozenset((labels[one], labels[other])) in enemies
            assert apart or held[labels[one]] & held[labels[other]], "records that agree are apart for no reason"
    shuffled = match(emails, phones, must, cannot, seed=1, once=names)
    assert shuffled.labels.tolist() == labels
