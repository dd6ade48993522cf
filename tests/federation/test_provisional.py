"""Records that came after the last resolve, found when a profile asks for them: SQLite and PostgreSQL, live."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from federation import identifier_search
from federation.errors import AmbiguousPerson, NoSuchPerson, PolicyRefused
from federation.project import Project, connect
from identity.exact_rules import CAP
from tests.support.postgres import TestPostgres

PROJECT = """
version: 1
name: lagging
sources:
  crm: {{kind: sqlite, path: crm.sqlite}}
  billing: {{kind: postgres, uri: '{uri}'}}
mappings:
  - object: individual
    source: crm
    table: contact
    key: id
    attributes: {{email: mail, phone: phone, first_name: first, city: city, country: country, updated_at: updated}}
    where: state <> 'gone'
  - object: individual
    source: billing
    table: holder
    key: no
    attributes: {{email: email, last_name: surname, country: country, updated_at: touched}}
  - object: sales_order
    source: crm
    table: orders
    key: id
    person: {{table: contact, key: contact_id}}
    attributes: {{order_number: id, total_amount: total, ordered_at: placed}}
identity: {{secret: '${{env:C360_TEST_LAG_SECRET}}', individual: {{rules: [email]}}}}
policies:
  - {{name: germans, objects: [individual], roles: [analyst], filter: "country = 'DE'"}}
  - {{name: mails, objects: [individual], roles: [clerk], mask: {{email: "'***'"}}}}
  - {{name: nobody, objects: [individual], roles: [guest], deny: true}}
principals: {{root: [admin], ana: [analyst], carl: [clerk], gus: [guest]}}
"""
WEEK_AGO = "datetime('now', '-7 days')"


class Company:
    """A resolved project, and ways to change its sources since."""

    def __init__(self, folder: Path, postgres: TestPostgres, of: Company | None = None) -> None:
        self.folder, self.postgres = folder, postgres
        os.environ.setdefault("C360_TEST_LAG_SECRET", "the same ids in every company")
        if of is None:
            self.database = self.filled()
        else:
            self.database = postgres.database(clause=f"template {of.database}")
            shutil.copytree(of.folder, folder, dirs_exist_ok=True)
        (folder / "c360.yml").write_text(PROJECT.format(uri=postgres.uri(self.database)))
        self.project: Project = connect(folder / "c360.yml")
        if of is None:
            self.project.resolve()
            self.ada, self.bob, self.cyd = (self.profile(("crm", "contact", i)).id360 for i in (1, 2, 3))
        else:
            self.ada, self.bob, self.cyd = of.ada, of.bob, of.cyd

    def filled(self) -> str:
        """Three people in both systems; the database's name."""
        self.database = self.postgres.database(
            "CREATE TABLE holder (no bigint PRIMARY KEY, email text, surname text, country text, touched timestamptz)"
        )
        with sqlite3.connect(self.folder / "crm.sqlite") as con:
            con.execute(
                "CREATE TABLE contact (id INTEGER PRIMARY KEY, mail TEXT, phone TEXT, first TEXT, city TEXT, country TEXT, state TEXT, "
                "updated TIMESTAMP)"
            )
            con.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, contact_id INTEGER, total REAL, placed TIMESTAMP)")
        self.contact(1, "ada@x.org", phone="+49 431 111", first="Ada", country="DE")
        self.contact(2, "bob@x.org", phone="+49 431 222", first="Bob", country="CH")
        self.contact(3, "cyd@x.org", phone="+49 431 222", first="Cyd", country="DE")
        self.holder(1, "ada@x.org", "Lovelace", "DE")
        return self.database

    def contact(self, key: int, mail: str | None, phone: str = "", first: str = "", country: str = "DE", state: str = "new") -> None:
        with sqlite3.connect(self.folder / "crm.sqlite") as con:
            row = (key, mail, phone, first, country, state)
            con.execute(f"INSERT INTO contact VALUES (?, ?, ?, ?, 'Kiel', ?, ?, {WEEK_AGO})", row)

    def order(self, key: int, contact: int) -> None:
        with sqlite3.connect(self.folder / "crm.sqlite") as con:
            con.execute(f"INSERT INTO orders VALUES (?, ?, 9.5, {WEEK_AGO})", (key, contact))

    def holder(self, key: int, mail: str, surname: str, country: str) -> None:
        self.postgres.psql(self.database, f"INSERT INTO holder VALUES ({key}, '{mail}', '{surname}', '{country}', now())")

    def profile(self, who: Any, principal: str = "root", **options: Any) -> Any:
        return self.project.session(principal).profile(who, **options)


