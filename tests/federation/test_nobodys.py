"""Values that a model found to be nobody's (a switchboard, info@, a date on a tenth of the records) do not survive beside a real one."""

from __future__ import annotations

import datetime as dt
import random
import sqlite3
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import c360
from connectors.spi.errors import C360Error
from federation.passes import NAMES
from identity.keyed import keyed
from identity.probabilistic.nobodys import Told

PROJECT = """
version: 1
name: nobodys
sources: {crm: {kind: sqlite, path: crm.db}, shop: {kind: sqlite, path: shop.db}}
objects:
  individual:
    attributes:
      member: {type: text, description: Number that both systems know.}
      card: {type: text, description: Loyalty card.}
mappings:
  - object: individual
    source: crm
    table: contact
    key: id
    attributes: &all {member: member, email: email, phone: phone, first_name: first, last_name: last, birth_date: born, card: card,
      updated_at: changed}
  - {object: individual, source: shop, table: customer, key: id, attributes: *all}
identity:
  secret: "${env:NOBODYS_SECRET:-sixteen bytes at least}"
  individual: {rules: [member], model: {attributes: {card: identifier, birth_date: birth_date, phone: phone(DE)}}}
survivorship: {individual: {default: latest}}
"""
PEOPLE = 400
FIRST = ("Ada", "Ben", "Cleo", "Dora", "Emil", "Fritz", "Gerd", "Hanna", "Ida", "Jonas", "Karl", "Lena", "Max", "Nora", "Otto", "Paul")
LAST = (
    "Adler",
    "Brandt",
    "Clausen",
    "Dietz",
    "Engel",
    "Falk",
    "Graf",
    "Haas",
    "Jung",
    "Kern",
    "Lang",
    "Moser",
    "Noll",
    "Ott",
    "Pohl",
    "Roth",
)
SWITCHBOARD = ("030 5550100", "+49 30 555 0100", "0049 30 5550100")
ROLE = ("Info@Firma.de", " info@firma.de ", "info+web@firma.de")
POISON = "1977-07-07"
CARD = ("0815-4711", "08154711", "0815 4711")
FAMILY = "0171 9998877"


def project(folder: Path) -> c360.Project:
    """Each person has an older record with values of their own, and a newer one of which some are nobody's; a family shares a phone."""
    rng = random.Random(5)
    for source, table in (("crm", "contact"), ("shop", "customer")):
        with sqlite3.connect(folder / f"{source}.db") as con:
            con.execute(
                f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, member, email, phone, first, last, born DATE, card, changed TIMESTAMP)"
            )
    for person in range(PEOPLE):
        first, last = rng.choice(FIRST), rng.choice(LAST)
        born = dt.date(1978, 1, 1) + dt.timedelta(days=rng.randrange(9000))
        own = [f"{first}{person}@x{person % 7}.org", f"0172 {3000000 + person * 7}", first, last, str(born), f"C{person:05d}"]
        if person in (1, 2):
            own[1], own[3] = FAMILY, "Adler"
        nth = person % 3
        new = list(own)
        for at, value in ((0, ROLE[nth]), (1, SWITCHBOARD[nth]), (4, POISON), (5, CARD[nth])):
            if rng.random() < 0.2 and not (at == 1 and person in (1, 2)):
                new[at] = value
        for source, table, values, year in (("crm", "contact", own, 2024), ("shop", "customer", new, 2025)):
            with sqlite3.connect(folder / f"{source}.db") as con:
                con.execute(
                    f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (person, f"m{person}", *values, f"{year}-01-01 00:00:00")
                )
    (folder / "c360.yml").write_text(PROJECT)
    return c360.connect(folder / "c360.yml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("nobodys")
    with project(made) as first:
        first.resolve()
    return made


def bad(answer: list[tuple[object, ...]]) -> dict[str, int]:
    values = {"email": ROLE, "phone": SWITCHBOARD, "birth_date": (dt.date.fromisoformat(POISON),), "card": CARD}
    return {name: sum(row[i] in values[name] for row in answer) for i, name in enumerate(values)}


def test_what_the_model_found_is_passed_over(folder: Path) -> None:
    with c360.connect(folder / "c360.yml") as made:  # another process in real life: the model comes from its file
        session = made.session()
        records = session.sql("SELECT email, phone, birth_date, card FROM individual_record").fetchall()
        assert all(count > 50 for count in bad(records).values())
        people = "SELECT email, phone, birth_date, card, records FROM individual"
        whole = session.sql(people).fetchall()
        assert len(whole) == PEOPLE
        assert bad(whole) == dict.fromkeys(("email", "phone", "birth_date", "card"), 0)
        assert sum(row[1] == FAMILY for row in whole) == 2, "a family's telephone is theirs"
        assert sorted(session.sql(people, passes_off=NAMES).fetchall()) == sorted(whole)
        (one,) = session.sql("SELECT id360, email, email__source FROM individual WHERE email = ?", [whole[5][0]]).fetchall()
        assert session.profile(one[0]).values["email"] == one[1]


@pytest.mark.parametrize("off", [(), ("find_candidates",), NAMES])
def test_who_is_searched_for_by_it_is_not_found(folder: Path, off: tuple[str, ...]) -> None:
    with c360.connect(folder / "c360.yml") as made:
        for name, value in (("email", ROLE[0]), ("phone", SWITCHBOARD[0]), ("card", CARD[0])):
            assert made.session().sql(f"SELECT id360 FROM individual WHERE {name} = $v", {"v": value}, passes_off=off).fetchall() == []


def test_without_the_secret_nothing_is_known_of_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOBODYS_SECRET", "another of sixteen bytes")
    with c360.connect(folder / "c360.yml") as made:
        assert min(bad(made.session().sql("SELECT email, phone, birth_date, card FROM individual").fetchall()).values()) > 50
        with pytest.raises(C360Error):
            made.resolve()


def test_of_one_as_of_many() -> None:
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 1 << 64, 200, np.uint64)
    told = Told(np.sort(keyed(hashes[::2], b"a secret of this", "email")), b"a secret of this", "email")
    every = told.of_batch(pa.array(hashes)).to_pylist()
    assert every == [i % 2 == 0 for i in range(200)] == [told.of_one(h) for h in hashes.tolist()]
