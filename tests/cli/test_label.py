"""`c360 label` on a real project: two records side by side, live; only verdicts and keys are kept."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli
from people_project import people_project, values

from federation.cli.app import run


@pytest.fixture
def people(tmp_path: Path) -> tuple[Path, list[dict[str, Any]]]:
    rows = people_project(tmp_path, 200, doubtful=True)
    assert run(["resolve", "-q", "--project", str(tmp_path)]) == 0
    return tmp_path, rows


def test_two_records_side_by_side_and_only_the_verdict_is_kept(
    cli: Cli, people: tuple[Path, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rows = people
    monkeypatch.setattr("sys.stdin", io.StringIO("y\nsomething\nn\n?\nq\n"))
    said = cli("label", "--count", "8", "--by", "mia", project=folder)
    assert said.code == 0 and "4/8  one person?" in said.out and "from 2 labels, 1 that nobody could tell" in said.out
    assert any(value in said.out.lower().encode() for value in values(rows)), "the records are shown"
    kept = (folder / "labels.jsonl").read_bytes()
    assert [json.loads(line)["verdict"] for line in kept.splitlines()] == ["same", "different", "unsure"]
    state = b"".join(p.read_bytes() for p in (folder / ".c360").rglob("*") if p.is_file())
    assert not [value for value in values(rows) if value in (kept + state).lower()]
    first = json.loads(kept.splitlines()[0])
    exported = folder / "pairs.csv"
    cli("label", "--export", exported, "--count", "1000", project=folder)
    asked = {(row["a"], row["b"]) for row in csv.DictReader(exported.open())}
    named = tuple(f"{s}.{t}:{k}" for s, t, k in (first["a"], first["b"]))
    assert named not in asked and named[::-1] not in asked and len(asked) > 20
    assert exported.stat().st_mode & 0o077 == 0 and not [v for v in values(rows) if v in exported.read_bytes().lower()]


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