@pytest.fixture(scope="module")
def resolved(tmp_path_factory: pytest.TempPathFactory, postgres: TestPostgres) -> Company:
    """Resolved once; each test changes a copy."""
    made = Company(tmp_path_factory.mktemp("lagging"), postgres)
    made.project.close()
    return made


@pytest.fixture
def company(tmp_path: Path, postgres: TestPostgres, resolved: Company) -> Iterator[Company]:
    made = Company(tmp_path, postgres, resolved)
    yield made
    made.project.close()


def keys(found: Any) -> set[tuple[str, int, bool]]:
    return {(r["source"], r["key"][0], r["provisional"]) for r in found.as_dict()["records"]}


def test_somebody_who_is_in_no_crosswalk_has_a_profile_without_an_id(company: Company) -> None:
    company.contact(10, " Dan@X.org ", first="Dan")
    company.holder(11, "DAN@x.org", "Dare", "DE")
    company.order(1, 10)
    found = company.profile({"email": "dan@x.org"})
    assert found.id360 is None and found.values["first_name"] == "Dan" and found.values["last_name"] == "Dare"
    assert keys(found) == {("crm", 10, True), ("billing", 11, True)}
    assert [e["kind"] for e in found.timeline] == ["order"]
    assert found.provisional.agree_on == ("email",) and found.provisional.not_searched == ()
    asked = {(f.source, f.table) for f in found.report.fragments if f.asked}
    assert asked == {("crm", "contact"), ("billing", "holder"), ("crm", "orders")}
    assert company.project.running == {}
    company.project.resolve()
    later = company.profile({"email": "dan@x.org"}, provisional=True)
    assert later.id360 is not None and keys(later) == {("crm", 10, False), ("billing", 11, False)}
    with pytest.raises(NoSuchPerson):
        company.profile({"email": "dave@x.org"})


def test_a_new_record_does_not_change_what_is_known(company: Company) -> None:
    company.contact(10, "ADA@x.org", phone="+49 431 999", first="Eve")
    company.order(1, 10)
    before = company.profile(company.ada)
    assert before.provisional is None and before.values["first_name"] == "Ada" and before.timeline == []
    for who in (company.ada, {"email": "ada@x.org"}, ("crm", "contact", 1)):
        found = company.profile(who, provisional=True)
        assert found.id360 == company.ada and found.values == before.values and found.timeline == []
        assert found.provisional.values["first_name"] == "Eve" and [e["kind"] for e in found.provisional.timeline] == ["order"]
        assert keys(found) == {("crm", 1, False), ("billing", 1, False), ("crm", 10, True)}
    assert company.profile(company.cyd, provisional=True).provisional.records == ()


def test_a_new_record_leads_to_whom_it_agrees_with(company: Company) -> None:
    company.contact(10, "ADA@x.org", first="Eve")
    found = company.profile(("crm", "contact", 10))
    assert found.id360 == company.ada and found.values["first_name"] == "Ada" and ("crm", 10, True) in keys(found)
    assert found.provisional.agree_on == ("email",)
    company.contact(11, "new@x.org", first="Nel")
    company.holder(12, "new@x.org", "Nu", "DE")
    alone = company.profile(("crm", "contact", "11"))
    assert alone.id360 is None and keys(alone) == {("crm", 11, True), ("billing", 12, True)}
    with pytest.raises(NoSuchPerson):
        company.profile(("crm", "contact", 11), provisional=False)
    with pytest.raises(NoSuchPerson):
        company.profile(("crm", "contact", 404))
    with pytest.raises(NoSuchPerson):
        company.profile(("crm", "contact", "no number"))


def test_a_mapping_s_filter_holds_for_new_records_too(company: Company) -> None:
    company.contact(10, "dan@x.org", state="gone")
    for who in ({"email": "dan@x.org"}, ("crm", "contact", 10)):
        with pytest.raises(NoSuchPerson):
            company.profile(who)


def test_another_spelling_of_a_known_value_finds_the_known_person(company: Company) -> None:
    found = company.profile({"phone": "0049 (431) 111"})
    assert found.id360 == company.ada and found.provisional is None


def test_what_many_carry_attaches_to_nobody(company: Company) -> None:
    company.contact(10, "dan@x.org", phone="+49431222", first="Dan")
    assert company.profile(company.bob, provisional=True).provisional.records == ()  # Cyd has that phone too
    with pytest.raises(AmbiguousPerson):
        company.profile({"phone": "+49431222"})
    for i in range(CAP + 1):
        company.contact(100 + i, "info@x.org")
    with pytest.raises(NoSuchPerson):
        company.profile({"email": "info@x.org"})
    company.contact(300, "eva@x.org", phone="+49 431 333", first="Eva")
    company.contact(301, "fay@x.org", phone="+49 431 333", first="Fay")
    with pytest.raises(AmbiguousPerson):  # no rule says that a phone makes them one
        company.profile({"phone": "+49 431 333"})


