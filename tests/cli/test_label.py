"""`c360 label` on a real project: two records side by side, live; only verdicts and keys are kept."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from people_project import people_project, values

from federation.cli.app import run
from federation.cli.side_by_side import side_by_side
from tests.support.command import Cli
from views.objects import standard_objects


@pytest.fixture(scope="module")
def resolved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("resolved")
    rows = people_project(folder, 200, doubtful=True)
    assert run(["resolve", "-q", "--project", str(folder)]) == 0
    return folder, rows


@pytest.fixture
def people(resolved: tuple[Path, list[dict[str, Any]]], tmp_path: Path) -> tuple[Path, list[dict[str, Any]]]:
    folder, rows = resolved
    return shutil.copytree(folder, tmp_path, dirs_exist_ok=True), rows


def test_two_records_side_by_side_and_only_the_verdict_is_kept(
    cli: Cli, people: tuple[Path, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rows = people
    monkeypatch.setattr("sys.stdin", io.StringIO("y\nsomething\nn\n?\nq\n"))
    said = cli("label", "--count", "8", "--by", "mia", project=folder)
    assert (
        said.code == 0
        and "8 pairs of individual records: = same" in said.out
        and "4/8  one person?" in said.out
        and "from 2 labels, 1 that nobody could tell" in said.out
        and "so few say little yet" in said.out
    )
    assert any(value in said.out.lower().encode() for value in values(rows)), "the records are shown"
    kept = (folder / "labels.jsonl").read_bytes()
    assert [json.loads(line)["verdict"] for line in kept.splitlines()] == ["same", "different", "unsure"]
    state = b"".join(p.read_bytes() for p in (folder / ".c360").rglob("*") if p.is_file())
    left = (kept + state).lower()
    assert not [value for value in values(rows) if value in left]
    first = json.loads(kept.splitlines()[0])
    exported = folder / "pairs.csv"
    cli("label", "--export", exported, "--count", "1000", project=folder)
    asked = {(row["a"], row["b"]) for row in csv.DictReader(exported.open())}
    named = tuple(f"{s}.{t}:{k}" for s, t, k in (first["a"], first["b"]))
    assert named not in asked and named[::-1] not in asked and len(asked) > 20
    told = exported.read_bytes().lower()
    assert exported.stat().st_mode & 0o077 == 0 and not [v for v in values(rows) if v in told]


def test_answers_from_elsewhere(cli: Cli, people: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, _ = people
    file = folder / "pairs.csv"
    assert cli("label", "--export", file, "--count", "12", project=folder).code == 0
    rows = list(csv.DictReader(file.open()))
    verdicts = ["same", "y", "n", "?", "", *["Same"] * 7]
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, ("a", "b", "verdict"))
        writer.writeheader()
        writer.writerows({**row, "verdict": verdict} for row, verdict in zip(rows, verdicts, strict=True))
    told = json.loads(cli("label", "--import", file, "-o", "json", project=folder).out)
    assert told["labelled"] == 10 and told["unsure"] == 1 and 0 < told["precision"]["low"] < told["precision"]["high"] <= 1
    assert json.loads(cli("label", "--count", "0", "-o", "json", project=folder).out) == told
    file.write_text(f"a,b,verdict\n{rows[0]['a']},{rows[0]['b']},same\n{rows[1]['a']},{rows[1]['b']},perhaps\n")
    before = (folder / "labels.jsonl").read_text()
    assert "[C360_LABELS_FILE] pairs.csv:3" in cli("label", "--import", file, project=folder).err
    assert (folder / "labels.jsonl").read_text() == before, "all rows are checked before any is kept"


def test_a_record_that_is_gone_is_said(cli: Cli, people: tuple[Path, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = people
    with sqlite3.connect(folder / "crm.db") as con:
        con.execute("DELETE FROM contact")
    monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
    assert "not in its source any more" in cli("label", project=folder).out


def test_a_policy_hides_values_here_too(cli: Cli, people: tuple[Path, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = people
    with (folder / "c360.yml").open("a") as file:
        file.write("policies:\n  - {name: no-mail, objects: [individual], mask: {email: null}}\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
    said = cli("label", project=folder)
    assert said.code == 0 and "birth_date" in said.out and "@" not in said.out


def test_what_tells_nobody_apart_is_not_shown() -> None:
    thing = standard_objects()["individual"]
    one = {"individual_id": "1", "full_name": "Ada Lovelace", "first_name": "Ada", "last_name": "Lovelace", "country": "GB", "key": "1"}
    other = {**one, "individual_id": "2", "first_name": "ADA", "full_name": "Lovelace, Ada", "phone": "0170 1234567", "key": "2"}
    moments = {"created_at": datetime(2024, 1, 1), "updated_at": None}
    said = side_by_side(thing, ("first_name", "last_name", "phone"), ("a.b:1", "a.b:2"), {**one, **moments}, other)
    assert [line.split() for line in said] == [
        [], ["a.b:1", "a.b:2"], ["phone", "–", "·", "0170", "1234567"], ["first_name", "Ada", "~", "ADA"],
        ["last_name", "Lovelace", "=", "Lovelace"], ["country", "GB", "=", "GB"],
    ]  # fmt: skip
    assert "  full_name" in "\n".join(side_by_side(thing, (), ("a.b:1", "a.b:2"), {**one, "full_name": "Countess"}, other))
    cut = side_by_side(thing, (), ("a.b:1", "a.b:2"), {**one, "street": "x" * 200}, {})
    assert max(map(len, cut)) < 90 and cut[-1] == "  (one of them is not in its source any more)"


def test_the_entity_with_most_records_is_asked_about_and_nothing_to_judge_is_said(cli: Cli, tmp_path: Path) -> None:
    """Exact rules that link nobody give no number; accounts, first by name, are fewer."""
    people_project(tmp_path, 40, how="rules: [email]")
    file = tmp_path / "c360.yml"
    own = "  - {object: account, source: crm, table: contact, key: id, where: id < 9, attributes: {name: last_name, email: email}}\n"
    file.write_text(file.read_text().replace("identity: {", own + "identity: {account: {rules: [email]}, "))
    assert cli("resolve", project=tmp_path).code == 0
    assert "pairs of individual records" in cli("label", project=tmp_path).out
    said = cli("label", "--entity", "account", project=tmp_path)
    assert "of account records there is no pair to ask about" in said.out and "nothing to judge" in said.out and "%" not in said.out
    assert "no labels yet; exact rules give no scores" in cli("label", "--count", "0", project=tmp_path).out
