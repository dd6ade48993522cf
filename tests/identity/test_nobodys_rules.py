"""Exact rules beside a model: a value that the model knows to be nobody's links nobody, whole or incremental."""

from __future__ import annotations

import random
from pathlib import Path

import duckdb
import numpy as np
import pytest
from batches import SOURCES, Both, World, links, sets, trained
from people import Row, strangers
from records import SECRET
from sqlglot import exp
from test_recalled import FIELDS, KINDS, drawn

from identity.evidence.live_comparison import compare_live
from identity.evidence.reading import evidence_of
from identity.model import MatchKey, MatchRule
from identity.normalise import normalised
from identity.probabilistic.hygiene import known_by_hash, remove_generic
from identity.probabilistic.nobodys import _MAILBOX, unlinked
from identity.probabilistic.prepare import TABLE, prepare

NOBODYS = "none@none.com"
RULES = {"individual": (MatchRule("email", (MatchKey("email", "email"),)), MatchRule("phone", (MatchKey("phone", "phone"),)))}


def bare(rows: list[Row], email: str) -> list[Row]:
    """All that is left of some people is their name, and an e-mail address."""
    return [{"first_name": row["first_name"], "last_name": row["last_name"], "email": email} for row in rows]


def test_a_rule_does_not_link_strangers_by_nobodys_value(tmp_path: Path, any_share: None) -> None:
    people = [*strangers(600, 100), *bare(strangers(20, 0, seed=7), NOBODYS)]
    both = Both(tmp_path, trained(tmp_path, people), RULES)
    world: World = {(SOURCES[i % 2], i): row for i, row in enumerate(people)}
    both.start(world)
    crosswalk = both.little.current()
    assert crosswalk is not None
    found = links(crosswalk)
    assert len({found[key] for key, row in world.items() if row["email"] == NOBODYS}) == 20

    # more of them come, and one who can be linked by an address of their own
    more = [*bare(strangers(3, 0, seed=8), NOBODYS), *bare(people[300:301], people[300]["email"])]
    world |= {("crm", len(people) + i): row for i, row in enumerate(more)}
    both.go_on(world)
    after = both.little.current()
    assert after is not None
    found = links(after)
    assert len({found[key] for key, row in world.items() if row["email"] == NOBODYS}) == 23
    assert found["crm", len(people) + 3] == found[SOURCES[0], 300]

    # why they are two says so
    records = sets({key: world[key] for key in [("crm", 700), ("shop", 701)]})
    document = evidence_of(after, "individual", "").document
    told = compare_live(records, document, RULES["individual"], both.engines(), "individual", "")
    assert told is not None
    assert [(rule.rule, rule.nobodys) for rule in told[2] if rule.rule in ("email", "phone")] == [("email", True), ("phone", False)]


@pytest.mark.parametrize("count", [20, 120])
def test_a_rule_of_a_coarser_form_counts_whoever_has_nobodys_value(tmp_path: Path, any_share: None, count: int) -> None:
    """120 of them are more than a value links, also where others write it so that the model does not know it."""
    rows = [{**row, "email": None, "phone": "07000111222"} for row in bare(strangers(count, 0, seed=7), "")]
    people = [*strangers(600, 100), *rows]
    both = Both(tmp_path, trained(tmp_path, people), {"individual": (MatchRule("phone", (MatchKey("phone", "phone(GB)"),)),)})
    one, other = ({**row, "email": None, "phone": "+447000111222"} for row in bare(strangers(2, 0, seed=9), ""))
    world: World = {(SOURCES[i % 2], i): row for i, row in enumerate(people)} | {("crm", 5000): one}
    both.start(world)
    both.go_on(world | {("crm", 5001): other})
    crosswalk = both.little.current()
    assert crosswalk is not None
    found = links(crosswalk)
    assert (found["crm", 5000] == found["crm", 5001]) is (count <= 100)


@pytest.mark.parametrize("attribute", ["e0", "p0", "dob", "number"])
def test_what_is_unlinked_is_what_the_model_leaves_out(attribute: str) -> None:
    kept = [(field, name) for field, name in FIELDS if name in ("g", "f", attribute)]
    column = {"e0": "email", "p0": "phone", "dob": "dob", "number": "id_0"}[attribute]
    with duckdb.connect() as con:
        con.register("rows", drawn(random.Random(5), 600))
        con.execute(f"CREATE TABLE record AS SELECT rec, source, {', '.join(KINDS)} FROM rows")
        columns = prepare(con, "record", kept, (1,))
        con.execute(f"CREATE TABLE whole AS FROM {TABLE}")
        known = known_by_hash(con, SECRET, remove_generic(con, columns))
        assert set(known) == {column}
        left_out = con.execute(
            f"SELECT rec FROM whole JOIN {TABLE} p USING (rec) WHERE whole.{column} IS NOT NULL AND p.{column} IS NULL ORDER BY rec"
        ).fetchnumpy()["rec"]
        rules = [MatchRule("by it", (MatchKey(attribute, "exact"),)), MatchRule("other", (MatchKey("city", "exact"),))]
        found = unlinked(con, "record", rules, kept, (1,), known, SECRET)
    assert len(left_out) > 50 and set(found.column("rule").to_pylist()) == {"by it"}
    assert np.array_equal(found.column("rec").to_numpy(), left_out)


@pytest.mark.parametrize("local", ["ann", "an.n", "ann+tag", "an.n+a+b", "+", "+ann", "+a+b", ".", "..", ".+a", "a.", ".a+"])
@pytest.mark.parametrize("domain", ["gmail.com", "googlemail.com", "pm.me", "shop.test"])
def test_a_mailbox_is_told_as_the_normal_form_tells_it(local: str, domain: str) -> None:
    form = normalised("email(drop_tags, provider)", exp.column("email")).sql("duckdb")
    with duckdb.connect() as con:
        ((told, normal),) = con.execute(
            f"SELECT {_MAILBOX.format('email')}, {form} FROM (SELECT ? AS email)", [f"{local}@{domain}"]
        ).fetchall()
    assert told == normal