def test_what_a_steward_keeps_apart_stays_apart(company: Company) -> None:
    company.contact(10, "ada@x.org", first="Eve")
    company.project.decide("different", ("crm", "contact", 1), ("crm", "contact", 10), reason="sisters")
    assert company.profile(company.ada, provisional=True).provisional.records == ()
    assert company.profile(("crm", "contact", 10)).id360 is None


def test_a_hidden_record_does_not_show_itself(company: Company) -> None:
    """Whatever ana asks, an unknown record that she may not see answers like one that is not there."""
    company.contact(10, "dan@x.org", first="Dan", country="CH")
    with pytest.raises(NoSuchPerson) as hidden:
        company.profile({"email": "dan@x.org"}, "ana")
    with pytest.raises(NoSuchPerson) as absent:
        company.profile({"email": "dax@x.org"}, "ana")
    assert str(hidden.value) == str(absent.value)
    company.contact(11, "ada@x.org", first="Eve", country="CH")
    shown = company.profile(company.ada, "ana", provisional=True)
    assert shown.id360 == company.ada and shown.provisional.values == {} and shown.provisional.agree_on == ()
    assert company.profile(company.ada, provisional=True).provisional.values["first_name"] == "Eve"


def test_a_hidden_person_does_not_show_through_a_new_record(company: Company) -> None:
    """Bob is hidden from ana; a new record with his address looks to her as if there were no Bob."""
    company.contact(10, "bob@x.org", first="Rob", country="DE")
    found = company.profile({"email": "bob@x.org"}, "ana")
    assert found.id360 is None and found.values["first_name"] == "Rob" and found.records == ()
    assert company.profile({"email": "bob@x.org"}).id360 == company.bob
    with pytest.raises(NoSuchPerson):
        company.profile(company.bob, "ana", provisional=True)
    company.contact(11, "eli@x.org", phone="+49431222", country="DE")
    assert (
        company.profile(company.cyd, "ana", provisional=True).provisional.values["email"] == "eli@x.org"
    )  # of Bob's phone she cannot know


def test_what_is_masked_is_not_searched_by(company: Company) -> None:
    company.contact(10, "dan@x.org", phone="+49 431 777", first="Dan")
    with pytest.raises(NoSuchPerson):
        company.profile({"email": "dan@x.org"}, "carl")
    found = company.profile({"phone": "+49 431 777"}, "carl")
    assert found.id360 is None and found.values["email"] == "***"
    company.contact(11, "ada@x.org", first="Eve")
    assert company.profile(company.ada, "carl", provisional=True).provisional.values == {}
    for who in ({"email": "dan@x.org"}, ("crm", "contact", 10)):
        with pytest.raises(PolicyRefused):
            company.profile(who, "gus")


def test_a_large_table_is_searched_by_index_or_not_at_all(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    company.contact(10, " DAN@x.org", first="Dan")
    company.contact(11, "dan@x.org", first="Dan")
    for name in ("READ_WHOLE", "FILTERED_WHOLE", "FILTERED_COLUMNS"):
        monkeypatch.setattr(identifier_search, name, 0)
    company.holder(12, "dan@x.org", "Dare", "DE")
    company.postgres.psql(company.database, "ANALYZE holder")
    fresh = connect(company.folder / "c360.yml")
    with pytest.raises(NoSuchPerson) as error:
        fresh.session("root").profile({"email": "dan@x.org"})
    assert "crm.contact: a large table, and no index on email" in error.value.hint and "billing.holder" in error.value.hint
    with sqlite3.connect(company.folder / "crm.sqlite") as con:
        con.execute("CREATE INDEX by_mail ON contact (mail)")
    indexed = connect(company.folder / "c360.yml")
    found = indexed.session("root").profile({"email": "dan@x.org"})
    assert keys(found) == {("crm", 11, True)}
    assert any("crm.contact: only email as it was given" in said for said in found.provisional.not_searched)
    fresh.close(), indexed.close()


def test_a_source_that_is_down_leaves_a_gap(company: Company) -> None:
    company.contact(10, "dan@x.org", first="Dan")
    (company.folder / "c360.yml").write_text(PROJECT.format(uri="postgresql:///none?host=/nowhere"))
    with connect(company.folder / "c360.yml") as half:
        found = half.session("root").profile({"email": "dan@x.org"})
        assert keys(found) == {("crm", 10, True)} and set(found.missing) == {"billing"}
        with pytest.raises(NoSuchPerson) as error:
            half.session("root").profile({"email": "dax@x.org"})
        assert "billing" in error.value.hint
