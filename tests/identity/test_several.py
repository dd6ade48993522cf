"""Several values of one kind: any of them makes two records meet and agree, in whatever order; nothing changes where there is one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from people import ATTRIBUTES, Row, strangers
from records import SECRET, record_set

from benchmarks.identity.people import people, with_second_phones
from identity.crosswalk import Crosswalk
from identity.engines import Engines
from identity.errors import ModelMismatch
from identity.evaluate import judge
from identity.evidence.document import MODEL as MODEL_ENGINE
from identity.evidence.document import Document
from identity.evidence.live_comparison import _blocking_unmet
from identity.evidence.waterfall import Unmet, flips, score
from identity.incremental.keyrows import key_rows, meetings_by_rule
from identity.incremental.resolving import incremental
from identity.matching import FactorBits
from identity.model import AtMost, MatchKey, MatchModel, RecordSet
from identity.probabilistic.blocking import candidates, rules_for
from identity.probabilistic.compare import levels
from identity.probabilistic.comparisons import factors_for
from identity.probabilistic.contacts import email_factor, phone_factor
from identity.probabilistic.engine import Probabilistic, Settings
from identity.probabilistic.factors import Factor
from identity.probabilistic.hygiene import known_by_hash, remove_generic, remove_known
from identity.probabilistic.kinds import Field, Kind, recognise
from identity.probabilistic.persons import persons, shares
from identity.probabilistic.prepare import TABLE, prepare
from identity.resolve import resolve
from identity.versions.store import CrosswalkStore

Values = Sequence[str | None]
LARGE = 10_000
PHONES = ("4155550100", "4155550101", "14155550100", "2025550100", "3035550100")
EMAILS = (
    "ann11@a.test",
    "ann11+shop@a.test",
    "ann11@b.test",
    *(f"m{n}@{n % 3}.test" for n in range(10, 20)),
    "bob82@a.test",
    "bob82@c.test",
)


def prepared(con: duckdb.DuckDBPyConnection, kind: Kind, rows: Sequence[Values]) -> tuple[str, ...]:
    """CREATE TABLE prepared of records that have several values of a kind, and few names between them."""
    wide = {f"v{i}": pa.array([row[i] for row in rows], pa.string()) for i in range(len(rows[0]))}
    given = pa.array([("ann", "bob", "eve")[i % 3] for i in range(len(rows))])
    con.register(
        "given", pa.table({"rec": range(len(rows)), "source": [0] * len(rows), **wide, "g": given, "f": pa.array(["lee"] * len(rows))})
    )
    con.execute("CREATE OR REPLACE TABLE record AS FROM given")
    named = [(Field("g", Kind.GIVEN), "g"), (Field("f", Kind.FAMILY), "f")]
    return prepare(con, "record", [*((Field(name, kind), name) for name in wide), *named], ())


def found_levels(con: duckdb.DuckDBPyConnection, columns: Sequence[str], factor: Factor, rows: int) -> dict[tuple[int, int], str]:
    """The level of every pair, by name."""
    shares(con, columns, SECRET)
    left, right = np.triu_indices(rows, 1)
    found = levels(con, persons(con, columns), [factor], left.astype(np.int64), right.astype(np.int64))[:, 0]
    return {(int(a), int(b)): factor.levels[level] for a, b, level in zip(left, right, found, strict=True)}


def test_values_are_told_apart_and_the_first_that_is_there_comes_first() -> None:
    rows = [(None, "0044 1", None, "b"), ("x", "x", "y", "z"), ("1", "2", "3", "4"), (None, None, None, None)]
    with duckdb.connect() as con:
        columns = prepared(con, Kind.PHONE, rows)
        assert "phone_4" not in columns
        read = con.execute(f"SELECT phone, phone_2, phone_3 FROM {TABLE} ORDER BY rec").fetchall()
        assert read == [("44 1", "b", None), ("x", "y", "z"), ("1", "2", "3"), (None, None, None)]


def test_two_spellings_of_one_mailbox_are_one_value() -> None:
    with duckdb.connect() as con:
        prepared(con, Kind.EMAIL, [("a.nn+x@googlemail.com", "ann@gmail.com", "bob82@a.test")])
        parts = ("email", "local", "domain", "residue")
        (row,) = con.execute(f"SELECT {', '.join(f'{part}{nth}' for nth in ('', '_2', '_3') for part in parts)} FROM {TABLE}").fetchall()
        assert row == ("ann@gmail.com", "a.nn", "googlemail.com", "", None, None, None, None, "bob82@a.test", "bob82", "a.test", "82bob")


def test_one_attribute_of_a_kind_is_as_it_was() -> None:
    one, two = (dict.fromkeys(("given", "family", "email", "phone", *more)) for more in ((), ("email_2", "phone_2")))
    assert [factor.name for factor in factors_for(list(one), 1)] == [factor.name for factor in factors_for(list(two), 1)]
    assert phone_factor().levels == ("missing", "same", "same but for country or area", "one digit off", "different")
    assert len(email_factor(True).levels) == 22 and len(email_factor(True, 2).levels) == 43
    assert all("least(" not in factor.sql and "_2" not in factor.sql for factor in factors_for(list(one), 1))
    with duckdb.connect() as con:
        assert not {"phone_2", "email_2"} & set(prepared(con, Kind.PHONE, [("1",)]))


def test_the_best_of_all_combinations_counts_in_either_order() -> None:
    rows = [
        ("4155550100", "2025550100"),
        ("2025550100", "3035550177"),  # shares one with the first
        ("3035550178", None),  # one digit off
        ("7185550199", None),
        ("14155550100", "8085550123"),  # with country
    ]
    expected = {
        (0, 1): "same, of several",
        (0, 2): "different, of several",
        (1, 2): "one digit off, of several",
        (0, 4): "same but for country or area, of several",
        (2, 3): "different",
    }
    for order in (rows, [row[::-1] for row in rows]):
        with duckdb.connect() as con:
            found = found_levels(con, prepared(con, Kind.PHONE, order), phone_factor(2), len(rows))
            assert {pair: found[pair] for pair in expected} == expected


def drawn(values: Sequence[str], seed: int) -> list[Values]:
    draw = random.Random(seed)
    return [tuple(draw.choice((None, None, *values)) for _ in range(3)) for _ in range(60)]


@pytest.mark.parametrize("seed", range(3))
def test_pairs_that_agree_by_chance_are_counted_each_once(seed: int) -> None:
    rows = drawn(PHONES, seed)
    with duckdb.connect() as con:
        columns, factor = prepared(con, Kind.PHONE, rows), phone_factor(3)
        counted = {factor.levels[level]: pairs for level, pairs in con.execute(factor.counted[1, 5]).fetchall()}
        found = list(found_levels(con, columns, factor, len(rows)).values())
    assert counted == {name: found.count(name) for name in ("same", "same, of several")} and all(counted.values())


@pytest.mark.parametrize("seed", range(2))
def test_pairs_of_one_address_or_of_one_name_part_are_counted_each_once(seed: int) -> None:
    rows = drawn(EMAILS, seed)
    with duckdb.connect() as con:
        columns, factor = prepared(con, Kind.EMAIL, rows), email_factor(False, 3)
        counted = {factor.levels[level]: pairs for query in factor.counted.values() for level, pairs in con.execute(query).fetchall()}
        found = list(found_levels(con, columns, factor, len(rows)).values())
    names = [f"{level}{kind}" for level in ("same", "same name part") for kind in ("", ", of several")]
    assert {name: pairs for name, pairs in counted.items() if pairs} == {name: found.count(name) for name in names if name in found}


@pytest.mark.parametrize("cap", [4, 12, 100])
def test_who_shares_any_value_meets_once_and_the_index_says_the_same(cap: int) -> None:
    rows = drawn((*PHONES, *map(str, range(7_000_000, 7_000_030))), cap)
    with duckdb.connect() as con:
        columns = prepared(con, Kind.PHONE, rows)
        found = candidates(con, TABLE, columns, len(rows), cap, LARGE)
        rules = Probabilistic(Settings((), cap=cap), SECRET).key_rules(columns, LARGE)
        left, right, bits = meetings_by_rule(key_rows(con, rules, SECRET))
        values = [{v[-8:] for v in row if v} for row in con.execute(f"SELECT phone, phone_2, phone_3 FROM {TABLE} ORDER BY rec").fetchall()]
    pairs = list(zip(found.left.tolist(), found.right.tolist(), strict=True))
    assert pairs == list(zip(left.tolist(), right.tolist(), strict=True)) and found.rules.tolist() == bits.tolist()
    assert all(a < b for a, b in pairs) and len(set(pairs)) == len(pairs)
    nth = [rule.name for rule in rules].index("phone")
    by_phone = {pair for pair, rule in zip(pairs, found.rules.tolist(), strict=True) if rule >> nth & 1}
    sharing = {(a, b) for a, b in combinations(range(len(rows)), 2) if values[a] & values[b]}
    assert by_phone and by_phone <= sharing and (cap < 100 or by_phone == sharing)
    assert found.yields[nth].pairs == len(by_phone)


def test_a_switchboard_is_nobodys_wherever_it_stands() -> None:
    rows = [("5550000", f"41555501{i}") if i % 2 else (f"41555501{i}", "5550000") for i in range(10, 18)]
    with duckdb.connect() as con:
        columns = prepared(con, Kind.PHONE, rows)
        con.execute(f"UPDATE {TABLE} SET family = chr(97 + rec::INT)")
        con.execute(f"CREATE TABLE kept AS FROM {TABLE}")
        generic = remove_generic(con, columns)
        assert [(g.column, g.value, g.records) for g in generic] == [("phone", "5550000", 8)]
        expected = [(f"41555501{i}", None) for i in range(10, 18)]
        assert con.execute(f"SELECT phone, phone_2 FROM {TABLE} ORDER BY rec").fetchall() == expected
        known = known_by_hash(con, SECRET, generic)
        con.execute(f"CREATE OR REPLACE TABLE {TABLE} AS FROM kept")
        assert remove_known(con, columns, SECRET, known) == generic
        assert con.execute(f"SELECT phone, phone_2 FROM {TABLE} ORDER BY rec").fetchall() == expected


def test_the_second_number_finds_people_and_which_is_first_does_not_count(tmp_path: Path) -> None:
    made = with_second_phones(people(5000, seed=5), seed=5).drop_columns(["household_id"])
    one, two = made.column_names.index("phone"), made.column_names.index("phone_2")
    swapped = made.set_column(one, "phone", made.column(two)).set_column(two, "phone_2", made.column(one))
    reached = []
    for name, table in (("made", made), ("swapped", swapped), ("first", made.drop_columns(["phone_2"]))):
        pa.parquet.write_table(table, tmp_path / f"{name}.parquet")
        reached.append(judge(tmp_path / f"{name}.parquet", "cluster_id"))
    assert (reached[0].labels == reached[1].labels).all()
    assert reached[0].scored.odds.tobytes() == reached[1].scored.odds.tobytes()
    assert reached[0].evaluation.f1 > reached[2].evaluation.f1


SEVERAL = (*ATTRIBUTES, "mobile", "work_email")
MODEL = MatchModel(recognise(SEVERAL), block_cap=8)


def with_more(draw: random.Random, rows: list[Row]) -> list[Row]:
    """The rows with further numbers and addresses, some shared, the one or the other first."""
    for row in rows:
        mobile, work = f"0790000{draw.randrange(500):04}", f"{row['last_name']}{draw.randrange(9)}@work.test".lower()
        row |= {"mobile": mobile if draw.random() < 0.6 else None, "work_email": work if draw.random() < 0.5 else None}
        for one, other in (("phone", "mobile"), ("email", "work_email")):
            if draw.random() < 0.5:
                row[one], row[other] = row[other], row[one]
    return rows


def record_sets(world: dict[int, Row]) -> list[RecordSet]:
    return [record_set([{"k0": key, **row} for key, row in sorted(world.items())], attributes=SEVERAL)]


def links(store: CrosswalkStore) -> list[tuple[int, int]]:
    crosswalk: Crosswalk | None = store.current()
    assert crosswalk is not None
    return [row for t in crosswalk.links for row in crosswalk.reader.execute(f"SELECT k0, id360 FROM xw.{t.name} ORDER BY ALL").fetchall()]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained on so many records that not all of them are compared with all."""
    folder = tmp_path_factory.mktemp("trained")
    world = dict(enumerate(with_more(random.Random(7), strangers(1500, 300))))
    engines = Engines(SECRET, {"individual": MODEL}, folder / "models")
    resolve(record_sets(world), {}, CrosswalkStore(folder / "state"), SECRET, engines=engines)
    engines.save()
    return folder / "models"


