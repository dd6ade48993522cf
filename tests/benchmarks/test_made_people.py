"""Is the made-up population like a real one? A generator that is wrong here makes every figure measured on it worthless."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from benchmarks.identity.emails import ROLES
from benchmarks.identity.noise import dates, typo
from benchmarks.identity.people import MISSING, POISON, people, write

RECORDS = 30_000
ATTRIBUTES = ("first_name", "last_name", "birth_date", "email", "phone", "street", "city", "postcode")

# e-mail, phone's ten digits, street without flat and kind, as any system would normalise them
NORMALISED = """
CREATE TABLE r AS SELECT *, lower(email) AS e, right(regexp_replace(phone, '[^0-9]', '', 'g'), 10) AS p,
    lower(strip_accents(first_name)) AS f, lower(strip_accents(last_name)) AS l,
    regexp_replace(regexp_replace(lower(street), '( apt |, unit | #).*', ''),
        ' (street|st|avenue|ave|road|rd|drive|dr|lane|ln|court|ct|boulevard|blvd|place|pl)$', '') AS s
FROM made"""
PAIRS = "r AS a JOIN r AS b ON a.cluster_id = b.cluster_id AND a.rec_id < b.rec_id"


@pytest.fixture(scope="module")
def made() -> pa.Table:
    return people(RECORDS, seed=7)


@pytest.fixture(scope="module")
def world(made: pa.Table) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.register("made", made)
    connection.execute(NORMALISED)
    return connection


def number(world: duckdb.DuckDBPyConnection, query: str) -> float:
    row = world.execute(query).fetchone()
    assert row is not None
    return float(row[0])


def test_a_record_has_its_key_its_truth_and_eight_attributes(made: pa.Table) -> None:
    assert made.column_names == ["source", "rec_id", "cluster_id", "household_id", *ATTRIBUTES] and made.num_rows == RECORDS
    assert set(made.schema.types) == {pa.string()}
    assert len(set(made["rec_id"].to_pylist())) == RECORDS


def test_the_same_seed_makes_the_same_people(made: pa.Table) -> None:
    assert people(RECORDS, seed=7).equals(made)
    assert not people(RECORDS, seed=8).equals(made)


def test_people_have_one_to_six_records_over_four_sources(world: duckdb.DuckDBPyConnection) -> None:
    pairs = number(world, f"SELECT count(*) FROM {PAIRS}")
    assert 0.52 < pairs / RECORDS < 0.62
    assert number(world, "SELECT max(n) FROM (SELECT count(*) AS n FROM r GROUP BY cluster_id)") == 6
    assert number(world, "SELECT min(n) FROM (SELECT count(*) AS n FROM r GROUP BY source)") > 0.1 * RECORDS
    assert 0.02 < number(world, f"SELECT avg((a.source = b.source)::INT) FROM {PAIRS}") < 0.2


def test_values_are_missing_as_often_as_in_real_systems(made: pa.Table) -> None:
    share = {name: made[name].null_count / RECORDS for name in MISSING}
    assert 0.25 <= share["birth_date"] <= 0.35
    assert abs(share["email"] - 0.3) < 0.05 and abs(share["phone"] - 0.3) < 0.05
    assert share["first_name"] < 0.03 and share["last_name"] < 0.03


def test_some_true_pairs_share_nothing_but_a_name(world: duckdb.DuckDBPyConnection) -> None:
    same = " OR ".join(f"coalesce(a.{c} = b.{c}, false)" for c in ("e", "p", "birth_date", "s"))
    assert 0.13 < number(world, f"SELECT avg((NOT ({same}))::INT) FROM {PAIRS}") < 0.16
    same += " OR coalesce(lower(a.city) = lower(b.city), false) OR coalesce(a.postcode = b.postcode, false)"
    assert 0.10 < number(world, f"SELECT avg((NOT ({same}))::INT) FROM {PAIRS}") < 0.14  # most of them not even the town


def test_names_are_as_common_as_real_ones(world: duckdb.DuckDBPyConnection) -> None:
    top = "SELECT max(n) / {total} FROM (SELECT count(DISTINCT cluster_id) AS n FROM r WHERE {c} IS NOT NULL GROUP BY {c})"
    persons = number(world, "SELECT count(DISTINCT cluster_id) FROM r")
    assert 0.005 < number(world, top.format(c="l", total=persons)) < 0.02
    assert 0.008 < number(world, top.format(c="f", total=persons)) < 0.04
    assert number(world, "SELECT count(DISTINCT l) FROM r") > 0.2 * persons  # a long tail


def test_no_day_is_a_birthday_of_many_but_the_placeholders(world: duckdb.DuckDBPyConnection) -> None:
    days = world.execute("SELECT birth_date, count(*) AS n FROM r WHERE birth_date IS NOT NULL GROUP BY 1 ORDER BY n DESC").fetchall()
    assert {day for day, _ in days[:2]} == {"1900-01-01", "1970-01-01"}
    assert days[0][1] < 0.01 * RECORDS and days[2][1] < 0.0007 * RECORDS
    assert len(days) > 0.3 * RECORDS
    decades = dict(world.execute("SELECT left(birth_date, 3), count(*) FROM r WHERE birth_date IS NOT NULL GROUP BY 1").fetchall())
    assert all(decades[d] > 0.015 * RECORDS for d in ("194", "195", "196", "197", "198", "199"))


def test_two_people_have_one_email_only_where_they_are_meant_to(world: duckdb.DuckDBPyConnection) -> None:
    roles = ", ".join(f"'{role}'" for role in ROLES)
    shared = world.execute(f"""
        SELECT count(DISTINCT household_id) = 1, split_part(e, '@', 1) IN ({roles}), count(DISTINCT cluster_id)
        FROM r WHERE e IS NOT NULL GROUP BY e HAVING count(DISTINCT cluster_id) > 1""").fetchall()
    assert sum(people for household, _, people in shared if household) > 10
    assert sum(people for _, role, people in shared if role) > 10
    assert (
        sum(people for household, role, people in shared if not household and not role) < 0.001 * RECORDS
    )  # a slip of the finger hits another's


def test_two_people_have_one_phone_in_a_household_at_work_or_as_placeholder(world: duckdb.DuckDBPyConnection) -> None:
    assert number(world, "SELECT count(*) FROM r WHERE p IN ('0000000000', '9999999999', '5555555555')") > 20
    meant = "p NOT LIKE '888%' AND p NOT IN ('0000000000', '9999999999', '5555555555')"
    across = f"SELECT count(*) FROM (SELECT p FROM r WHERE {meant} GROUP BY p HAVING count(DISTINCT household_id) > 1)"
    assert number(world, across) < 0.001 * RECORDS
    assert number(world, "SELECT count(*) FROM (SELECT p FROM r GROUP BY p HAVING count(DISTINCT cluster_id) > 1)") > 100


def test_there_are_households_twins_namesakes_and_fathers_and_sons(world: duckdb.DuckDBPyConnection) -> None:
    others = "r AS a JOIN r AS b ON a.household_id = b.household_id AND a.cluster_id < b.cluster_id"
    assert 0.5 < number(world, f"SELECT avg((a.l = b.l)::INT) FROM {others}") < 0.9
    assert number(world, f"SELECT avg((a.s = b.s)::INT) FROM {others}") > 0.5
    people = f"SELECT count(DISTINCT a.cluster_id) FROM {others} WHERE a.l = b.l AND "
    assert number(world, people + "a.birth_date = b.birth_date AND a.birth_date NOT LIKE '19_0-01-01' AND a.f <> b.f") > 10
    assert number(world, people + "a.f = b.f AND length(a.f) > 2") > 10
    strangers = "r AS a JOIN r AS b ON a.f = b.f AND a.l = b.l AND a.household_id <> b.household_id"
    assert number(world, f"SELECT count(DISTINCT a.cluster_id) FROM {strangers}") > 0.015 * RECORDS
    assert number(world, f"SELECT count(DISTINCT a.cluster_id) FROM {strangers} WHERE a.city = b.city") > 1


def test_people_use_nicknames_move_marry_and_slip(world: duckdb.DuckDBPyConnection) -> None:
    assert (
        number(world, f"SELECT count(*) FROM {PAIRS} WHERE (a.f, b.f) IN (('robert', 'bob'), ('william', 'bill'), ('michael', 'mike'))") > 3
    )
    assert 0.1 < number(world, f"SELECT avg((a.postcode <> b.postcode)::INT) FROM {PAIRS}") < 0.35
    assert 0.01 < number(world, f"SELECT avg((jaro_winkler_similarity(a.l, b.l) < 0.6)::INT) FROM {PAIRS}") < 0.06
    assert 0.03 < number(world, f"SELECT avg((damerau_levenshtein(a.l, b.l) BETWEEN 1 AND 2)::INT) FROM {PAIRS}") < 0.12
    swapped = "a.birth_date[6:7] = b.birth_date[9:10] AND a.birth_date[9:10] = b.birth_date[6:7] AND a.birth_date <> b.birth_date"
    assert 0.001 < number(world, f"SELECT avg(({swapped})::INT) FROM {PAIRS}") < 0.02


def test_letters_are_capital_small_or_mixed(world: duckdb.DuckDBPyConnection) -> None:
    assert 0.1 < number(world, "SELECT avg((last_name = upper(last_name))::INT) FROM r") < 0.4
    assert 0.01 < number(world, "SELECT avg((last_name = lower(last_name))::INT) FROM r") < 0.2


def test_the_poison_is_one_date_in_four_rows_of_a_hundred_and_nothing_else(made: pa.Table) -> None:
    poisoned = people(RECORDS, seed=7, poison=True)
    assert poisoned.drop_columns(["birth_date"]).equals(made.drop_columns(["birth_date"]))
    dates_before, dates_after = made["birth_date"].to_pylist(), poisoned["birth_date"].to_pylist()
    changed = [after for before, after in zip(dates_before, dates_after, strict=True) if before != after]
    assert set(changed) == {POISON} and 0.035 < len(changed) / RECORDS < 0.045


def test_a_typo_changes_a_letter_or_two() -> None:
    values = np.array(["Michael", "Smith", "José", "1234567890", "a"] * 200)
    random = np.random.default_rng(0)
    after = typo(values, random)
    distance = duckdb.sql(
        "SELECT damerau_levenshtein(a, b) FROM (SELECT unnest($1) AS a, unnest($2) AS b)", params=[values.tolist(), after.tolist()]
    )
    assert {row[0] for row in distance.fetchall()} <= {0, 1, 2}
    assert np.mean(values == after) < 0.4  # the "a" stays
    assert set(after[4::5]) == {"a"}


def test_wrong_dates_are_exchanged_or_near() -> None:
    days = np.full(400, "1975-03-08", "M8[D]")
    written = dates(days, 1.0, np.random.default_rng(0)).to_pylist()
    assert "1975-08-03" in written and "1985-03-08" in written
    assert dates(days, 0.0, np.random.default_rng(0)).to_pylist() == ["1975-03-08"] * 400


def test_both_formats_hold_the_same(tmp_path: Path, made: pa.Table) -> None:
    for name in ("x.csv", "x.parquet"):
        write(made.slice(0, 500), tmp_path / name)
    assert duckdb.sql(
        f"SELECT count(*) FROM (FROM read_csv('{tmp_path}/x.csv', all_varchar = true) EXCEPT FROM '{tmp_path}/x.parquet')"
    ).fetchall() == [(0,)]
