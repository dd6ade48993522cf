"""`c360 check` on decisions, models and labels: told from their files and the crosswalk."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from people_project import people_project

from federation.cli.app import run
from tests.support.command import Cli


@pytest.fixture(scope="module")
def resolved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resolved")
    people_project(folder, 240)
    assert run(["resolve", "-q", "--project", str(folder)]) == 0
    return folder


@pytest.fixture
def people(resolved: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return shutil.copytree(resolved, tmp_path, dirs_exist_ok=True)


def found(cli: Cli, folder: Path) -> dict[str, dict[str, str]]:
    told = cli("check", "--no-keys", "-o", "json", project=folder)
    return {finding["code"]: finding for finding in json.loads(told.out) if finding["code"] != "C360_KEY_ONLY"}


def decide(cli: Cli, folder: Path, *what: str) -> str:
    assert cli("decide", *what, "--reason", "asked", project=folder).code == 0
    return str(json.loads((folder / "decisions.jsonl").read_text().splitlines()[-1])["id"])


def test_nothing_is_said_of_what_is_well(cli: Cli, people: Path) -> None:
    assert not [code for code in found(cli, people) if "DECISION" in code or "MODEL" in code or "LABEL" in code]


def test_decisions_that_wait_are_doubted_or_about_nobody(cli: Cli, people: Path) -> None:
    apart = decide(cli, people, "different", "crm.contact:7", "shop.customer:C-7")
    joined = decide(cli, people, "same", "crm.contact:100", "crm.contact:101")
    told = found(cli, people)
    assert told.keys() == {"C360_DECISION_WAITS"} and told["C360_DECISION_WAITS"]["level"] == "note"
    assert apart in told["C360_DECISION_WAITS"]["message"] and joined in told["C360_DECISION_WAITS"]["message"]
    with sqlite3.connect(people / "crm.db") as con:
        con.execute("DELETE FROM contact WHERE id = 101")
    con.close()
    assert cli("resolve", project=people).code == 0
    told = found(cli, people)
    assert told.keys() == {"C360_DECISION_GONE", "C360_DECISION_DOUBTED"}
    assert joined in told["C360_DECISION_GONE"]["message"] and apart in told["C360_DECISION_DOUBTED"]["message"]
    assert told["C360_DECISION_DOUBTED"]["where"] == "decisions.jsonl"


def test_decisions_that_cannot_hold_or_name_no_table_are_failures(cli: Cli, people: Path) -> None:
    decide(cli, people, "same", "crm.contact:1", "crm.contact:2")
    file = people / "decisions.jsonl"
    line = json.loads(file.read_text())
    file.write_text(file.read_text() + json.dumps({**line, "verdict": "different", "id": "0ddba11e"}) + "\n")
    assert found(cli, people)["C360_CONTRADICTORY_DECISIONS"]["level"] == "problem"
    file.write_text(json.dumps({**line, "a": ["crm", "customer", "1"]}) + "\n")
    told = cli("check", "--no-keys", project=people)
    assert told.code == 1 and "[C360_DECISION_TABLE]" in told.out
    file.write_text("<<<<<<< ours\n")
    assert found(cli, people)["C360_DECISIONS_FILE"]["where"] == "decisions.jsonl"


def test_models_that_were_trained_since_are_outgrown_or_for_other_attributes(cli: Cli, people: Path) -> None:
    with sqlite3.connect(people / "crm.db") as con:
        con.execute("DELETE FROM contact WHERE id > 40")
    con.close()
    assert cli("resolve", "--allow-shrink", project=people).code == 0
    assert "trained on 344 records, and there are" in found(cli, people)["C360_MODEL_OUTGROWN"]["message"]
    assert cli("train", project=people).code == 0
    assert "C360_MODEL_CHANGED" in found(cli, people)
    assert cli("resolve", project=people).code == 0
    assert not [code for code in found(cli, people) if "MODEL" in code]
    text = (people / "c360.yml").read_text().replace("model: standard", "model: {attributes: {city: ignored}}")
    (people / "c360.yml").write_text(text)
    assert found(cli, people)["C360_MODEL_MISMATCH"]["level"] == "problem"


def test_drift_of_the_last_resolve(cli: Cli, people: Path) -> None:
    with sqlite3.connect(people / "crm.db") as con:
        con.execute("UPDATE contact SET birth_date = NULL")
    con.close()
    assert cli("resolve", project=people).code == 0
    assert "birth date" in found(cli, people)["C360_MODEL_DRIFT"]["message"]


def test_labels_that_say_otherwise(cli: Cli, people: Path) -> None:
    file = people / "answers.csv"
    file.write_text("a,b,verdict\ncrm.contact:7,shop.customer:C-7,n\ncrm.contact:1,crm.contact:2,y\ncrm.contact:8,shop.customer:C-8,y\n")
    assert cli("label", "--import", file, project=people).code == 0
    said = found(cli, people)["C360_LABELS_DISAGREE"]["message"]
    assert said == "of 3 labels 1 say one person where the crosswalk has two, 1 say two people where it has one"


def test_no_source_is_read_for_it(cli: Cli, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every source gone it says the same."""
    apart = decide(cli, people, "different", "crm.contact:7", "shop.customer:C-7")
    (people / "crm.db").unlink()
    (people / "customer.csv").unlink()
    assert apart in found(cli, people)["C360_DECISION_WAITS"]["message"]
