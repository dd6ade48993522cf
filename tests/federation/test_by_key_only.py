"""A table that may be read by key only: a plan that would read it whole is refused before the source is asked."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

import c360
from connectors.spi.errors import MissingKey

PROJECT = """
version: 1
name: hot
sources:
  crm: {kind: sqlite, path: crm.db}
  shop: {kind: sqlite, path: shop.db, tables: {orders: {required: [customer_id]}}}
mappings:
  - {object: individual, source: crm, table: contact, key: id, attributes: {email: email}}
  - {object: individual, source: shop, table: customer, key: customer_id, attributes: {email: email}}
  - object: sales_order
    source: shop
    table: orders
    key: order_id
    person: {table: customer, key: customer_id}
    attributes: {status: status}
identity: {individual: {rules: [email]}}
"""


@pytest.fixture
def session(tmp_path: Path) -> c360.Session:
    with sqlite3.connect(tmp_path / "crm.db") as db:
        db.executescript(
            "create table contact (id integer primary key, email text); insert into contact values (1, 'a@x.org'), (2, 'b@x.org')"
        )
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.executescript(
            "create table customer (customer_id integer primary key, email text); insert into customer values (7, 'a@x.org');"
            "create table orders (order_id integer primary key, customer_id integer, status text);"
            "insert into orders values (1, 7, 'paid'), (2, 7, 'open'), (3, 8, 'paid')"
        )
    (tmp_path / "c360.yml").write_text(PROJECT)
    project = c360.connect(tmp_path)
    project.resolve()
    return project.session()


def test_by_id_it_is_read_by_its_keys(session: c360.Session) -> None:
    result = session.sql("SELECT o.status FROM sales_order o JOIN individual i USING (id360) WHERE i.id360 = ? ORDER BY 1", [_ada(session)])
    assert result.fetchall() == [("open",), ("paid",)]


def test_an_equality_on_the_required_column_will_do(session: c360.Session) -> None:
    assert session.sql("SELECT count(*) FROM raw.shop.orders WHERE customer_id = 7").fetchall() == [(2,)]


@pytest.mark.parametrize(
    "sql", ["SELECT count(*) FROM sales_order", "SELECT * FROM sales_order WHERE status = 'paid'", "SELECT * FROM timeline"]
)
def test_a_scan_is_refused_with_the_table_and_the_columns(session: c360.Session, sql: str) -> None:
    with pytest.raises(MissingKey, match=r"`shop\.orders` is read by key only: by customer_id"):
        session.sql(sql)


def _ada(session: c360.Session) -> int:
    return int(session.sql("SELECT id360 FROM individual WHERE email = 'a@x.org'").fetchall()[0][0])
