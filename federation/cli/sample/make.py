"""Make the sample sources: a CRM in SQLite, a shop's customers in CSV and orders in Parquet. Dates are counted back from today."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

CRM = """
CREATE TABLE contact (id INTEGER PRIMARY KEY, first_name TEXT, last_name TEXT, email_address TEXT, phone TEXT, city TEXT,
    country TEXT, updated_at TIMESTAMP);
CREATE TABLE ticket (id INTEGER PRIMARY KEY, contact_id INTEGER NOT NULL REFERENCES contact (id), subject TEXT, status TEXT,
    priority TEXT, opened_at TIMESTAMP, closed_at TIMESTAMP);
CREATE INDEX contact_email ON contact (email_address);
CREATE INDEX ticket_contact ON ticket (contact_id);
"""


def make(folder: Path) -> None:
    """Write crm.sqlite, customer.csv and orders.parquet into `folder`, which is made."""
    folder.mkdir(parents=True)
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)

    def ago(days: str) -> datetime | None:
        return now - timedelta(days=int(days), hours=int(days) % 7) if days else None

    _crm(folder / "crm.sqlite", ago)
    _customers(folder / "customer.csv", ago)
    _orders(folder / "orders.parquet", ago)


def _crm(path: Path, ago: Callable[[str], datetime | None]) -> None:
    def text(days: str) -> str | None:
        moment = ago(days)
        return moment.isoformat(" ") if moment else None

    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(CRM)
        contacts = [(*list(r.values())[:-1], text(r["changed"])) for r in _read("contact.csv")]
        db.executemany("INSERT INTO contact VALUES (?, ?, ?, ?, ?, ?, ?, ?)", contacts)
        tickets = [(*list(r.values())[:-2], text(r["opened"]), text(r["closed"])) for r in _read("ticket.csv")]
        db.executemany("INSERT INTO ticket VALUES (?, ?, ?, ?, ?, ?, ?)", tickets)


def _customers(path: Path, ago: Callable[[str], datetime | None]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["customer_no", "name", "mail", "mobile", "zip", "town", "modified_at"])
        writer.writerows([*list(r.values())[:-1], ago(r["modified"])] for r in _read("customer.csv"))


def _orders(path: Path, ago: Callable[[str], datetime | None]) -> None:
    rows = _read("orders.csv")
    columns = {
        "order_no": pa.array([int(r["order_no"]) for r in rows], pa.int64()),
        "customer_no": pa.array([r["customer_no"] for r in rows]),
        "total": pa.array([Decimal(r["total"]) for r in rows], pa.decimal128(12, 2)),
        "currency": pa.array([r["currency"] for r in rows]),
        "state": pa.array([r["state"] for r in rows]),
        "placed_at": pa.array([ago(r["placed"]) for r in rows], pa.timestamp("us")),
    }
    pq.write_table(pa.table(columns), path)


def _read(name: str) -> list[dict[str, str]]:
    text = files("federation.cli.sample").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
