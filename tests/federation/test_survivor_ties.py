"""Records that nothing tells apart: no time, no order of sources, the same place among the keys of their tables. One answer, always."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

import c360

PROJECT = """
version: 1
name: ties
sources: {{a: {{kind: sqlite, path: a.db}}, b: {{kind: sqlite, path: b.db}}}}
mappings:
  - {{object: individual, source: {first}, table: {first_table}, key: id, attributes: {{email: mail, phone: tel}}}}
  - {{object: individual, source: {second}, table: {second_table}, key: id, attributes: {{email: mail, phone: tel}}}}
identity: {{secret: "${{env:TIES_SECRET:-sixteen bytes at least}}", individual: {{rules: [phone]}}}}
survivorship: {{individual: {survivorship}}}
"""
PEOPLE = 40


def project(folder: Path, first: tuple[str, str], second: tuple[str, str], survivorship: str = "{default: latest}") -> c360.Project:
    for source in ("a", "b"):
        with sqlite3.connect(folder / f"{source}.db") as con:
            for table in ("one", "two"):
                con.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, mail TEXT, tel TEXT)")
                rows = [(i, f"{source}.{table}.{i}@x.example", f"+49 30 {1000000 + i}") for i in range(PEOPLE)]
                con.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", rows)
        con.close()
    text = PROJECT.format(first=first[0], first_table=first[1], second=second[0], second_table=second[1], survivorship=survivorship)
    (folder / "c360.yml").write_text(text)
    return c360.connect(folder / "c360.yml")


@pytest.mark.parametrize(
    ("first", "second", "survivorship", "winner"),
    [
        (("a", "one"), ("b", "one"), "{default: latest}", "a.one"),
        (("b", "one"), ("a", "one"), "{default: latest}", "b.one"),
        (("a", "two"), ("a", "one"), "{default: latest}", "a.two"),
        (("a", "one"), ("b", "one"), "{default: latest, source_order: [b, a]}", "b.one"),
        (("a", "one"), ("b", "one"), "{default: latest, source_order: [b]}", "b.one"),
        (("a", "one"), ("b", "one"), "{default: any}", "a.one"),
        (("a", "one"), ("b", "one"), "{default: most_frequent}", "a.one"),
        (("a", "one"), ("b", "one"), "{attributes: {email: {rule: source_priority, sources: [b]}}}", "b.one"),
    ],
)
def test_the_same_record_wins_every_time(
    tmp_path: Path, first: tuple[str, str], second: tuple[str, str], survivorship: str, winner: str
) -> None:
    with project(tmp_path, first, second, survivorship) as made:
        made.resolve()
        session = made.session()
        right = sorted(f"{winner}.{i}@x.example" for i in range(PEOPLE))
        for number in range(12):
            found = session.sql("SELECT email, email__source FROM individual ORDER BY 1").fetchall()
            assert [email for email, _ in found] == right
            assert {source for _, source in found} == {winner[0]}
            email = right[number]
            assert session.sql("SELECT email FROM individual WHERE email = ?", [email]).fetchall() == [(email,)]
            assert session.profile({"email": email}).values["email"] == email
