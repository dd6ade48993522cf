"""A small company over four systems, with the data that breaks things: the fixture `world`, and `make` for a world of one's own.

What is in it: NULL and missing keys, '' for nothing, several records per person, ties and NULLs in `updated_at`, attributes that
are NULL everywhere, text of many scripts, orders of unknown customers, people without orders, a composite key, e-mail addresses in
mixed case on events, naive times of another zone beside instants, decimals of three digits under an attribute of two.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from federation.project import Project, connect
from tests.support.postgres import TestPostgres
from views.yaml_core import CoreLoader

PROJECT_FILE = Path(__file__).with_name("world.yml")
PEOPLE = 48
NAMES = ("Ada", "Älva", "Zoë", "İlker", "Σωκράτης", "李", "o'Neil", "Bob", "bob", "Bob ", "%", "a_b", "", None, "Ann-Marie", "ß")
CITIES = ("Kiel", "kiel", "Zürich", "", None, "Łódź", "Kiel ", "New York", "東京", "'; drop table contact; --")
COUNTRIES = ("DE", "de", "CH", "", None, "US", "ch")
DOMAINS = ("example.org", "Example.ORG", "x.co")
UTC = dt.UTC


@dataclass
class World:
    """A connected, resolved project and where its parts lie. `database` is billing's in `postgres`, if there is one."""

    folder: Path
    project: Project
    postgres: TestPostgres | None = None
    database: str = ""
    sources: tuple[str, ...] = field(default=("crm", "shop", "club"))

    def ids(self) -> list[int]:
        """Every id360 of an individual, in order."""
        return [r[0] for r in self.project.session("root").sql("SELECT id360 FROM individual ORDER BY id360").fetchall()]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The three systems that need no server."""
    made = make(tmp_path_factory.mktemp("world"))
    yield made
    made.project.close()


@pytest.fixture(scope="session")
def postgres_world(tmp_path_factory: pytest.TempPathFactory, postgres: TestPostgres) -> Iterator[World]:
    """All four."""
    made = make(tmp_path_factory.mktemp("world"), postgres=postgres)
    yield made
    made.project.close()


def make(folder: Path, *, seed: int = 7, people: int = PEOPLE, postgres: TestPostgres | None = None, resolve: bool = True) -> World:
    """Write the systems into the folder (and a database of the server), connect, and resolve."""
    data = Data(random.Random(seed), people)
    crm(folder / "crm.duckdb", data)
    shop(folder / "shop.sqlite", data)
    club(folder, data)
    written = yaml.load(PROJECT_FILE.read_bytes(), Loader=CoreLoader)
    database = ""
    if postgres is not None:
        database = postgres.database(*billing(data))
        written["sources"]["billing"] = {"kind": "postgres", "uri": postgres.uri(database)}
    else:
        written["mappings"] = [m for m in written["mappings"] if m["source"] != "billing"]
        written["survivorship"]["individual"]["source_order"].remove("billing")
    with (folder / "c360.yml").open("w") as file:
        yaml.safe_dump(written, file, sort_keys=False)
    os.environ.setdefault("C360_TEST_WORLD_SECRET", "the same ids in every run")
    project = connect(folder / "c360.yml")
    if resolve:
        project.resolve()
    return World(folder, project, postgres, database, ("crm", "shop", "club", *(("billing",) if postgres else ())))


class Data:
    """What the systems say of the same people. A record is (person, the value of each column)."""

    def __init__(self, rng: random.Random, people: int) -> None:
        self.rng, self.people = rng, people
        self.mails = [f"p{i}@{rng.choice(DOMAINS)}" for i in range(people)]
        self.births = [dt.date(1950, 1, 1) + dt.timedelta(days=rng.randrange(20000)) for _ in range(people)]

    def mail(self, person: int) -> str | None:
        """The person's address, as badly written as any, or none."""
        mail, rng = self.mails[person], self.rng
        return rng.choice((mail, mail, mail, mail.upper(), f" {mail}", mail.capitalize(), mail, "", None))

    def pick(self, values: tuple[Any, ...]) -> Any:
        return self.rng.choice(values)

    def moment(self) -> dt.datetime | None:
        """One of few moments, so that there are ties; or none."""
        day = self.rng.choice((None, 0, 0, 1, 1, 2, 200, 400))
        return None if day is None else dt.datetime(2024, 1, 1, 12) + dt.timedelta(days=day)

    def exact(self) -> dt.datetime:
        return dt.datetime(2023, 1, 1) + dt.timedelta(
            seconds=self.rng.randrange(86400 * 900), microseconds=self.rng.choice((0, 0, 1, 999999))
        )

    def money(self, digits: int = 2) -> Decimal | None:
        numbers = (None, Decimal(0), Decimal("-5"), Decimal("10.10"), Decimal(self.rng.randrange(10**6)) / 10**digits)
        return self.rng.choice(numbers)

    def score(self) -> float | None:
        return self.rng.choice((None, 0.0, -1.5, 0.1, 1e300, self.rng.random()))


