"""From `c360 init` to one person: resolve, profile, crosswalk."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from pathlib import Path

import duckdb
import pytest

import c360
from connectors.spi.errors import SchemaDrift
from tests.support.command import Cli

TICKETS = """
version: 1
name: desk
sources: {desk: {kind: duckdb, path: desk.duckdb}}
mappings:
  - {object: individual, source: desk, table: person, key: id, attributes: {email: mail}, where: country = 'CH'}
  - object: case
    source: desk
    table: ticket
    key: id
    person: {table: person, key: person}
    attributes: {status: state, subject: title, opened_at: opened}
    where: state = 'open'
identity: {individual: {rules: [email]}}
"""


def test_init_writes_a_project_that_works_at_once(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    assert cli("init", folder).code == 0
    told = json.loads(cli("resolve", "-o", "json", project=folder).out)
    assert (told["links"], told["ids"], told["minted"], told["version"]) == (15, 9, 9, 1)
    answer = cli("sql", "SELECT full_name, records FROM individual WHERE records = 3", "-o", "csv", project=folder)
    assert answer.out == "full_name,records\nAda Lovelace,3\n"
    checked = cli("check", project=folder)
    assert checked.code == 0 and checked.out == ""


def test_init_overwrites_nothing(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    said = cli("init", tmp_path)
    assert said.code == 1 and "[C360_INIT_EXISTS]" in said.err and not (tmp_path / "c360.yml").exists()
    assert cli("init", "--bare", tmp_path).code == 0
    assert [p.name for p in sorted(tmp_path.iterdir())] == [".gitignore", "c360.yml", "data"]
    assert cli("init", "--bare", tmp_path).code == 1


def test_a_bare_project_loads(cli: Cli, tmp_path: Path) -> None:
    cli("init", "--bare", tmp_path)
    said = cli("debug", project=tmp_path)
    assert said.code == 0 and "next: name a source in it" in said.out
    assert "c360 resolve" not in said.out, "there is nothing to resolve yet"
    assert "names no source yet" in cli("discover", project=tmp_path).err
    assert "next: `c360 discover` proposes mappings" in cli("resolve", project=tmp_path).out


def test_what_a_bare_project_offers_can_be_uncommented(cli: Cli, tmp_path: Path) -> None:
    cli("init", "--bare", tmp_path)
    file = tmp_path / "c360.yml"
    written = file.read_text()
    file.write_text(written.replace("  # support: {kind: sqlite", "  support: {kind: sqlite"))
    assert "[C360_SOURCE_UNREACHABLE]" in cli("debug", "support", project=tmp_path).out
    file.write_text(re.sub("^( *)# (?=[-a-z ]*[a-z]+:|- )", r"\1", written, flags=re.MULTILINE))
    assert {"crm", "support", "shop", "events"} == set(c360.connect(tmp_path).model.sources)


@pytest.mark.parametrize(
    ("folder", "name"), [("mine", "mine"), ("Our 2nd (shop)", "Our-2nd-shop"), ("42", "my-project"), ("2024_crm", "crm"), ("Größe", "Gr-e")]
)
def test_a_bare_project_is_called_as_its_folder(cli: Cli, tmp_path: Path, folder: str, name: str) -> None:
    assert cli("init", "--bare", tmp_path / folder).code == 0
    assert c360.connect(tmp_path / folder).model.name == name
    (tmp_path / "here").mkdir()
    with contextlib.chdir(tmp_path / "here"):
        cli("init", "--bare")
    assert c360.connect(tmp_path / "here").model.name == "here"


def test_a_pattern_of_includes_may_match_nothing_yet(cli: Cli, tmp_path: Path) -> None:
    cli("init", "--bare", tmp_path)
    file = tmp_path / "c360.yml"
    written = file.read_text().replace("# include: [mappings/*.yml]", "include: [mappings/*.yml]")
    file.write_text(written)
    for _ in ("no folder", "an empty one"):
        said = cli("debug", project=tmp_path)
        assert said.code == 0 and "include `mappings/*.yml` matches no file" in said.out
        assert cli("check", project=tmp_path).code == 0
        (tmp_path / "mappings").mkdir(exist_ok=True)
    (tmp_path / "mappings" / "shop.yml").write_text("sources: {shop: {kind: sqlite, path: shop.sqlite}}\n")
    assert "matches no file" not in cli("debug", project=tmp_path).out
    assert list(c360.connect(tmp_path).model.sources) == ["shop"]
    file.write_text(written.replace("mappings/*.yml", "mappings/crm.yml"))
    said = cli("debug", project=tmp_path)
    assert said.code == 1 and "`mappings/crm.yml` is no file" in said.err


def test_resolve_again_keeps_ids_and_says_so(cli: Cli, sample: Path) -> None:
    said = cli("resolve", project=sample)
    assert said.code == 0 and said.err == ""  # progress is for terminals
    assert "ids: 0 new, 0 merged into others, 0 retired" in said.out and "crm.contact" in said.out
    assert "nothing changed: no record came, went or got another id" in said.lines
    assert cli("crosswalk", project=sample).lines[0].endswith(" UTC  9 ids (9 new)")
    assert "serves, 15 links" in cli("crosswalk", project=sample).lines[-1]
    assert cli("crosswalk", "use", 1, project=sample).code == 0
    assert re.fullmatch(
        r"3  \d{4}-\d\d-\d\d \d\d:\d\d UTC  9 ids  the links of version 1  serves, 15 links", cli("crosswalk", project=sample).lines[-1]
    )
    assert "[C360_NO_SUCH_VERSION]" in cli("crosswalk", "use", 99, project=sample).err
    assert cli("crosswalk", "use", project=sample).code == 2


@pytest.mark.parametrize("who", ["email=ada@example.org", "crm.contact:1", "shop.customer:C-1001"])
def test_one_person_by_any_key(cli: Cli, sample: Path, who: str) -> None:
    told = json.loads(cli("profile", who, "-o", "json", project=sample).out)
    assert told["values"]["full_name"] == "Ada Lovelace" and told["complete"] is True
    assert {(r["source"], r["key"][0]) for r in told["records"]} == {("crm", 1), ("crm", 8), ("shop", "C-1001")}
    assert [e["kind"] for e in told["timeline"]] == ["case", "order", "order"]
    assert json.loads(cli("profile", told["id360"], "-o", "json", project=sample).out)["values"] == told["values"]


def test_a_profile_for_people(cli: Cli, sample: Path) -> None:
    said = cli("profile", "email=sumiko@example.jp", "--provenance", project=sample)
    assert "寿美子 高橋" in said.out and "crm 9" in said.out and "1 event" in said.out
    assert "0 events" in cli("profile", "email=alan@example.net", project=sample).out
    assert "1 event\n" in cli("profile", "email=ada@example.org", "--window", "7d", "--max-events", 1, project=sample).out


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["email=nobody@example.org"], "C360_NO_SUCH_PERSON"),
        (["crm.contact:4242"], "C360_NO_SUCH_PERSON"),
        (["nope.contact:1"], "C360_UNKNOWN_OBJECT"),
        (["emial=x"], "C360_UNKNOWN_COLUMN"),
        (["email=ada@example.org", "--window", "soon"], "C360_BAD_WINDOW"),
    ],
)
def test_a_profile_that_cannot_be_had(cli: Cli, sample: Path, args: list[str], code: str) -> None:
    said = cli("profile", *args, project=sample)
    assert said.code == 1 and said.out == "" and f"[{code}]" in said.err and "next:" in said.err


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Tickets with a moment in time zone, and filters in two mappings: constants of two relations, and a value computed when it runs."""
    with duckdb.connect(str(tmp_path / "desk.duckdb")) as con:
        con.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, mail VARCHAR, country VARCHAR)")
        con.execute("INSERT INTO person VALUES (1, 'ada@example.org', 'CH'), (2, 'alan@example.org', 'DE')")
        con.execute("CREATE TABLE ticket (id INTEGER PRIMARY KEY, person INTEGER, state VARCHAR, title VARCHAR, opened TIMESTAMPTZ)")
        con.execute(
            "INSERT INTO ticket SELECT range, 1, if(range % 2 = 0, 'open', 'closed'), 'late', now() - to_days(range::INT) FROM range(1, 21)"
        )
    (tmp_path / "c360.yml").write_text(TICKETS)
    return tmp_path


