"""A project of two real sources, SQLite and CSV, with people whose records must be weighed."""

from __future__ import annotations

import csv
import sqlite3
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "identity"))

from people import ATTRIBUTES, Row, kin, moved, strangers

MAPPED = "{first_name: first_name, last_name: last_name, birth_date: birth_date, email: email, phone: phone, street: street, " + (
    "postal_code: postcode, city: city}"
)
PROJECT = """version: 1
name: people
sources:
  crm: {{kind: sqlite, path: crm.db}}
  shop: {{kind: files, path: .}}
mappings:
  - {{object: individual, source: crm, table: contact, key: id, attributes: {mapped}}}
  - {{object: individual, source: shop, table: customer, key: no, attributes: {mapped}}}
identity: {{individual: {{{how}}}}}
"""


def people_project(folder: Path, count: int = 200, how: str = "model: standard", *, doubtful: bool = False) -> list[Row]:
    """`count` people in the CRM (keys 1 …), a third of them in the shop too (keys C-1 … in the same order), then kin of a tenth;
    with `doubtful` also records of whom nobody knows for sure."""
    rows = strangers(count, count // 3)
    rows += kin(rows[count // 2 : count // 2 + count // 10])
    rows += moved(rows[count * 2 // 3 : count * 2 // 3 + count // 8]) if doubtful else []
    folder.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(folder / "crm.db") as con:
        con.execute(f"CREATE TABLE contact (id INTEGER PRIMARY KEY, {', '.join(f'{name} TEXT' for name in ATTRIBUTES)})")
        keyed = [(i, *(row[name] for name in ATTRIBUTES)) for i, row in enumerate(rows[:count], 1)]
        con.executemany(f"INSERT INTO contact VALUES ({', '.join('?' * (len(ATTRIBUTES) + 1))})", keyed)
    with (folder / "customer.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["no", *ATTRIBUTES])
        writer.writerows([f"C-{i}", *(row[name] for name in ATTRIBUTES)] for i, row in enumerate(rows[count:], 1))
    (folder / "c360.yml").write_text(PROJECT.format(mapped=MAPPED, how=how), encoding="utf-8")
    return rows


def values(rows: list[Row]) -> set[bytes]:
    """Every attribute value that is long enough to be told from chance, in lower case, also without spaces."""
    found = {str(row[name]).lower() for row in rows for name in ATTRIBUTES if row[name] and len(str(row[name])) > 5}
    return {value.encode() for value in found} | {value.replace(" ", "").encode() for value in found}
