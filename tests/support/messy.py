"""Messy people in three live systems, of whom the truth is known: a CRM in SQLite, a shop in PostgreSQL, a loyalty file in CSV."""

from __future__ import annotations

import csv
import sqlite3
from pathlib import Path

from faker import Faker

from tests.support.postgres import TestPostgres

COLUMNS = ("id", "given", "family", "born", "mail", "tel", "street", "zip", "town", "passport", "notes")
Row = tuple[str | None, ...]
Key = tuple[str, str]

PROJECT = """
version: 1
name: messy
objects:
  individual:
    attributes:
      passport: {{type: text, description: Number of the passport.}}
      notes: {{type: text, description: What somebody wrote down.}}
sources:
  crm: {{kind: sqlite, path: crm.db}}
  loyalty: {{kind: files, tables: {{member: {{path: member.csv, key: [id], columns: {{zip: VARCHAR, tel: VARCHAR, born: VARCHAR}}}}}}}}
  shop: {{kind: postgres, uri: "{uri}"}}
mappings:
  - {{object: individual, source: crm, table: person, key: id, attributes: {{{all}}}}}
  - {{object: individual, source: loyalty, table: member, key: id, attributes: {{{all}}}}}
  - {{object: individual, source: shop, table: public.customer, key: id, attributes: {{{all}}}}}
identity:
  secret: ${{env:MESSY_SECRET:-sixteen bytes at least}}
  individual: {individual}
"""
ALL = (
    "first_name: given, last_name: family, birth_date: born, email: mail, phone: tel, street: street, postal_code: zip, city: town, "
    "passport: passport, notes: notes"
)

BRISTOL = ("BS1 4XX", "Bristol")
MILL_ROW = ("+44 113 496 0001", "3 Mill Row", "LS1 1AA", "Leeds")
HAND_MADE: dict[Key, tuple[str, Row]] = {
    # a name misspelt, an address of its own in each system, born on the same day
    ("crm", "1"): ("magda", ("Magdalena", "Wojciechowska", "1961-03-05", None, None, "12 Harbour Lane", *BRISTOL, "P100", None)),
    ("shop", "1"): ("magda", ("Magdalena", "Wojcechowska", "1961-03-05", "mw@u.example", None, "12 Harbour Ln", *BRISTOL, None, None)),
    # a nickname and the same number
    ("crm", "2"): ("william", ("William", "Featherstone", None, None, "+44 7700 900123", None, None, "Leeds", None, None)),
    ("loyalty", "2"): ("william", ("Bill", "Featherstone", "1979-08-14", None, "07700 900123", None, None, "Leeds", None, None)),
    # one household: address, family name and number in common, and two people
    ("crm", "3"): ("anne", ("Anne", "Quartermain", "1980-02-11", None, *MILL_ROW, None, None)),
    ("shop", "3"): ("peter", ("Peter", "Quartermain", "1977-10-30", None, *MILL_ROW, None, None)),
    # namesakes far apart
    ("crm", "4"): ("smith in york", ("John", "Smith", "1950-01-17", None, None, "1 Low Street", "YO1 1AA", "York", None, None)),
    ("shop", "4"): ("smith in bath", ("John", "Smith", "1988-06-21", None, None, "77 Hill Road", "BA1 2BB", "Bath", None, None)),
    # all in common but the passport, of which a person has one
    ("crm", "5"): ("ida", ("Ida", "Thornbury", "1990-09-09", "ida@home.example", None, "5 Elm Walk", "OX1 3CC", "Oxford", "A1", None)),
    ("loyalty", "5"): ("ida?", ("Ida", "Thornbury", "1990-09-09", "ida@home.example", None, "5 Elm Walk", "OX1 3CC", "Oxford", "B2", None)),
}  # fmt: skip


def strangers(count: int, seed: int = 7) -> dict[Key, tuple[str, Row]]:
    """People of whom one or two systems know something: with a typing mistake, without an address, or with another number."""
    fake = Faker("en_GB")
    fake.seed_instance(seed)
    found: dict[Key, tuple[str, Row]] = {}
    systems = ("crm", "shop", "loyalty")
    for n in range(100, 100 + count):
        first, last = fake.first_name(), fake.last_name()
        born, mail = fake.date_of_birth(minimum_age=18, maximum_age=85).isoformat(), f"{first}.{last}{n}@{fake.free_email_domain()}".lower()
        phone, street, code, town = fake.numerify("07#########"), fake.street_address().split("\n")[0], fake.postcode(), fake.city()
        one: Row = (first, last, born, mail, phone, street, code, town, None, None)
        found[systems[n % 3], str(n)] = f"stranger {n}", one
        if n % 2:
            slip = first[:-1] if n % 5 == 0 else first
            other = mail if n % 4 == 1 else None
            again: Row = (
                slip,
                last,
                born if n % 3 else None,
                other,
                fake.numerify("07#########") if other else phone,
                street,
                code,
                town,
                None,
                None,
            )
            found[systems[(n + 1) % 3], str(n)] = f"stranger {n}", again
    return found


def build(folder: Path, uri: str, rows: dict[Key, tuple[str, Row]], *, model: str) -> None:
    """The project file and the two systems in files; shop is filled by its maker."""
    by_system = {s: [(key, *row) for (system, key), (_, row) in rows.items() if system == s] for s in ("crm", "loyalty")}
    with sqlite3.connect(folder / "crm.db") as db:
        db.execute(f"create table person ({', '.join(f'{c} text' for c in COLUMNS)})")
        db.executemany(f"insert into person values ({', '.join('?' * len(COLUMNS))})", by_system["crm"])
    db.close()
    with (folder / "member.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *by_system["loyalty"]])
    write(folder, uri, model)


def write(folder: Path, uri: str, model: str) -> None:
    (folder / "c360.yml").write_text(PROJECT.format(uri=uri, individual=model, all=ALL))


def shop_of(postgres: TestPostgres, rows: dict[Key, tuple[str, Row]]) -> str:
    def quoted(value: str | None) -> str:
        return "null" if value is None else "'" + value.replace("'", "''") + "'"

    values = [f"({', '.join(map(quoted, (key, *row)))})" for (system, key), (_, row) in rows.items() if system == "shop"]
    return postgres.database(
        f"create table customer ({', '.join(f'{c} text' for c in COLUMNS)})", f"insert into customer values {', '.join(values)}"
    )


PEOPLE = {**HAND_MADE, **strangers(300)}