def crm(path: Path, d: Data) -> None:
    con = duckdb.connect(str(path))
    con.execute("SET TimeZone = 'America/New_York'")  # what it shows must not depend on it
    con.execute("""
        CREATE TABLE contact (id BIGINT, email VARCHAR, phone VARCHAR, first VARCHAR, last VARCHAR, born DATE, street VARCHAR,
            zip VARCHAR, city VARCHAR, country VARCHAR, vip BOOLEAN, score DOUBLE, deleted BOOLEAN, created TIMESTAMP, updated TIMESTAMPTZ);
        CREATE TABLE ticket (id BIGINT PRIMARY KEY, contact_id BIGINT, subject VARCHAR, status VARCHAR, priority VARCHAR,
            escalated BOOLEAN, grade DOUBLE, opened TIMESTAMP, closed TIMESTAMP);
        CREATE TABLE consent (id BIGINT PRIMARY KEY, contact_id BIGINT, purpose VARCHAR, channel VARCHAR, status VARCHAR, "at" TIMESTAMPTZ);
    """)
    rows = []
    for person in range(d.people):
        for _ in range(d.pick((0, 1, 1, 2, 3))):
            at = d.moment()
            rows.append(
                (
                    len(rows) + 1,
                    d.mail(person),
                    d.pick((None, "", "+49 431 12", "0431/12")),
                    d.pick(NAMES),
                    d.pick(NAMES),
                    d.pick((None, d.births[person])),
                    d.pick((None, "Weg 1")),
                    d.pick(("24103", "", None)),
                    d.pick(CITIES),
                    d.pick(COUNTRIES),
                    d.pick((None, True, False)),
                    d.score(),
                    d.pick((None, False, False, False, True)),
                    d.moment(),
                    at.replace(tzinfo=UTC) if at else None,
                )
            )
    contacts = len(rows)
    rows.append((None, "nobody@example.org", None, "No", "Key", None, None, None, "Kiel", "DE", None, None, False, None, None))
    con.executemany(f"INSERT INTO contact VALUES ({', '.join('?' * 15)})", rows)
    tickets = [
        (
            i + 1,
            d.pick((None, 10**6, d.rng.randrange(contacts) + 1, d.rng.randrange(contacts) + 1)),
            d.pick(("Hilfe!", "", None, "100%")),
            d.pick(("open", "closed", "Open", None)),
            d.pick(("low", "high", None)),
            d.pick((None, True, False)),
            d.score(),
            d.exact(),
            d.pick((None, d.exact())),
        )
        for i in range(80)
    ]
    con.executemany(f"INSERT INTO ticket VALUES ({', '.join('?' * 9)})", tickets)
    consents = [
        (
            i + 1,
            d.rng.randrange(contacts) + 1,
            d.pick(("marketing", "analytics")),
            d.pick(("email", None)),
            d.pick(("granted", "denied", None)),
            d.exact().replace(tzinfo=UTC),
        )
        for i in range(50)
    ]
    con.executemany("INSERT INTO consent VALUES (?, ?, ?, ?, ?, ?)", consents)
    con.close()