def test_a_profile_keeps_the_constants_of_its_relations_apart(cli: Cli, desk: Path) -> None:
    assert cli("resolve", project=desk).code == 0
    told = json.loads(cli("profile", "desk.person:1", "--window", "9d", "-o", "json", project=desk).out)
    assert told["values"]["email"] == "ada@example.org"
    assert [e["summary"] for e in told["timeline"]] == ["case (open): late"] * 4


def test_now_reaches_a_column_with_a_time_zone(cli: Cli, desk: Path) -> None:
    assert cli("resolve", project=desk).code == 0
    with c360.connect(desk) as project:
        answer = project.session().sql("SELECT case_id FROM support_case WHERE opened_at >= now() - INTERVAL 9 DAY ORDER BY case_id")
        assert answer.fetchall() == [("2",), ("4",), ("6",), ("8",)]
        assert [(f.source, f.rows) for f in answer.report.fragments] == [("desk", 4)]


def test_a_column_that_is_not_there_is_named(cli: Cli, desk: Path) -> None:
    assert cli("resolve", project=desk).code == 0
    with c360.connect(desk) as project:
        session = project.session()
        assert session.sql("SELECT count(subject) FROM support_case").fetchall() == [(10,)]
        _change(desk, "ALTER TABLE ticket RENAME title TO titel")
        with pytest.raises(SchemaDrift):  # the plan at hand is no longer of use
            session.sql("SELECT count(subject) FROM support_case")
        with pytest.raises(SchemaDrift, match=r"`desk.ticket` has no column `title`, which its mapping names for `subject`") as told:
            session.sql("SELECT count(subject) FROM support_case")
        assert told.value.hint == "did you mean `titel`?"
        assert session.sql("SELECT count(*) FROM support_case").fetchall() == [(10,)]  # who does not need it is not kept from the rest
        _change(desk, "ALTER TABLE ticket RENAME titel TO title")
        assert session.sql("SELECT count(subject) FROM support_case").fetchall() == [(10,)]
    (desk / "c360.yml").write_text(TICKETS.replace("email: mail", "email: male"))
    said = cli("resolve", project=desk)
    assert said.code == 1 and "[C360_SCHEMA_DRIFT] `desk.person` has no column `male`, which its mapping names for `email`" in said.err


