"""`c360 debug`, `check` and `discover` on live sources, sound and broken."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from tests.support.command import Cli
from views.yaml_core import CoreLoader

BROKEN = """
version: 1
name: broken
sources:
  a: {kind: sqlite, path: a.sqlite}
  gone: {kind: sqlite, path: gone.sqlite}
  f: {kind: files, tables: {people: {path: people.csv, key: [mail]}}}
mappings:
  - {object: individual, source: a, table: contact, key: id, attributes: {email: emial, full_name: name}}
  - {object: individual, source: a, table: persn, key: id, attributes: {email: email}}
  - {object: individual, source: a, table: member, key: id, attributes: {email: email, birth_date: born, phone: phone}}
  - {object: individual, source: gone, table: x, key: id, attributes: {email: email}}
  - {object: individual, source: f, table: people, key: mail, attributes: {email: mail, full_name: name}}
  - object: sales_order
    source: a
    table: purchase
    key: id
    person: {table: member, key: member_id}
    attributes: {total_amount: lower(amount)}
identity: {individual: {rules: [email]}}
"""
SOURCES = """\
sources:
  crm: {kind: sqlite, path: sample/data/crm.sqlite}
  shop:
    kind: files
    tables:
      orders: {path: sample/data/orders.parquet, key: [order_no]}
      customer: {path: sample/data/customer.csv, key: [customer_no]}
"""
TABLES = """
CREATE TABLE contact (id INTEGER PRIMARY KEY, email TEXT, name TEXT);
CREATE TABLE person (id INTEGER PRIMARY KEY, email TEXT);
CREATE TABLE member (id INTEGER, email TEXT, born TEXT, phone INTEGER);
INSERT INTO member VALUES (1, 'a@b.c', '1990-01-01', 1), (1, 'a2@b.c', 'not a date', 2), (2, 'x', '2000-01-01', 3), (NULL, 'y', NULL, 4);
CREATE TABLE purchase (id INTEGER PRIMARY KEY, member_id INTEGER, amount INTEGER);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) INSERT INTO purchase SELECT i, i, i FROM n;
CREATE TABLE "tblCustomers" (CustomerID INTEGER PRIMARY KEY, EMailAddress TEXT, Vorname TEXT, Surname TEXT, Tel TEXT, DateOfBirth TEXT,
    "last changed" TIMESTAMP, blob BLOB);
