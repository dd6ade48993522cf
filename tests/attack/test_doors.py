"""One value, many doors: what a policy covers shows under no other name, and nobody's events show in a stranger's profile."""

from __future__ import annotations

import datetime as dt
import sqlite3
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.spi.errors import C360Error
from federation.project import Project, connect
from federation.session import Session

PROJECT = """
version: 1
name: doors
sources: {shop: {kind: sqlite, path: shop.sqlite}}
mappings:
  - {object: individual, source: shop, table: customer, key: mail,
     attributes: {email: mail, first_name: name, country: country, updated_at: updated}}
  - {object: sales_order, source: shop, table: orders, key: number, person: {table: customer, key: mail},
     attributes: {order_number: number, status: status, ordered_at: placed}}
  - {object: engagement_web, source: shop, table: visit, key: id, person: none, attributes: {type: type, occurred_at: at}}
identity: {individual: {rules: [email]}}
policies:
  - {name: addresses, objects: [individual], roles: [masked, both], mask: {email: "'***'"}}
  - {name: numbers, objects: [sales_order], roles: [masked], mask: {order_number: "'N***'", status: "'-'"}}
  - {name: no vips, objects: [individual_record], roles: [both], filter: "email not like '%@vip.org'"}
  - {name: no secrets, objects: [timeline], roles: [masked], filter: "summary not like '%secret%'"}
principals: {mia: [masked], bo: [both], all: [admin]}
"""
NOW = dt.datetime.now(dt.UTC).replace(tzinfo=None)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder: Path = tmp_path_factory.mktemp("doors")
    con = sqlite3.connect(folder / "shop.sqlite")
    con.executescript("""
        CREATE TABLE customer (mail TEXT PRIMARY KEY, name TEXT, country TEXT, updated TIMESTAMP);
        CREATE TABLE orders (number TEXT PRIMARY KEY, mail TEXT, status TEXT, placed TIMESTAMP);
        CREATE TABLE visit (id INTEGER PRIMARY KEY, type TEXT, at TIMESTAMP);
    """)
    for mail in ("a@x.org", "b@x.org", "c@vip.org"):
        con.execute("INSERT INTO customer VALUES (?, ?, 'DE', ?)", (mail, f"Name {mail[0]}", NOW.isoformat(" ")))
    for hours in (1, 90 * 24 - 1, 90 * 24 + 1, 90 * 24 + 20, 9999):
        status = "secret" if hours == 1 else "paid"
        con.execute(
            "INSERT INTO orders VALUES (?, 'a@x.org', ?, ?)", (f"N{hours}", status, (NOW - dt.timedelta(hours=hours)).isoformat(" "))
        )
    con.executemany("INSERT INTO visit VALUES (?, 'stranger', ?)", [(i, NOW.isoformat(" ")) for i in range(3)])
    con.commit()
    con.close()
    (folder / "c360.yml").write_text(PROJECT)
    with connect(folder / "c360.yml") as made:
        made.resolve()
        yield made


def _id(session: Session, name: str) -> int:
    return int(session.sql("SELECT id360 FROM individual WHERE first_name = ?", [name]).fetchone()[0])  # type: ignore[index]


EVERYTHING = (
    "SELECT *, email__source, email__key, email__as_of, first_name__key, country__key, individual_id__key FROM individual",
    "SELECT * FROM individual_record",
    "SELECT *, _key FROM sales_order",
    "SELECT *, _key FROM timeline",
)


@pytest.mark.parametrize("sql", EVERYTHING)
def test_a_masked_key_shows_nowhere(project: Project, sql: str) -> None:
    said = repr(project.session("mia").sql(sql).fetchall())
    for hidden in ("a@x.org", "@vip.org", "N1'", "N2159", "'paid'", "(paid)"):
        assert hidden not in said
    assert "a@x.org" in repr(project.session("all").sql(EVERYTHING[1]).fetchall())


def test_the_crosswalk_is_closed_where_it_would_show_a_masked_key(project: Project) -> None:
    session = project.session("mia")
    for ask in (lambda: session.sql("SELECT * FROM crosswalk"), lambda: session.profile(("shop", "customer", "a@x.org"))):
        with pytest.raises(C360Error) as caught:
            ask()
        assert caught.value.code == "C360_POLICY_REFUSED"
    assert "x.org" not in repr(session.profile(_id(session, "Name a"), provenance=True).as_dict())


def test_filters_see_true_values_where_masks_stand_too(project: Project) -> None:
    assert project.session("bo").sql("SELECT count(*) FROM individual_record").fetchone() == (2,)
    assert project.session("all").sql("SELECT count(*) FROM individual_record").fetchone() == (3,)
    kinds = "SELECT count(*) FROM timeline WHERE kind = 'order'"
    assert project.session("all").sql(kinds).fetchone() == (5,)
    assert project.session("mia").sql(kinds).fetchone() == (4,)


def test_a_profile_holds_its_persons_events_of_its_window(project: Project) -> None:
    session = project.session("all")
    shown = session.profile(_id(session, "Name a")).timeline
    assert [e["summary"] for e in shown] == ["order (secret)", "order (paid)"]
    assert session.profile(_id(session, "Name b"), window=None).timeline == []
    assert len(session.profile(_id(session, "Name a"), window=None).timeline) == 5
    assert session.sql("SELECT count(*) FROM timeline WHERE id360 IS NULL").fetchone() == (3,)


def test_a_traceback_quotes_no_hidden_row(tmp_path: Path) -> None:
    """The cause of an error of the trusted room is kept, its words are not: a notebook prints them."""
    con = sqlite3.connect(tmp_path / "s.sqlite")
    con.execute("CREATE TABLE customer (id INTEGER PRIMARY KEY, mail TEXT, country TEXT, age TEXT, size INTEGER)")
    con.executemany(
        "INSERT INTO customer VALUES (?, ?, ?, ?, ?)",
        [(1, "a", "DE", "30", 1), (2, "b", "CH", "hush-age", 1), (3, "c", "CH", "1", "hush-3")],
    )
    con.commit()
    con.close()
    (tmp_path / "c360.yml").write_text(
        "version: 1\nname: t\nsources: {s: {kind: sqlite, path: s.sqlite}}\n"
        "objects: {individual: {attributes: {age: {type: integer, description: A.}, size: {type: integer, description: S.}}}}\n"
        "mappings: [{object: individual, source: s, table: customer, key: id,\n"
        "  attributes: {email: mail, country: country, age: cast(age as bigint), size: size}}]\n"
        "identity: {individual: {rules: [email]}}\n"
        "policies: [{name: de, objects: [individual], roles: [analyst], filter: \"coalesce(country, 'x') = 'DE'\"}]\nprincipals: {ana: [analyst]}\n"  # noqa: E501
    )
    with connect(tmp_path / "c360.yml") as project:
        project.resolve()
        codes = set()
        for column in ("age", "size"):
            for sql in (f"SELECT {column} FROM individual", f"SELECT count(*) FROM individual WHERE {column} = 5"):
                try:
                    project.session("ana").sql(sql).fetchall()
                except C360Error as error:
                    codes.add(error.code)
                    assert "hush" not in "".join(traceback.format_exception(error))
        assert codes == {"C360_MAPPING_FAILED"}
