"""A value that is nobody's (1900-01-01, n/a, 000-000) survives only where the person has no other; and no pass changes that."""

from __future__ import annotations

import csv
import datetime as dt
import random
import sqlite3
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

import c360
from federation.passes import NAMES

PROJECT = """
version: 1
name: placeholders
sources: {{crm: {{kind: sqlite, path: crm.db}}, list: {{kind: files, path: .}}}}
objects:
  individual:
    attributes:
      member: {{type: text, description: Number that both systems know.}}
      valid_until: {{type: date, description: End of the contract.}}
mappings:
  - {{object: individual, source: crm, table: contact, key: id, attributes: {{{columns}}}}}
  - {{object: individual, source: list, table: members, key: id, attributes: {{{columns}}}}}
identity: {{secret: "${{env:NONE_SECRET:-sixteen bytes at least}}", individual: {{rules: [member]}}}}
survivorship: {{individual: {{default: {rule}, source_order: [list, crm]}}}}
"""
COLUMNS = ("member", "email", "phone", "last_name", "birth_date", "valid_until", "updated_at")
NOBODYS: dict[str, tuple[Any, ...]] = {
    "email": ("none", "n/a", "x@y"),
    "phone": ("000-000", "+1 111 111 1111", "1234567"),
    "last_name": ("UNKNOWN", "-", "n/a"),
    "birth_date": (dt.date(1900, 1, 1), dt.date(9999, 12, 31)),
}
REAL: dict[str, tuple[Any, ...]] = {
    "email": ("ada@x.org", "Bea@x.org", "zoe@none.com"),
    "phone": ("+49 30 111", "030 1234568", "0171 2222223"),
    "last_name": ("Na Nakorn", "Bloom", "Unknownova"),
    "birth_date": (dt.date(1980, 1, 2), dt.date(1900, 1, 2), dt.date(2001, 12, 31)),
    "valid_until": (dt.date(2026, 1, 1), dt.date(9999, 12, 31)),
}
RULES = ("latest", "source_priority", "most_frequent", "longest", "min", "max", "any")

Row = dict[str, Any]


def rows(seed: int, people: int = 60) -> list[Row]:
    """Records of some people in two sources; no two of one person in one source are of one moment."""
    rng, found = random.Random(seed), []
    for person in range(people):
        for number in range(rng.randrange(1, 6)):
            row = {"id": person * 10 + number, "member": f"m{person}", "updated_at": dt.datetime(2026, 1, 1 + number, rng.randrange(24))}
            for name in (*NOBODYS, "valid_until"):
                row[name] = rng.choice((None, *NOBODYS.get(name, ()), *REAL[name]))
            found.append(row | {"source": rng.choice(("crm", "list"))})
    return found


def project(folder: Path, rule: str, records: list[Row]) -> c360.Project:
    with sqlite3.connect(folder / "crm.db") as con:
        con.execute(
            "CREATE TABLE contact (id INTEGER PRIMARY KEY, member TEXT, email TEXT, phone TEXT, last_name TEXT, birth_date DATE, "
            "valid_until DATE, updated_at TIMESTAMP)"
        )
        text = [[None if r[c] is None else str(r[c]) for c in COLUMNS] for r in records if r["source"] == "crm"]
        ids = [r["id"] for r in records if r["source"] == "crm"]
        con.executemany("INSERT INTO contact VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [(i, *t) for i, t in zip(ids, text, strict=True)])
    con.close()
    with (folder / "members.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", *COLUMNS))
        writer.writerows((r["id"], *("" if r[c] is None else r[c] for c in COLUMNS)) for r in records if r["source"] == "list")
    columns = ", ".join(f"{c}: {c}" for c in COLUMNS)
    (folder / "c360.yml").write_text(PROJECT.format(columns=columns, rule=rule))
    return c360.connect(folder / "c360.yml")


def survivor(rule: str, name: str, records: list[Row]) -> Row | None:
    """Written a second time: the record whose value survives."""
    there = [r for r in records if r[name] is not None]
    there = [r for r in there if r[name] not in NOBODYS.get(name, ())] or there
    counts = Counter(r[name] for r in there)

    def latest(row: Row) -> tuple[Any, ...]:
        return (row["updated_at"], row["source"] == "list", -row["id"])

    measures: dict[str, Any] = {
        "latest": latest,
        "source_priority": lambda r: (r["source"] == "list", *latest(r)),
        "most_frequent": lambda r: (counts[r[name]], *latest(r)),
        "longest": lambda r: (len(str(r[name])), *latest(r)),
        "max": lambda r: (r[name], *latest(r)),
        "any": lambda r: (r["source"] == "list", -r["id"]),
    }
    if rule == "min":
        there = [r for r in there if r[name] == min(o[name] for o in there)]
    return max(there, key=measures.get(rule, latest), default=None)


@pytest.mark.parametrize("rule", RULES)
def test_a_placeholder_is_passed_over(tmp_path: Path, rule: str) -> None:
    records = rows(RULES.index(rule))
    with project(tmp_path, rule, records) as made:
        made.resolve()
        people: dict[str, list[Row]] = defaultdict(list)
        for row in records:
            people[row["member"]].append(row)
        session = made.session()
        for name in (*NOBODYS, "valid_until"):
            found = session.sql(f"SELECT member, {name}, {name}__source, {name}__key FROM individual").fetchall()
            right = []
            for member, own in people.items():
                best = survivor(rule, name, own)
                right.append((member, *((best[name], best["source"], str(best["id"])) if best else (None, None, None))))
            assert sorted(found) == sorted(right), name
            assert any(value in NOBODYS.get(name, ()) for _, value, *_ in found) is (name in NOBODYS), "one that has nothing else keeps it"


@pytest.mark.parametrize("rule", ["latest", "most_frequent", "min", "max"])
def test_no_pass_changes_who_is_found_by_a_survived_value(tmp_path: Path, rule: str) -> None:
    records = rows(40 + RULES.index(rule))
    with project(tmp_path, rule, records) as made:
        made.resolve()
        session = made.session()
        whole = session.sql("SELECT member, email, phone, birth_date FROM individual", passes_off=NAMES).fetchall()
        for name, at in (("email", 1), ("phone", 2), ("birth_date", 3)):
            for value in (*NOBODYS[name], *REAL[name]):
                right = sorted(row[0] for row in whole if row[at] == value)
                for off in ((), ("find_candidates",), ("bind_keys", "prune_columns"), NAMES):
                    got = session.sql(f"SELECT member FROM individual WHERE {name} = $v", {"v": value}, passes_off=off).fetchall()
                    assert sorted(m for (m,) in got) == right, (name, value, off)
        lost = [r for r in records if r["email"] == "none"]
        assert len(lost) > len([row for row in whole if row[1] == "none"]) > 0