CREATE TABLE order_items (line_id INTEGER PRIMARY KEY, purchase_id INTEGER, qty REAL, unit_price REAL);
CREATE TABLE newsletter (id INTEGER PRIMARY KEY, mail TEXT, event_type TEXT, ts TIMESTAMP);
CREATE TABLE zzz_config (k TEXT, v TEXT);
"""


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken")
    with closing(sqlite3.connect(folder / "a.sqlite")) as db:
        db.executescript(TABLES)
    (folder / "people.csv").write_text("mail,name\nada@example.org,Ada\nb@example.org,B\nb@example.org,B2\n")
    (folder / "c360.yml").write_text(BROKEN)
    return folder


def test_debug_has_a_line_per_source(cli: Cli, broken: Path, sample: Path) -> None:
    said = cli("debug", project=broken)
    assert said.code == 1
    lines = {line.split()[1]: line for line in said.lines if line[:4] in ("OK  ", "FAIL")}
    assert lines["a"].startswith("OK") and "SQLite 3" in lines["a"] and "8 tables" in lines["a"] and lines["a"].endswith("ms")
    assert lines["gone"].startswith("FAIL") and "[C360_SOURCE_UNREACHABLE]" in lines["gone"]
    assert "next: check `path`" in said.out and lines["crosswalk"].startswith("OK")
    assert cli("debug", "a", project=broken).code == 0
    assert "C360_UNKNOWN_OBJECT" in cli("debug", "b", project=broken).err
    assert cli("debug", project=sample).code == 0


def test_check_finds_what_only_live_sources_can_tell(cli: Cli, broken: Path) -> None:
    said = cli("check", "-o", "json", project=broken)
    assert said.code == 1
    found = [(f["level"], f["where"], f["code"]) for f in json.loads(said.out)]
    assert found == [
        ("problem", "gone", "C360_SOURCE_UNREACHABLE"),
        ("problem", "a.contact", "C360_SCHEMA_DRIFT"),
        ("problem", "a.persn", "C360_SCHEMA_DRIFT"),
        ("problem", "a.member", "C360_MAPPING_FAILED"),
        ("problem", "a.member", "C360_DUPLICATE_KEYS"),
        ("problem", "a.member", "C360_NULL_KEYS"),
        ("note", "f.people", "C360_PERSONAL_KEYS"),
        ("problem", "f.people", "C360_DUPLICATE_KEYS"),
        ("note", "a.purchase", "C360_UNINDEXED_KEY"),
        ("problem", "a.purchase", "C360_MAPPING_FAILED"),
        ("problem", "crosswalk", "C360_NO_CROSSWALK"),
    ]
    by_code = {(f["where"], f["code"]): f for f in json.loads(said.out)}
    assert "`birth_date`" in by_code["a.member", "C360_MAPPING_FAILED"]["message"]
    assert by_code["a.member", "C360_DUPLICATE_KEYS"]["message"] == "1 key (id) stands on 2 of 4 rows"
    assert by_code["a.member", "C360_NULL_KEYS"]["message"].startswith("1 of 4 rows")
    assert by_code["a.contact", "C360_SCHEMA_DRIFT"]["hint"] == "did you mean `email`?"
    assert by_code["a.persn", "C360_SCHEMA_DRIFT"]["hint"] == "did you mean `person`?"
    assert not any(secret in said.out for secret in ("not a date", "a2@b.c", "b@example.org"))  # values of rows are nobody's business


def test_check_tells_the_crosswalks_lag(cli: Cli, tmp_path: Path) -> None:
    cli("init", tmp_path)
    cli("resolve", project=tmp_path)
    with closing(sqlite3.connect(tmp_path / "data" / "crm.sqlite")) as db, db:
        db.execute("INSERT INTO contact (first_name, email_address) VALUES ('New', 'new@example.org')")
    said = cli("check", project=tmp_path)
    assert said.code == 0 and "note  crm.contact: [C360_CROSSWALK_LAG] 1 of 10 records" in said.out
    assert cli("check", "--strict", project=tmp_path).code == 1
    cli("resolve", project=tmp_path)
    assert cli("check", "--strict", project=tmp_path).out == ""


def test_every_finding_is_explained_in_the_papers() -> None:
    from federation.findings import CODES

    paper = (Path(__file__).parents[2] / "docs" / "check.md").read_text(encoding="utf-8")
    assert set(CODES) == {line.removeprefix("## ") for line in paper.splitlines() if line.startswith("## ")}


def test_discover_proposes_by_name_and_type(cli: Cli, broken: Path) -> None:
    said = cli("discover", "a", "--all", project=broken)
    assert said.code == 0
    mappings = _mappings(said.out)
    person = mappings["tblCustomers"]
    assert (person["object"], person["key"]) == ("individual", "CustomerID")
    assert person["attributes"] == {
        "individual_id": "CustomerID", "full_name": "concat_ws(' ', Vorname, Surname)", "email": "EMailAddress", "phone": "Tel",
        "first_name": "Vorname", "last_name": "Surname", "birth_date": "try_cast(DateOfBirth AS date)", "updated_at": '"last changed"',
    }  # fmt: skip
    assert "# not used: blob" in said.out and "# like no standard object: zzz_config" in said.out
    assert mappings["purchase"]["object"] == "sales_order" and mappings["purchase"]["person"] == {"table": "member", "key": "member_id"}
    lines = mappings["order_items"]
    assert lines["object"] == "sales_order_line" and lines["attributes"]["sales_order_id"] == "purchase_id"
    assert lines["attributes"]["quantity"] == "qty" and lines["person"] == "none"
    event = mappings["newsletter"]
    assert (event["object"], event["person"]) == ("engagement_email", {"identifier": "email", "value": "mail"})
    assert event["attributes"]["occurred_at"] == "ts" and event["attributes"]["type"] == "event_type"


SHORT = {  # table: columns as people call them, and what they are
    "people": "first=first_name last=last_name mail=email mobile=phone dob=birth_date addr=street zip=postal_code town=city sex=gender",
    "customers": "fname=first_name lname=last_name email1=email cell=phone birth_dt=birth_date address_1=street postcode=postal_code",
    "users": "given=first_name family=last_name email_addr=email tel_no=phone bday=birth_date street1=street pcode=postal_code",
    "contacts": "name_first=first_name name_last=last_name emailid=email phone_home=phone d_o_b=birth_date last_login= first_order=",
}  # fmt: skip


@pytest.mark.parametrize("table", SHORT)
def test_discover_knows_what_columns_are_called_for_short(cli: Cli, tmp_path: Path, table: str) -> None:
    said = dict(pair.split("=") for pair in SHORT[table].split())
    with closing(sqlite3.connect(tmp_path / "a.db")) as db, db:
        db.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, {', '.join(f'{column} TEXT' for column in said)})")
    (tmp_path / "c360.yml").write_text("{version: 1, name: a, sources: {a: {kind: sqlite, path: a.db}}, mappings: []}")
    found = _mappings(cli("discover", "a", project=tmp_path).out)[table]["attributes"]
    taken = {name: column.removeprefix("try_cast(").partition(" ")[0] for name, column in found.items()}
    assert {taken[attribute]: attribute for attribute in said.values() if attribute} == {c: a for c, a in said.items() if a}
    assert not {column for column, attribute in said.items() if not attribute} & set(taken.values())


def test_discover_write_makes_a_project_that_checks(cli: Cli, tmp_path: Path) -> None:
    cli("init", tmp_path / "sample")
    cli("init", "--bare", tmp_path)
    project = tmp_path / "c360.yml"
    project.write_text(project.read_text().replace("sources:\n", SOURCES))
    assert "next: c360 discover SOURCE --write" in cli("debug", project=tmp_path).out
    assert cli("discover", "crm", "--write", project=tmp_path).code == 0
    assert "crm: nothing new to map" in cli("discover", "crm", project=tmp_path).err
    assert cli("discover", "--write", project=tmp_path).code == 0  # crm is mapped: nothing new
    assert "include: [mappings/crm.yml, mappings/shop.yml]" in project.read_text()
    assert "# 1. Live systems." in project.read_text()
    assert cli("resolve", project=tmp_path).code == 0
    assert cli("check", project=tmp_path).code == 0
    said = cli("sql", "SELECT records FROM individual WHERE full_name = 'Ada Lovelace'", "-o", "csv", project=tmp_path)
    assert said.lines[1:] == ["3"]
    assert "C360_DISCOVER_WRITE" in cli("discover", "crm", "--write", "--all", project=tmp_path).err


def test_discover_names_the_tables_that_are_like_nothing(cli: Cli, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as db, db:
        db.execute("CREATE TABLE zq (zq_no INTEGER PRIMARY KEY, w REAL)")
    (tmp_path / "c360.yml").write_text("version: 1\nname: a\nsources: {a: {kind: sqlite, path: a.db}}\n")
    said = cli("discover", project=tmp_path)
    assert said.code == 0 and said.out == "" and said.err.startswith("a: like no standard object: zq; to map by hand")


def test_a_proposal_that_does_not_fit_changes_nothing(cli: Cli, sample: Path, tmp_path: Path) -> None:
    text = (sample / "c360.yml").read_text().replace("data/", f"{sample}/data/")
    (tmp_path / "c360.yml").write_text(text)
    said = cli("discover", "crm", "--all", "--write", project=tmp_path)  # maps what is mapped already
    assert said.code == 1 and "[C360_" in said.err
    assert (tmp_path / "c360.yml").read_text() == text and not list(tmp_path.glob("mappings/*"))


def test_discover_knows_lists_of_people_by_their_columns(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "newsletter.csv").write_text("Kundennummer,Vorname,Nachname,E-Mail,PLZ,Ort,Geburtsdatum\n1,A,B,a@b.de,1,C,2000-01-01\n")
    (tmp_path / "clientes.csv").write_text("codigo,nombre,apellidos,correo,telefono,ciudad\n1,A,B,a@b.es,1,C\n")
    (tmp_path / "contact_role.csv").write_text("contact_id,account_no,role\n1,2,x\n")
    (tmp_path / "calls.csv").write_text("call,comment,phone,occurred_at\n1,x,2,2024-01-01\n")
    (tmp_path / "c360.yml").write_text("version: 1\nname: files\nsources: {f: {kind: files, path: .}}\n")
    said = cli("discover", "f", project=tmp_path).out
    found = _mappings(said)
    assert found["newsletter"]["object"] == found["clientes"]["object"] == "individual"
    assert found["newsletter"]["attributes"]["birth_date"].startswith("Geburtsdatum")
    assert "first_name: nombre   # ?" in said and "last_name: apellidos   # ?" in said and "city: ciudad   # ?" in said
    assert "contact_role" not in found, "a link between two tables is no telephone"
    assert cli("discover", "f", "--write", project=tmp_path).code == 0, "columns named like a statement"


def test_discover_leaves_out_what_is_marked_as_deleted(cli: Cli, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as db, db:
        db.execute("CREATE TABLE contact (id INTEGER PRIMARY KEY, email TEXT, deleted_at TIMESTAMP)")
        db.execute("CREATE TABLE customer (id INTEGER PRIMARY KEY, email TEXT, phones TEXT, is_deleted INTEGER, deleted_by TEXT)")
        db.execute("INSERT INTO contact VALUES (1, 'a@x.de', NULL), (2, 'b@x.de', '2024-01-01 00:00:00')")
        db.execute("INSERT INTO customer VALUES (1, 'c@x.de', '', NULL, ''), (2, 'd@x.de', '', 0, ''), (3, 'e@x.de', '', 1, '')")
    (tmp_path / "c360.yml").write_text("version: 1\nname: a\nsources: {a: {kind: sqlite, path: a.db}}\n")
    assert cli("discover", "a", "--write", project=tmp_path).code == 0
    said = cli("sql", "SELECT email FROM individual_record ORDER BY 1", "-o", "csv", project=tmp_path)
    assert said.lines[1:] == ["a@x.de", "c@x.de", "d@x.de"]
    written = (tmp_path / "mappings" / "a.yml").read_text()
    assert written.count("# ? leaves out what is marked as deleted") == 2 and "# not used: deleted_by" in written


def _mappings(text: str) -> dict[str, dict[str, object]]:
    return {m["table"]: m for m in yaml.load(text, Loader=CoreLoader)["mappings"]}


def test_discover_finds_whose_rows_they_are_by_an_address(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("order_id,customer_email,total,prio\nO1,ada@example.org,1.50,high\n")
    (tmp_path / "tickets.csv").write_text("ticket_id,buyer_mobile_phone,prio\n1,+41 79 000 00 01,high\n")
    (tmp_path / "c360.yml").write_text("version: 1\nname: files\nsources: {shop: {kind: files, path: .}}\nmappings:\n")
    said = cli("discover", "shop", project=tmp_path).out
    assert "person: {identifier: email, value: customer_email}" in said
    assert "person: {identifier: phone, value: buyer_mobile_phone}" in said and "priority: prio" in said