def shop(path: Path, d: Data) -> None:
    con = sqlite3.connect(path)
    con.executescript("""
        CREATE TABLE customer (tenant TEXT NOT NULL, id INTEGER NOT NULL, mail TEXT COLLATE NOCASE, phone TEXT, first TEXT, last TEXT,
            city TEXT, country TEXT, status TEXT, created TIMESTAMP, updated TIMESTAMP, PRIMARY KEY (tenant, id));
        CREATE TABLE orders (order_id INTEGER PRIMARY KEY, tenant TEXT, customer_id INTEGER, status TEXT, channel TEXT,
            amount DECIMAL(12,2), items INTEGER, coupon TEXT, placed TIMESTAMP, shipped TIMESTAMP);
        CREATE TABLE product (sku TEXT PRIMARY KEY, title TEXT, price DECIMAL(10,2), category TEXT, active BOOLEAN);
    """)
    keys: list[tuple[str, int]] = []
    for person in range(d.people):
        for _ in range(d.pick((0, 1, 1, 2))):
            keys.append((d.pick(("eu", "us", "")), len(keys) // 2 + 1))
            keys[-1] = keys[-1] if keys[-1] not in keys[:-1] else ("x", len(keys) + 1000)
            row = (
                *keys[-1],
                d.mail(person),
                d.pick((None, "", "0431-12")),
                d.pick(NAMES),
                d.pick(NAMES),
                d.pick(CITIES),
                d.pick(COUNTRIES),
                d.pick(("active", "", None, "Active")),
                _text(d.moment()),
                _text(d.moment()),
            )
            con.execute(f"INSERT INTO customer VALUES ({', '.join('?' * 11)})", row)
    for i in range(150):
        owner = d.pick((*d.rng.sample(keys, 6), (None, 1), ("eu", None), ("nowhere", 77)))
        money = d.money()
        row = (
            i + 1,
            *owner,
            d.pick(("paid", "Paid", "open", "", None, "secret")),
            d.pick(("web", "store", None)),
            None if money is None else float(money),
            d.pick((None, 0, 1, 2, 2**40)),
            d.pick((None, "", "SPRING", "%x_", "ÄÖ")),
            _text(d.exact()),
            d.pick((None, _text(d.exact()))),
        )
        con.execute(f"INSERT INTO orders VALUES ({', '.join('?' * 10)})", row)
    for i in range(12):
        con.execute("INSERT INTO product VALUES (?, ?, ?, ?, ?)", (f"S{i}", d.pick(NAMES), i * 1.5, d.pick(("tent", "Tent", None)), i % 2))
    con.commit()
    con.close()


def _text(at: dt.datetime | None) -> str | None:
    return None if at is None else at.isoformat(" ")


def club(folder: Path, d: Data) -> None:
    lines = ["card,mail,name,town,points,since,changed"]
    cards = list(range(100, 100 + d.people // 2))
    for card, person in zip(cards, d.rng.sample(range(d.people), len(cards)), strict=True):
        town = str(d.pick(CITIES[:5]) or "")
        lines.append(f"{card},{d.mail(person) or ''},Name {person},{town},{d.pick(('', 0, 7, 500))},{d.births[person]},{d.moment() or ''}")
    (folder / "member.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    count = 90
    purchases = {
        "id": pa.array(range(count), pa.int64()),
        "card": pa.array([d.pick((None, 9999, *d.rng.sample(cards, 5))) for _ in range(count)], pa.int64()),
        "state": pa.array([d.pick(("paid", "open", "", None, "secret")) for _ in range(count)]),
        "place": pa.array([d.pick(CITIES) for _ in range(count)]),
        "total": pa.array(
            [d.pick((None, Decimal("1.005"), Decimal("1.004"), Decimal("10.105"), d.money(3))) for _ in range(count)], pa.decimal128(18, 3)
        ),
        "currency": pa.array([d.pick(("EUR", "USD", None)) for _ in range(count)]),
        "day": pa.array([d.exact().date() for _ in range(count)], pa.date32()),
        "handed": pa.array([d.pick((None, d.exact())) for _ in range(count)], pa.timestamp("us", "UTC")),
    }
    pq.write_table(pa.table(purchases), folder / "purchase.parquet", row_group_size=20)
    mails = [d.pick((d.mail(d.rng.randrange(d.people)), "stranger@x.co", None)) for _ in range(160)]
    clicks = {
        "id": pa.array([f"e{i}" for i in range(160)]),
        "mail": pa.array(mails, pa.string()),
        "type": pa.array([d.pick(("open", "click", "bounce", None)) for _ in mails]),
        "campaign": pa.array([d.pick(("spring", "Spring", "", None)) for _ in mails]),
        "at": pa.array([d.pick((None, d.exact(), d.exact())) for _ in mails], pa.timestamp("us", "UTC")),
    }
    pq.write_table(pa.table(clicks), folder / "click.parquet", row_group_size=40)


def billing(d: Data) -> list[str]:
    """The statements that fill a PostgreSQL database: its people and invoices."""
    statements = [
        "CREATE TABLE holder (no bigint PRIMARY KEY, email text, surname varchar(40), city text, country char(2), born date,"
        " rating double precision, touched timestamptz)",
        "CREATE TABLE invoice (no bigint PRIMARY KEY, holder_no bigint, state text, total numeric(14, 2), currency char(3),"
        " issued timestamp, note text)",
    ]
    holders = d.people // 2
    people = [
        (
            i + 1,
            d.mail(d.rng.randrange(d.people)),
            d.pick(NAMES),
            d.pick(CITIES),
            d.pick(("DE", "CH", None)),
            d.pick((None, d.births[i])),
            d.score(),
            d.moment(),
        )
        for i in range(holders)
    ]
    invoices = [
        (
            i + 1,
            d.pick((None, 10**6, d.rng.randrange(holders) + 1, d.rng.randrange(holders) + 1)),
            d.pick(("paid", "open", "", None, "secret")),
            d.money(),
            d.pick(("EUR", None)),
            d.exact(),
            d.pick((None, "", "100%", "ÄÖ")),
        )
        for i in range(90)
    ]
    for table, rows in (("holder", people), ("invoice", invoices)):
        values = ",\n".join(f"({', '.join(map(_literal, row))})" for row in rows)
        statements.append(f"INSERT INTO {table} VALUES {values}")
    return statements


def _literal(value: object) -> str:
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"
