"""Few records are made ready in one statement: what comes out is what the tables of a whole resolve would give."""

from __future__ import annotations

import random

import duckdb
import pyarrow as pa
import pytest
from records import SECRET

from identity.probabilistic.hygiene import known_by_hash, remove_generic, remove_known
from identity.probabilistic.kinds import Field, Kind
from identity.probabilistic.known import Known
from identity.probabilistic.nicknames import create_nicknames
from identity.probabilistic.persons import persons, recalled, shares
from identity.probabilistic.prepare import prepare, prepared_rows

KINDS = {
    "g": Kind.GIVEN, "f": Kind.FAMILY, "dob": Kind.BIRTH_DATE, "street": Kind.STREET, "city": Kind.CITY, "number": Kind.IDENTIFIER,
    "e0": Kind.EMAIL, "e1": Kind.EMAIL, "e2": Kind.EMAIL, "p0": Kind.PHONE, "p1": Kind.PHONE, "p2": Kind.PHONE,
}  # fmt: skip
FIELDS = [(Field(name, kind), name) for name, kind in KINDS.items()]


def drawn(draw: random.Random, count: int) -> pa.Table:
    """Records whose dates, numbers, e-mail addresses and phones are often one of a few that are nobody's."""
    common = {"dob": "1900-01-01", "number": "0000", "e": "info@shop.test", "p": "5550000"}
    made = {
        "g": lambda i: draw.choice(["ann", "bob", "eve", "王伟", "jo anne"]),
        "f": lambda i: f"{draw.choice('abcdefgh')}{draw.choice(['lee', 'smith', 'van dyk'])}",
        "dob": lambda i: f"19{draw.randrange(40, 99)}-0{draw.randrange(1, 9)}-1{draw.randrange(9)}",
        "street": lambda i: draw.choice(["12 Main St", "1 High Road, Flat 2", "7 Low Rd; Springfield, IL 62701"]),
        "city": lambda i: draw.choice(["Springfield", "Ely"]),
        "number": lambda i: str(10_000 + i),
        "e": lambda i: f"m{draw.randrange(2 * count)}@{draw.choice('abc')}.test",
        "p": lambda i: f"415555{draw.randrange(2 * count):04d}",
    }
    rows = [
        {
            name: None if draw.random() < 0.2 else common[kind] if kind in common and draw.random() < 0.3 else made[kind](i)
            for name in KINDS
            for kind in [name if name in made else name[0]]
        }
        for i in range(count)
    ]
    return pa.table({"rec": range(count), "source": [i % 2 for i in range(count)]} | {name: [row[name] for row in rows] for name in KINDS})


@pytest.mark.parametrize("seed", range(6))
def test_few_records_are_made_ready_as_all_are(seed: int) -> None:
    draw = random.Random(seed)
    with duckdb.connect() as con:
        create_nicknames(con)
        con.register("rows", drawn(draw, 600))
        con.execute("CREATE TABLE record AS FROM rows")
        columns = prepare(con, "record", FIELDS, (1,))
        generic = remove_generic(con, columns)
        assert {g.column for g in generic} == {"dob", "email", "phone", "id_0"}
        known = Known(shares(con, columns, SECRET), known_by_hash(con, SECRET, generic))

        con.register("rows", drawn(draw, 60))
        con.execute("CREATE OR REPLACE TABLE record AS FROM rows ORDER BY hash(rec)")
        few = recalled(con, prepared_rows(con, "record", FIELDS, (1,))[0], columns, SECRET, known).table
        prepare(con, "record", FIELDS, (1,))
        remove_known(con, columns, SECRET, known.generic)
        shares(con, columns, SECRET, known)
        all_of_them = persons(con, columns).table
    assert sorted(few.column_names) == sorted(all_of_them.column_names)
    for name in few.column_names:
        assert few.column(name).to_pylist() == all_of_them.column(name).to_pylist(), name