def test_the_order_of_rows_and_the_number_of_threads_change_nothing(tmp_path: Path) -> None:
    world = list(enumerate(with_more(random.Random(7), strangers(1500, 300))))
    found = []
    for threads in (1, 3):
        random.Random(threads).shuffle(world)
        sets = [record_set([{"k0": key, **row} for key, row in world], attributes=SEVERAL)]
        limits = {"individual": (AtMost(MatchKey("phone", "phone"), 2),)}
        engines = Engines(SECRET, {"individual": MODEL}, tmp_path / f"models{threads}", at_most=limits)
        store = CrosswalkStore(tmp_path / f"state{threads}")
        resolve(sets, {}, store, SECRET, engines=engines, threads=threads)
        engines.save()
        found.append((links(store), (engines.folder / "individual.json").read_bytes()))
    assert found[0] == found[1]


@pytest.mark.parametrize("seed", range(2))
def test_an_incremental_resolve_is_as_a_whole_one(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr("identity.incremental.neighbourhood.MOST", 100.0)
    draw = random.Random(seed)
    world = dict(enumerate(with_more(draw, strangers(200, 60, seed + 20))))
    for row in draw.sample(sorted(world), 40):
        world[row] |= {"mobile": f"0711111111{draw.randrange(3)}"}  # blocks around their cap
    engines = Engines(SECRET, {"individual": MODEL}, models)
    whole, little = CrosswalkStore(tmp_path / "whole"), CrosswalkStore(tmp_path / "little")
    for store in (whole, little):
        resolve(record_sets(world), {}, store, SECRET, engines=engines, index=True)
    for step in range(1, 3):
        for key in draw.sample(sorted(world), 5):
            row = world[key]
            world[key] = {**row, "phone": row["mobile"], "mobile": row["phone"]}  # says the same
        for i, key in enumerate(draw.sample(sorted(world), 6)):
            row = world[key]
            alike = {
                **row,
                "first_name": None,
                "birth_date": None,
                "street": None,
                "phone": None,
                "email": row["work_email"],
                "work_email": None,
            }
            world[1000 * step + i] = alike  # meets the other by a second value only
        for key in draw.sample(sorted(world), 3):
            del world[key]
        resolve(record_sets(world), {}, whole, SECRET, engines=engines)
        incremental(record_sets(world), {}, little, SECRET, engines=engines)
        assert links(little) == links(whole)


def test_a_model_from_before_further_values_counted_is_refused(models: Path) -> None:
    engines = Engines(SECRET, {"individual": MODEL}, models)
    trained = engines.frozen("individual", "")
    assert trained is not None
    before = tuple((factor.name, factor.levels) for factor in factors_for(("given", "family", "dob", "email", "phone", "street"), 1))
    old = replace(trained, factors=before)
    now = factors_for(("given", "family", "dob", "email", "email_2", "phone", "phone_2", "street"), 1)
    with pytest.raises(ModelMismatch, match="other levels of e-mail, phone"):
        Probabilistic(Settings(()), SECRET)._suit(old, now, "individual")


@pytest.mark.parametrize(
    ("one", "other", "unmet"),
    [
        (("4155550100", "2025550100"), ("3035550177", "2025550100"), None),
        (("4155550100", "2025550100"), ("3035550177", None), Unmet("phone", ("phone",), ())),
        (("4155550100", "2025550100"), (None, None), Unmet("phone", (), ("phone",))),
    ],
)
def test_what_kept_two_records_apart_is_told_of_all_values(one: Values, other: Values, unmet: Unmet | None) -> None:
    with duckdb.connect() as con:
        columns = prepared(con, Kind.PHONE, [one, other])
        (rule,) = [rule for rule in rules_for(columns, LARGE) if rule.name == "phone"]
        assert _blocking_unmet(con, rule) == unmet


def test_what_would_turn_an_answer_leaves_the_number_of_values_as_it_is() -> None:
    bits = (0.0, 20.0, 10.0, 5.0, -3.0)
    phone = FactorBits("phone", phone_factor(2).levels, (*bits, *bits[1:]))
    told = Document(MODEL_ENGINE, 2, (), factors=(phone,), prior=-12.0)
    for level, others in ((4, "same"), (8, "same, of several")):
        assert [flip.level for flip in flips(told, [level], score(told, [level]))] == [others]