def test_debug_tells_what_a_resolve_would_miss(cli: Cli, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = desk / "c360.yml"
    file.write_text(file.read_text().replace("identity: {", 'identity: {secret: "${env:C360_TEST_SECRET}", '))
    monkeypatch.delenv("C360_TEST_SECRET", raising=False)
    for value, code in ((None, "C360_MISSING_SECRET"), ("too short", "C360_WEAK_SECRET")):
        if value:
            monkeypatch.setenv("C360_TEST_SECRET", value)
        said = cli("debug", project=desk)
        assert said.code == 1 and re.search(rf"FAIL  secret +\[{code}\]", said.out), said.out
        assert f"[{code}]" in cli("resolve", project=desk).err
    monkeypatch.setenv("C360_TEST_SECRET", "0123456789abcdef-more")
    said = cli("debug", project=desk)
    assert said.code == 0 and re.search(r"OK    secret +the project's own", said.out) and "0123456789abcdef" not in said.out


def test_a_secret_that_is_missing_stops_its_source_alone(cli: Cli, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C360_TEST_DESK", "desk.duckdb")
    other = "  - {object: individual, source: desk, table: person, key: id, attributes: {email: mail}, where: country = 'CH'}\n"
    two = TICKETS.replace("desk: {kind", "shop: {kind: duckdb, path: '${env:C360_TEST_DESK}'}, desk: {kind")
    (desk / "c360.yml").write_text(two.replace(other, other + other.replace("source: desk", "source: shop")))
    assert cli("resolve", project=desk).code == 0
    monkeypatch.delenv("C360_TEST_DESK")
    told = json.loads(cli("profile", "desk.person:1", "-o", "json", project=desk).out)
    assert told["values"]["email"] == "ada@example.org" and told["missing"] == {"shop": "C360_MISSING_SECRET"}
    assert cli("sql", "SELECT email FROM individual", project=desk).code == 1
    said = cli("sql", "SELECT email FROM individual", "--partial", project=desk)
    assert said.code == 0 and "ada@example.org" in said.out and "no answer from shop (C360_MISSING_SECRET)" in said.err


def _change(folder: Path, sql: str) -> None:
    """Put a changed copy in the file's place: the connector may still have the old one open."""
    changed = folder / "changed.duckdb"
    shutil.copy(folder / "desk.duckdb", changed)
    with duckdb.connect(str(changed)) as con:
        con.execute(sql)
    changed.replace(folder / "desk.duckdb")


def test_training_and_what_a_model_made_of_the_records(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    cli("init", "-q", folder)
    first = cli("resolve", project=folder)
    assert "model of individual, trained on these 15 records: of 105 pairs compared some 7 are one person" in first.out
    assert "full_name" in first.out and "every pair" in first.out
    assert "as trained on 15 records" in cli("resolve", project=folder).out
    assert "as trained on 15 records" in cli("plan", project=folder).out
    trained = cli("train", project=folder)
    assert trained.code == 0 and "trained on these 15 records" in trained.out and "c360 plan" in trained.err
    assert (folder / ".c360" / "models" / "individual.json.previous").exists()
    (told,) = json.loads(cli("train", "individual", "-o", "json", project=folder).out)
    assert told["trained"] and told["records"] == 15 and told["attributes"]["full_name"] == "full_name"
    assert "[C360_NO_MODEL]" in cli("train", "account", project=folder).err
    (folder / "c360.yml").write_text((folder / "c360.yml").read_text().replace("model: standard", "model: {attributes: {phone: ignored}}"))
    said = cli("resolve", project=folder)
    assert said.code == 1 and "[C360_MODEL_MISMATCH]" in said.err and "next: train it again: `c360 train individual`" in said.err


def test_records_that_came_after_the_last_resolve(cli: Cli, desk: Path) -> None:
    assert cli("resolve", project=desk).code == 0
    with duckdb.connect(str(desk / "desk.duckdb")) as con:
        con.execute("INSERT INTO person VALUES (3, 'ADA@example.org', 'CH'), (4, 'eve@example.org', 'CH')")
        con.execute("INSERT INTO ticket VALUES (99, 4, 'open', 'new', now())")
    eve = cli("profile", "email=eve@example.org", project=desk)
    assert eve.lines[0] == "provisional: no id360 yet" and "1 provisional record: desk.person:4" in eve.out and "1 event" in eve.out
    told = json.loads(cli("profile", "desk.person:4", "-o", "json", project=desk).out)
    assert told["id360"] is None and told["records"] == [{"source": "desk", "table": "person", "key": [4], "provisional": True}]
    assert "desk.person:3" not in cli("profile", "email=ada@example.org", project=desk).out
    ada = cli("profile", "email=ada@example.org", "--provisional", project=desk)
    assert "not in the crosswalk yet, agreeing on email:" in ada.lines and "1 provisional record: desk.person:3" in ada.out
    assert "[C360_NO_SUCH_PERSON]" in cli("profile", "email=eve@example.org", "--no-provisional", project=desk).err


def test_how_far_the_crosswalk_lags(cli: Cli, desk: Path) -> None:
    assert "[C360_NO_CROSSWALK]" in cli("crosswalk", "status", project=desk).err
    assert cli("resolve", project=desk).code == 0
    with duckdb.connect(str(desk / "desk.duckdb")) as con:
        con.execute("INSERT INTO person VALUES (3, 'eve@example.org', 'CH')")
        con.execute("DELETE FROM person WHERE id = 1")
    said = cli("crosswalk", "status", "--exact", project=desk)
    assert said.lines[0].startswith("version 1, resolved ") and said.lines[0].endswith(" ago)")
    assert said.lines[1:] == ["  desk.person as individual: 1 linked, 1 now, 1 new, 1 gone"]
    told = json.loads(cli("crosswalk", "status", "-o", "json", project=desk).out)
    assert told["version"] == 1 and told["tables"][0]["linked"] == 1 and told["tables"][0]["far"] is False
    assert cli("crosswalk", "list", "--exact", project=desk).code == 2
