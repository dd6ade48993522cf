"""The review queue: what is doubtful comes first, what was decided leaves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from people import Row, engine, kin, moved, people_set, resolved, strangers
from records import RULES, SECRET, record_set

from identity.evidence.reading import Pairs, StoredEvidence, evidence_of
from identity.evidence.why import unkept, why
from identity.model import MatchKey, MatchRule
from identity.resolve import resolve
from identity.stewardship.between import Between, Votes
from identity.stewardship.binding import key_hash
from identity.stewardship.condition import condition
from identity.stewardship.decisions import DIFFERENT, SAME, Decision, RecordName
from identity.stewardship.doubts import entropy
from identity.stewardship.kinds import BLOCK, BRIDGE, CHURN, CROWD, NEAR, REFUSED, WEAK
from identity.stewardship.review import Item, review
from identity.versions.store import CrosswalkStore


def rows() -> list[Row]:
    people = strangers(300, 100)
    return people + kin(people[150:170]) + moved(people[200:240])


def evidence(store: CrosswalkStore) -> StoredEvidence:
    crosswalk = store.current()
    assert crosswalk is not None
    return evidence_of(crosswalk, "individual", "")


@pytest.fixture(scope="module")
def doubtful(tmp_path_factory: pytest.TempPathFactory) -> StoredEvidence:
    """Joined only from 80 % on, so that what lies between is near."""
    store = CrosswalkStore(tmp_path_factory.mktemp("review"))
    made = rows()
    resolved(store, people_set(made[:300]), people_set(made[300:], "shop"), engines=engine(threshold=0.8))
    return evidence(store)


def decision(verdict: str, a: RecordName, b: RecordName) -> Decision:
    return Decision(verdict, "individual", "", a, b, None, "asked", "mia", datetime.now(UTC), None, "d1")


def kinds(found: Sequence[Item]) -> set[str]:
    return {item.kind for item in found}


def test_doubtful_pairs_come_weightiest_first(doubtful: StoredEvidence) -> None:
    found = review(doubtful, SECRET)
    assert found and kinds(found) == {NEAR}
    assert [item.weight for item in found] == sorted((item.weight for item in found), reverse=True)
    for item in found:
        assert item.posterior is not None and 0.2 <= item.posterior <= 0.8 and item.records == 2 and len(item.ids) == 2
        assert (item.pairs, item.of_pair) == (1, item.posterior), "the only pair between the two"
        assert item.decide[0] == f"c360 decide same {item.a} {item.b} --reason '…'"


def test_a_limit_cuts_the_tail(doubtful: StoredEvidence) -> None:
    assert review(doubtful, SECRET, limit=2) == review(doubtful, SECRET)[:2]


def test_decided_pairs_leave(doubtful: StoredEvidence) -> None:
    first = review(doubtful, SECRET)[0]
    names = [RecordName(*str(name).split(":")[0].split("."), (str(name).split(":")[1],)) for name in (first.a, first.b)]
    for verdict in (SAME, DIFFERENT):
        left = review(doubtful, SECRET, [decision(verdict, names[1], names[0])])
        assert first not in left and len(left) == len(review(doubtful, SECRET)) - 1
    stranger = RecordName("crm", "contact", ("1",))
    assert first in review(doubtful, SECRET, [decision(SAME, names[0], stranger)])


def test_weak_links_are_doubted_too(tmp_path: Path) -> None:
    store, made = CrosswalkStore(tmp_path), rows()
    resolved(store, people_set(made[:300]), people_set(made[300:], "shop"))
    found = review(evidence(store), SECRET)
    assert kinds(found) == {WEAK} and all(len(item.ids) == 1 for item in found)


def test_what_a_must_not_keeps_apart_is_a_refused_merge(tmp_path: Path) -> None:
    made = strangers(200, 40)
    store = CrosswalkStore(tmp_path)
    apart = engine(must_not=(MatchKey("phone", "phone"),))
    resolved(store, people_set(made), engines=apart)
    found = review(evidence(store), SECRET, limit=100)
    assert kinds(found) == {REFUSED} and len(found) == 40 and found[0].posterior is not None and found[0].posterior > 0.8
    assert {item.why for item in found} == {"must_not phone"} and "they differ in phone" in found[0].detail
    assert any(told.startswith("e-mail same") for told in found[0].speaks_for)
    assert any(told.startswith("phone different") for told in found[0].speaks_against)
    assert review(evidence(store), SECRET, limit=3).totals == {(REFUSED, "must_not phone"): 40}
    kept = evidence(store)
    one, other = (kept.find("crm", "contact", [str(name).split(":")[1]]) for name in (found[0].a, found[0].b))
    for pair in ((one, other), (other, one)):
        assert why(kept, *pair).kept_apart == "they differ in phone, of which one person has one value (must_not)"
        assert why(kept, *pair).spoke == f"what the model makes of {' and '.join(map(str, sorted((one, other), key=lambda m: m.rec)))}"
    assert not why(kept, one, kept.find("crm", "contact", [150])).kept_apart
    assert review(evidence(store), SECRET, kinds=[NEAR]) == []


def test_the_largest_cluster_is_a_limit_that_is_named(tmp_path: Path) -> None:
    store = CrosswalkStore(tmp_path)
    made = strangers(200, 3)
    resolved(store, people_set([*made, made[0], made[0]]), engines=engine(most=3))
    (found,) = review(evidence(store), SECRET, kinds=[REFUSED])
    assert (found.why, found.records) == ("largest_cluster 3", 4) and "more than 3 records" in found.detail
    assert any("likely one person, by the mean of their 3 pairs" in suspect.why for suspect in condition(evidence(store)).over_split)
    kept = evidence(store)
    ends = [kept.find("crm", "contact", [str(name).split(":")[1]]) for name in (found.a, found.b)]
    mine, theirs = (kept.members(end.id360) for end in ends)
    near = kept.near(min(m.rec for m in mine))
    assert unkept(mine, theirs, near) == (3 - len(near), None if len(near) == 3 else unkept(mine, theirs, near)[1])
    first = near.where(np.arange(1))
    told = {str(m) for m in (*mine, *theirs) if m.rec in (int(first.left[0]), int(first.right[0]))}
    left, example = unkept(mine, theirs, first)
    assert left == 2 and example is not None and set(example) != told
    asked = next((a, b) for a in mine for b in theirs if {str(a), str(b)} == set(example))
    left, other = unkept(mine, theirs, first, asked=(asked[1].rec, asked[0].rec))
    assert left == 1 and other is not None and set(other) not in (told, set(example)), "who asks for a pair is not sent to it"
    assert found.pairs == 3 and found.of_pair is not None and found.of_pair > 0.99, "three records of one, one of the other"


def test_a_decision_that_no_longer_holds_is_told_as_what_refused(tmp_path: Path) -> None:
    store = CrosswalkStore(tmp_path)
    apart = decision(DIFFERENT, RecordName("crm", "contact", ("1",)), RecordName("crm", "contact", ("201",)))
    resolved(store, people_set(strangers(200, 3)), decisions=[apart])
    assert review(evidence(store), SECRET, [apart], kinds=[REFUSED]) == []
    (found,) = review(evidence(store), SECRET, kinds=[REFUSED])
    assert found.why == "decision" and {found.a, found.b} == {"crm.contact:1", "crm.contact:201"}


def test_a_rule_that_a_must_not_overrules_is_told_though_the_pair_was_never_scored(tmp_path: Path) -> None:
    store = CrosswalkStore(tmp_path)
    made = strangers(1600, 0)
    made[1] = {**made[1], "city": made[0]["city"] + " upon Nowhere"}
    made[0] = {**made[0], "city": made[1]["city"]}
    rules = {"individual": (MatchRule("city", (MatchKey("city", "lower"),)),)}
    resolve([people_set(made)], rules, store, SECRET, engines=engine(must_not=(MatchKey("phone", "phone"),)))
    found = review(evidence(store), SECRET, limit=10_000, kinds=[REFUSED])
    (mine,) = [item for item in found if (item.a, item.b) == ("crm.contact:1", "crm.contact:2")]
    assert mine.why == "must_not phone" and mine.unsure >= 0.5


def test_blocks_that_were_left_out_are_named(tmp_path: Path) -> None:
    store = CrosswalkStore(tmp_path)
    made = strangers(1600, 0)
    resolved(store, people_set(made + [made[0]] * 150))
    found = review(evidence(store), SECRET, limit=100, kinds=[BLOCK])
    rules = {item.why: item for item in found}
    assert rules["beginning of name, city"].records == 151
    assert all(len(item.detail.split("#")[1].split(")")[0]) == 16 for item in found if "#" in item.detail)
    again = CrosswalkStore(tmp_path / "again")
    resolved(again, people_set(made + [made[0]] * 160))
    assert {item.detail.split("#")[1][:16] for item in review(evidence(again), SECRET, limit=100, kinds=[BLOCK]) if "#" in item.detail} >= {
        item.detail.split("#")[1][:16] for item in found if item.why == "beginning of name, city"
    }, "a block has one name over the runs"


def crowd(k: int) -> list[dict[str, object]]:
    """Two groups of k records with one e-mail each, and one phone that one of either has."""
    one = [{"k0": i, "email": "a@example.org"} for i in range(k)]
    other = [{"k0": k + i, "email": "b@example.org"} for i in range(k)]
    one[0]["phone"] = other[0]["phone"] = "0441234567"
    return [*one, *other]


def test_bridges_and_shared_values(tmp_path: Path) -> None:
    store = CrosswalkStore(tmp_path)
    many = [{"k0": 1000 + i, "email": "info@example.org"} for i in range(150)]
    resolve([record_set([*crowd(5), *many])], RULES, store, SECRET)
    found = {item.kind: item for item in review(evidence(store), SECRET)}
    assert found.keys() == {BRIDGE, CROWD}
    assert (found[BRIDGE].a, found[BRIDGE].b, found[BRIDGE].records) == ("crm.contact:0", "crm.contact:5", 10)
    assert "5 and 5 records" in found[BRIDGE].detail and found[BRIDGE].posterior is None
    assert found[CROWD].records == 150 and "info@" not in found[CROWD].detail
    names = [RecordName("crm", "contact", (key,)) for key in ("0", "5")]
    assert BRIDGE not in kinds(review(evidence(store), SECRET, [decision(SAME, *names)]))


def test_ids_that_moved(tmp_path: Path) -> None:
    store = CrosswalkStore(tmp_path)
    before = crowd(3)
    before[0] = {**before[0], "phone": None}
    resolve([record_set(before)], RULES, store, SECRET)
    resolve([record_set(crowd(3))], RULES, store, SECRET)
    churn = [item for item in review(evidence(store), SECRET) if item.kind == CHURN]
    assert len(churn) == 1 and churn[0].records == 3 and "was merged into" in churn[0].detail and churn[0].why == "merged"


def test_decisions_on_personal_keys_are_found_by_their_hash(tmp_path: Path) -> None:
    store = CrosswalkStore(tmp_path)
    made = [{**row, "key": f"{row['email']}.{i}"} for i, row in enumerate(rows()) if row["email"]]
    made += [{**row, "key": f"moved{i}@example.org"} for i, row in enumerate(moved(rows()[200:240]))]
    resolved(store, people_set(made, key="mail", kind="VARCHAR"))
    kept = evidence(store)
    assert kept.tables[0][0].personal == "email"
    found = review(kept, SECRET)
    assert found and found[0].a and found[0].b
    keys = [name.split(":", 1)[1] for name in (found[0].a, found[0].b)]
    names = [RecordName("crm", "contact", (key_hash(SECRET, "crm", "contact", [key]),), hashed=True) for key in keys]
    assert found[0] not in review(kept, SECRET, [decision(SAME, *names)])


def test_half_and_half_is_most_unsure() -> None:
    unsure = entropy(np.array([0.0, 3.0, -3.0, 40.0]))
    assert unsure[0] == pytest.approx(1.0) and unsure[1] == pytest.approx(unsure[2]) and unsure[3] < 1e-6


def test_the_best_of_many_pairs_is_good_by_chance() -> None:
    """Two people of three records each: one pair of nine is fifty-fifty, one is far off, of seven nothing is kept."""
    cluster, left, right, beyond = (np.array(column) for column in ([0, 0, 6], [0, 1, 6], [3, 4, 7], [3, 3, 7]))
    near = Pairs(cluster, left, right, beyond, cluster, cluster, cluster, np.array([0.0, -9.0, 0.0]))
    sizes = np.array([3, 1, 1, 3, 1, 1, 1, 1])
    odds = Between(near, sizes, 9).odds(near)
    assert odds.tolist() == pytest.approx([-30 / 9, -30 / 9, 0.0]) and entropy(odds)[0] < 0.5 < entropy(odds)[2]
    by_rule = Pairs(cluster, left, right, beyond, cluster, cluster, cluster, np.array([0.0, np.nan, 0.0]))
    rule = 12 / math.log(2)
    votes = Between(near, sizes, 9).votes(by_rule)
    assert votes[1] == Votes(1, 2, 6, round(rule, 2), -9.0), "a rule speaks for the pair, though no odds do"
    assert [(v.speak_for, v.against, v.not_kept) for v in votes] == [(1, 1, 7), (1, 2, 6), (1, 0, 0)]
    assert str(votes[1]) == "1 of the 9 pairs speaks for one person (+17.3 bits), 2 against (-9.0), nothing was kept of 6"
    known = Between(near, sizes, 9, compared=True)
    assert known.votes(by_rule)[1] == Votes(1, 8, 0, round(rule, 2), -69.0) and known.odds(near)[0] == pytest.approx(-79 / 9)
    assert str(Votes(2, 0, 0, 3.0, 0.0)) == "2 of the 2 pairs speak for one person (+3.0 bits)"


def test_no_pair_counts_for_more_than_where_people_are_put_together() -> None:
    cluster, left, right, beyond = (np.array(column) for column in ([0, 0], [0, 1], [2, 2], [2, 2]))
    near = Pairs(cluster, left, right, beyond, cluster, cluster, cluster, np.array([60.0, -15.0]))
    odds = Between(near, np.array([2, 1, 1]), 4).odds(near)
    assert odds.tolist() == pytest.approx([0.0, 0.0]), "as good as certain, and as good as impossible: nobody knows"


def test_what_other_pairs_outweigh_is_told_by_their_votes_and_not_by_a_mean_that_denies_it(tmp_path: Path) -> None:
    """Somebody has three records, and the fourth agrees with one of them in nearly everything, and contradicts the others."""
    made = strangers(300, 100)
    first = made[150]
    other = {
        **first,
        "first_name": "Wilhelmina",
        "phone": "07999999999",
        "street": "7 Elsewhere",
        "city": "Ely",
    }
    third = {**other, "email": None, "postcode": "CB7 4DL"}
    store = CrosswalkStore(tmp_path)
    rules = {"individual": (MatchRule("email", (MatchKey("email", "email"),)),)}
    resolve([people_set([*made, {**first, "phone": None}, other, third])], rules, store, SECRET, engines=engine())
    (found,) = (item for item in review(evidence(store), SECRET, limit=100, kinds=[REFUSED]) if item.why == "other pairs")
    assert found.of_pair is not None and found.of_pair > 0.99 and found.by == "model"
    assert found.votes is not None and (found.votes.speak_for, found.votes.against, found.votes.not_kept) == (1, 2, 0)
    assert found.votes.bits_for == round(8 / math.log(2), 2) and found.votes.bits_for + found.votes.bits_against < 0
    assert found.posterior is not None and found.posterior < 0.5, "the limit that refused it says no"
    against = f"2 against ({found.votes.bits_against:.1f})"
    told = f"the other pairs between the two outweigh it: 1 of the 3 pairs speaks for one person (+11.5 bits), {against}"
    assert found.detail == f"4 records would be one; {told}"
    (suspect,) = (s for s in condition(evidence(store)).over_split if s.why.startswith("100% likely one person, by their best pair"))
    assert suspect.why.endswith(told) and suspect.odds is not None and suspect.odds > 7
