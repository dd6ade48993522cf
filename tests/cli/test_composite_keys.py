"""Records whose key has several parts: named as the views show them or with commas, and shown so that they can be named again."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from federation.cli.app import run
from tests.support.command import Cli

PROJECT = """
version: 1
name: tenants
sources: {crm: {kind: sqlite, path: crm.db}}
mappings:
  - {object: individual, source: crm, table: contact, key: [tenant, no], attributes: {email: mail, last_name: family}}
  - {object: account, source: crm, table: firm, key: [tenant, no], attributes: {name: name, tax_number: vat}}
identity: {individual: {rules: [email]}, account: {rules: [tax_number]}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tenants")
    with sqlite3.connect(folder / "crm.db") as con:
        con.execute("CREATE TABLE contact (tenant TEXT NOT NULL, no INTEGER NOT NULL, mail TEXT, family TEXT, PRIMARY KEY (tenant, no))")
        con.execute("CREATE TABLE firm (tenant INTEGER NOT NULL, no TEXT NOT NULL, name TEXT, vat TEXT, PRIMARY KEY (tenant, no))")
        people = [("de", 1, "ann@x.example", "Ann"), ("a,b", 2, "ann@x.example", "Ann"), ("[x", 3, "bob@x.example", "Bob")]
        con.executemany("INSERT INTO contact VALUES (?, ?, ?, ?)", people)
        con.executemany("INSERT INTO firm VALUES (?, ?, ?, ?)", [(1, "A1", "Acme", "DE136695976"), (2, "A1", "Acme Ltd", "DE136695976")])
    (folder / "c360.yml").write_text(PROJECT)
    assert run(["resolve", "-q", "--project", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("name", ["crm.contact:de,1", 'crm.contact:["de",1]', 'crm.contact:["de", "1"]', 'crm.contact:["a,b",2]'])
def test_a_record_by_either_form_of_its_key(cli: Cli, folder: Path, name: str) -> None:
    said = cli("profile", name, project=folder)
    assert said.code == 0 and "2 records: " in said.out
    assert "are two people" in cli("why", name, 'crm.contact:["[x",3]', project=folder).out


def test_keys_as_the_views_show_them(cli: Cli, folder: Path) -> None:
    shown = json.loads(cli("sql", "SELECT key FROM crosswalk WHERE entity = 'account'", "-o", "json", project=folder).out)
    said = cli("why", *(f"crm.firm:{row['key']}" for row in shown), project=folder)
    assert said.code == 0 and "crm.firm:1,A1 and crm.firm:2,A1 are one" in said.out


def test_what_is_shown_can_be_named_again(cli: Cli, folder: Path) -> None:
    said = cli("why", "crm.contact:de,1", 'crm.contact:["a,b",2]', project=folder).out
    assert said.startswith('crm.contact:de,1 and crm.contact:["a,b","2"] are one person')
    assert cli("decide", "different", "crm.contact:de,1", 'crm.contact:["a,b","2"]', "--reason", "two", project=folder).code == 0
    assert 'crm.contact:["a,b","2"]' in cli("decide", "list", project=folder).out


def test_a_profile_is_of_a_person(cli: Cli, folder: Path) -> None:
    said = cli("profile", "crm.firm:1,A1", project=folder).err
    assert "[C360_NO_SUCH_PERSON] profiles are of `individual`, and crm.firm is not mapped to it" in said and "FROM account" in said


def test_labels_of_one_entity_beside_another(cli: Cli, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text('a,b,verdict\n"crm.contact:de,1","crm.contact:[""a,b"",2]",same\ncrm.contact:gone,"crm.contact:de,1",same\n')
    said = cli("report", "--labels", file, "-o", "json", project=folder)
    judged = {c["condition"]["entity"]: c["condition"]["judged"] for c in json.loads(said.out)}
    assert judged["account"] is None and judged["individual"]["pairwise"][1] == 1.0
    assert "1 of 2 lines of" in said.err and "left out" in said.err
