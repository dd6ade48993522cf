"""A company with something to hide, in two versions that agree on everything that the analyst `ana` may see.

`make(folder, hidden=0)` and `make(folder, hidden=1)` differ in: the people of other countries (their number, names, addresses), the
masked part of what everybody's e-mail, phone and birthday is, values of records that lost to a later one, secret orders, coupons,
and the exact amounts under a rounding mask. Every marker of such a value begins with `hush`.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import sqlite3
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from federation.project import Project, connect

PEOPLE = 30
PROJECT = """
version: 1
name: attacked
sources:
  crm: {kind: duckdb, path: crm.duckdb}
  shop: {kind: sqlite, path: shop.sqlite}
  club:
    kind: files
    tables: {click: {path: click.parquet, format: parquet, key: [id]}}
objects:
  individual:
    attributes:
      score: {type: double, description: A number.}
      points: {type: integer, description: Another number.}
mappings:
  - object: individual
    source: crm
    table: contact
    key: id
    attributes: {email: mail, phone: phone, first_name: first, last_name: last, city: city, country: country, birth_date: born,
                 score: score, status: state, updated_at: updated}
  - object: individual
    source: shop
    table: customer
    key: mail
    attributes: {email: mail, full_name: name, city: town, country: country, points: points, language: lang, updated_at: updated}
  - object: sales_order
    source: shop
    table: orders
    key: id
    person: {table: customer, key: mail}
    attributes: {order_number: number, status: status, total_amount: amount, coupon: coupon, items: items, ordered_at: placed}
  - object: case
    source: crm
    table: ticket
    key: id
    person: {table: contact, key: contact_id}
    attributes: {case_number: id, subject: subject, status: status, opened_at: opened}
  - object: engagement_email
    source: club
    table: click
    key: id
    person: {identifier: email, value: mail}
    attributes: {type: type, campaign: campaign, occurred_at: at}
identity: {secret: '${env:C360_ATTACK_SECRET}', individual: {rules: [email]}}
survivorship: {individual: {default: latest, source_order: [crm, shop]}}
policies:
  - name: germans
    objects: [individual]
    roles: [analyst]
    filter: country = 'DE'
    mask: {email: "'***@' || split_part(email, '@', 2)", phone: "'***'", birth_date: "date_trunc('year', birth_date)"}
  - name: orders
    objects: [sales_order]
    roles: [analyst]
    filter: status <> 'secret'
    mask: {coupon: null, total_amount: 'round(total_amount, -2)'}
  - {name: tickets, objects: [case], roles: [analyst], deny: true}
  - name: clicks
    objects: [engagement_email]
    except_purposes: [campaigning]
    filter: type <> 'hushed'
principals: {ana: [analyst], root: [admin]}
settings: {timeout: 20s, memory: 256MiB}
"""


def make(folder: Path, hidden: int = 0) -> Project:
    """Write the company's systems, connect and resolve."""
    same, other = random.Random(1), random.Random(100 + hidden)
    folder.mkdir(parents=True, exist_ok=True)
    _crm(folder / "crm.duckdb", same, other, hidden)
    _shop(folder / "shop.sqlite", same, other, hidden)
    _club(folder / "click.parquet", same, other, hidden)
    (folder / "c360.yml").write_text(PROJECT)
    os.environ.setdefault("C360_ATTACK_SECRET", "hush: the same ids every time, whatever the machine")
    project = connect(folder / "c360.yml")
    project.resolve()
    return project


def mail(person: int, hidden: int) -> str:
    """The local part is under a mask, and differs."""
    return f"hush{(person * 7919 + hidden * 104729) % 99991:05}.{person}@ex{person % 3}.org"


def moment(day: float) -> dt.datetime:
    return dt.datetime(2025, 1, 1, 12) + dt.timedelta(days=day)


def strange(hidden: int) -> range:
    """People whom ana may not see, in crm: their keys come after everybody's."""
    return range(1000, 1010 + 7 * hidden)


def _crm(path: Path, same: random.Random, other: random.Random, hidden: int) -> None:
    con = duckdb.connect(str(path))
    con.execute("""CREATE TABLE contact (id BIGINT, mail VARCHAR, phone VARCHAR, first VARCHAR, last VARCHAR, city VARCHAR, country VARCHAR,
        born DATE, score DOUBLE, state VARCHAR, updated TIMESTAMP)""")
    con.execute("CREATE TABLE ticket (id BIGINT, contact_id BIGINT, subject VARCHAR, status VARCHAR, opened TIMESTAMP)")
    rows: list[tuple[object, ...]] = []
    for p in range(PEOPLE):
        born = dt.date(1950 + p, other.randrange(1, 13), other.randrange(1, 28))
        rows.append(
            (
                p,
                mail(p, hidden),
                f"hush-{other.randrange(10**8)}",
                f"First{p}",
                f"Last{same.randrange(9)}",
                f"City{p % 5}",
                "DE",
                born,
                same.random(),
                same.choice(("active", "12", "ß")),
                moment(p / 100),
            )
        )
        if p % 3 == 0:  # an older record of the same person: all of it loses, so none of it may show
            rows.append(
                (
                    500 + p,
                    mail(p, hidden),
                    f"hush-{other.randrange(10**8)}",
                    f"hush{other.randrange(10**6)}",
                    f"hush{other.randrange(10**6)}",
                    f"hush{other.randrange(10**6)}",
                    other.choice(("DE", "CH", "FR")),
                    born,
                    other.random(),
                    f"hush{other.randrange(10**6)}",
                    moment(-100),
                )
            )
    for p in strange(hidden):
        rows.append(  # noqa: PERF401
            (
                p,
                f"hush{other.randrange(10**6)}@hidden.org",
                "hush-1",
                other.choice(("hushed", "17", "First3", "2020-01-01")),
                f"hush{hidden}",
                other.choice(("City1", "hush")),
                other.choice(("CH", "FR", None, "")),
                None,
                other.choice((None, 1e308, -1.0)),
                other.choice(("x", "9" * 30, "", "17")),
                moment(other.randrange(1000)),
            )
        )
    con.executemany(f"INSERT INTO contact VALUES ({', '.join('?' * 11)})", rows)
    tickets = [(i, other.randrange(PEOPLE), f"hush {other.random()}", "open", moment(i)) for i in range(20 + hidden)]
    con.executemany("INSERT INTO ticket VALUES (?, ?, ?, ?, ?)", tickets)
    con.close()


def _shop(path: Path, same: random.Random, other: random.Random, hidden: int) -> None:
    con = sqlite3.connect(path)
    con.executescript("""
        CREATE TABLE customer (mail TEXT PRIMARY KEY, name TEXT, town TEXT, country TEXT, points INTEGER,
            lang TEXT COLLATE NOCASE, updated TIMESTAMP);
        CREATE TABLE orders (id INTEGER PRIMARY KEY, mail TEXT, number TEXT, status TEXT, amount DECIMAL(12,2), coupon TEXT,
            items INTEGER, placed TIMESTAMP);
    """)
    for p in range(0, PEOPLE, 2):
        row = (
            mail(p, hidden),
            f"Name {p}",
            f"Town{p % 4}",
            "DE",
            same.randrange(100),
            same.choice(("de", "DE", "ß", None)),
            moment(p + 30).isoformat(" "),
        )
        con.execute("INSERT INTO customer VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    for p in strange(hidden):
        row = (f"hush{other.randrange(10**9)}@hidden.org", "hush", "Town1", "CH", other.randrange(2**40), "de", moment(p).isoformat(" "))
        con.execute("INSERT INTO customer VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    for i in range(60):
        owner = mail(same.randrange(0, PEOPLE, 2), hidden)
        amount = same.randrange(10) * 100 + other.randrange(-40, 40) if i % 4 else None
        row = (
            i,
            owner,
            f"N{i:03}",
            same.choice(("paid", "open", "Paid")),
            amount and float(amount),
            f"hush{other.randrange(99)}",
            same.choice((None, 1, 2)),
            moment(same.randrange(300)).isoformat(" "),
        )
        con.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    for i in range(1000, 1025 + 9 * hidden):
        row = (
            i,
            mail(other.randrange(0, PEOPLE, 2), hidden),
            other.choice(("hush", "12", "N003", "2020-01-01")),
            other.choice(("secret", None)),
            float(other.randrange(10**6)),
            "hush",
            other.choice((None, 1, 2**60)),
            moment(other.randrange(600)).isoformat(" "),
        )
        con.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    con.commit()
    con.close()


def _club(path: Path, same: random.Random, other: random.Random, hidden: int) -> None:
    rows = [(f"e{i}", mail(same.randrange(PEOPLE), hidden), same.choice(("open", "click")), f"c{i % 3}", moment(i)) for i in range(40)]
    rows += [
        (f"h{i}", mail(other.randrange(PEOPLE), hidden), "hushed", f"hush{other.random()}", moment(other.randrange(900)))
        for i in range(9 + hidden)
    ]
    ids, mails, types, campaigns, times = (pa.array(c) for c in zip(*rows, strict=True))
    pq.write_table(pa.table({"id": ids, "mail": mails, "type": types, "campaign": campaigns, "at": times.cast(pa.timestamp("us"))}), path)
