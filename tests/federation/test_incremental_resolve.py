"""`identity: incremental: true`: a resolve looks at what changed, says so, and gives what a whole one gives; why it cannot is told."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from faker import Faker

import c360
from connectors.spi.errors import SchemaDrift
from federation.cli.app import run
from identity.errors import SourceShrunk, StalePlan
from identity.report import ResolveReport

PROJECT = """
version: 1
name: growing
sources:
  crm: {kind: sqlite, path: crm.db}
  shop: {kind: sqlite, path: shop.db}
mappings:
  - {object: individual, source: crm, table: person, key: id, attributes: {first_name: given, last_name: family, email: mail, city: town}}
  - {object: individual, source: shop, table: person, key: id, attributes: {first_name: given, last_name: family, email: mail, city: town}}
identity:
  secret: ${env:GROWING_SECRET:-sixteen bytes at least}
  incremental: true
  individual: {model: standard}
"""


@pytest.fixture(scope="module")
def rows() -> list[tuple[int, str, str, str, str]]:
    fake = Faker("en_GB")
    fake.seed_instance(4)
    return [
        (i, given, family, f"{given}.{family}{i % 97}@{fake.free_email_domain()}".lower(), fake.city())
        for i in range(1100)
        for given, family in [(fake.first_name(), fake.last_name())]
    ]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str, str, str, str]]) -> Path:
    """A project that was never resolved. Tests take a copy: `project`."""
    folder = tmp_path_factory.mktemp("growing") / "pristine"
    folder.mkdir()
    (folder / "c360.yml").write_text(PROJECT)
    draw = random.Random(1)
    for name, some in (("crm", rows), ("shop", [row for row in rows if draw.random() < 0.5])):
        with sqlite3.connect(folder / f"{name}.db") as con:
            con.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, given TEXT, family TEXT, mail TEXT, town TEXT)")
            con.executemany("INSERT INTO person VALUES (?, ?, ?, ?, ?)", some)
        con.close()
    return folder


@pytest.fixture(scope="module")
def first(pristine: Path) -> tuple[Path, ResolveReport]:
    """The same, resolved once, and what that told. Tests take a copy: `known`."""
    folder = shutil.copytree(pristine, pristine.with_name("known"))
    with c360.connect(folder) as opened:
        return folder, opened.resolve()


@pytest.fixture
def project(tmp_path: Path, pristine: Path) -> Path:
    return shutil.copytree(pristine, tmp_path, dirs_exist_ok=True)


@pytest.fixture
def known(tmp_path: Path, first: tuple[Path, ResolveReport]) -> Path:
    """Training and matching all is what is dear in these tests: it is done once for those that begin with a resolve."""
    return shutil.copytree(first[0], tmp_path, dirs_exist_ok=True)


def links(project: c360.Project) -> set[tuple[str, int, int]]:
    crosswalk = project.store.current()
    assert crosswalk is not None
    return {
        (t.source, key, id360)
        for t in crosswalk.links
        for key, id360 in crosswalk.reader.execute(f"SELECT k0, id360 FROM xw.{t.name}").fetchall()
    }


def change(folder: Path) -> None:
    """One new, one changed, one gone, in two systems."""
    with sqlite3.connect(folder / "shop.db") as con:
        con.execute("INSERT INTO person SELECT 5000, given, family, mail, town FROM person WHERE id = (SELECT min(id) FROM person)")
    with sqlite3.connect(folder / "crm.db") as con:
        con.execute("UPDATE person SET town = 'Elsewhere' WHERE id = 7")
        con.execute("DELETE FROM person WHERE id = 8")


def test_a_resolve_looks_at_what_changed(known: Path, first: tuple[Path, ResolveReport]) -> None:
    before = first[1]
    assert before.touched is None and before.whole_because == "there is no crosswalk yet"
    with c360.connect(known) as opened:
        change(known)
        second = opened.resolve()
        assert second.touched is not None
        assert (second.touched.new, second.touched.changed, second.touched.gone) == (1, 1, 1)
        assert second.touched.records < 200
        assert second.links == before.links
        found = links(opened)
        assert opened.resolve(full=True).touched is None
        assert links(opened) == found
        assert "index" in str(sorted(p.name for p in opened.store.directory.iterdir()))


def test_a_plan_brings_its_index_along_and_a_resolve_before_it_is_applied_does_not_miss_its_own(known: Path) -> None:
    with c360.connect(known) as opened:
        opened.plan()
        change(known)
        between = opened.resolve()
        assert between.touched is not None and between.touched.new == 1, "the plan took nothing from the version that serves"
        with pytest.raises(StalePlan):
            opened.apply()
        opened.plan()
        assert opened.apply().version == 3
        after = opened.resolve()
        assert after.touched is not None and (after.touched.new, after.touched.changed, after.touched.gone) == (0, 0, 0)
        opened.rollback()
        assert opened.resolve().whole_because.startswith("the version that serves left no index")


def test_the_command_says_what_it_looked_at(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*more: str) -> str:
        assert run(["resolve", "-q", "--project", str(project), *more]) == 0
        return capsys.readouterr().out

    assert "all records were matched anew: there is no crosswalk yet" in said()
    change(project)
    assert "incremental: 1 record is new, 1 changed, 1 gone; with their neighbours and those of decisions" in said()
    assert "incremental" not in said("--full")


def resolved(project: Path, hash_seed: int) -> str:
    """What `c360 resolve` says in a process of its own, in which strings hash otherwise."""
    command = [sys.executable, "-m", "federation.cli", "resolve", "-q", "--project", str(project)]
    env = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout


def test_the_next_process_goes_on_from_what_one_left(known: Path) -> None:
    change(known)
    assert "incremental: 1 record is new, 1 changed, 1 gone" in resolved(known, 2)


def indexes(project: c360.Project) -> set[str]:
    """The indexes that there are, each of one file or two."""
    return {path.stem for path in project.store.directory.glob("index-*")}


def emptied(project: Path, but: int) -> tuple[int, int]:
    """Only the first records of the shop are left: how many there are and were."""
    with sqlite3.connect(project / "shop.db") as con:
        ((before,),) = con.execute("SELECT count(*) FROM person").fetchall()
        con.execute("DELETE FROM person WHERE id > ?", [but])
        ((now,),) = con.execute("SELECT count(*) FROM person").fetchall()
    return now, before


@pytest.mark.parametrize("way", ["incremental", "whole", "rules", "changed_at"])
def test_a_table_that_lost_most_of_its_records_stops_a_resolve(request: pytest.FixtureRequest, way: str) -> None:
    project: Path = request.getfixturevalue("known" if way in ("incremental", "whole") else "project")
    file = project / "c360.yml"
    if way == "rules":
        file.write_text(PROJECT.replace("  incremental: true\n", "").replace("{model: standard}", "{rules: [email]}"))
    if way == "changed_at":
        file.write_text(PROJECT.replace("city: town}}", "city: town}, changed_at: id}"))
    with c360.connect(project) as opened:
        if opened.store.current() is None:
            opened.resolve()
        found = links(opened)
        shutil.copyfile(project / "shop.db", project / "whole.db")
        for but in (-1, 100):
            now, before = emptied(project, but)
            for _ in range(2):
                with pytest.raises(SourceShrunk) as told:
                    opened.resolve(full=way == "whole")
                assert f"shop.person has {now:,} records, and had {before:,}: nothing was published" in str(told.value)
                assert [(t.source, t.now, t.before) for t in told.value.tables] == [("shop", now, before)]
            assert links(opened) == found and opened.store.versions() == (1,), "what served before serves on"
            with sqlite3.connect(project / "shop.db") as con:
                con.execute("ATTACH ? AS whole", [str(project / "whole.db")])
                con.execute("INSERT OR IGNORE INTO person SELECT * FROM whole.person")
        again = opened.resolve()
        assert again.unchanged and (again.touched is not None) is (way != "rules"), "what stopped took no index away"
        assert links(opened) == found
        assert len(indexes(opened)) <= 2, "the one built upon, and what differs from it"
        now, before = emptied(project, 100)
        report = opened.resolve(allow_shrink=True)
        assert [(t.source, t.now, t.before) for t in report.shrunk] == [("shop", now, before)]
        assert len(indexes(opened)) <= 2
        if way == "whole":
            opened.resolve(full=True, allow_shrink=True)
            assert indexes(opened) == {"index-000004"}, "the others go with all that is of them"
        assert opened.resolve().shrunk == (), "it is as it should be now"


def test_how_much_may_go_is_set_and_a_plan_may_lose_more(known: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str, code: int = 0) -> str:
        assert run([*words, "-q", "--project", str(known)]) == code
        out, err = capsys.readouterr()
        return str(out + err)

    now, before = emptied(known, 700)
    file = known / "c360.yml"
    file.write_text(PROJECT.replace("  incremental", "  max_shrink: 0.2\n  incremental"))
    assert f"[C360_SOURCE_SHRUNK] shop.person has {now:,} records, and had {before:,}" in said("resolve", code=1)
    file.write_text(PROJECT)
    assert "before" not in said("resolve")
    emptied(known, -1)
    assert "`c360 plan` and `c360 apply`, or `c360 resolve --allow-shrink`" in said("resolve", code=1)
    assert f"! shop.person loses most of its records: 0 are left of {now:,}" in said("plan")
    said("apply")
    with c360.connect(known) as opened:
        assert not [link for link in links(opened) if link[0] == "shop"]
    file.write_text(PROJECT.replace("  incremental", "  max_shrink: 1.5\n  incremental"))
    assert "use a number above 0, up to 1" in said("resolve", code=1)


def test_a_limit_of_one_never_stops_and_a_table_that_is_no_longer_mapped_is_gone_on_purpose(project: Path) -> None:
    text = PROJECT.replace("{model: standard}", "{rules: [email]}")
    file = project / "c360.yml"
    file.write_text(text)
    with c360.connect(project) as opened:
        opened.resolve()
    emptied(project, -1)
    lines = text.splitlines(keepends=True)
    file.write_text("".join(line for line in lines if "source: shop" not in line))
    with c360.connect(project) as opened:
        assert opened.resolve().version == 2
        opened.rollback()
    file.write_text(text.replace("  incremental", "  max_shrink: 1\n  incremental"))
    with c360.connect(project) as opened:
        assert [t.source for t in opened.resolve().shrunk] == ["shop"]


def test_a_table_that_lost_most_of_its_records_is_told_and_a_rollback_keeps_its_ids(
    known: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*more: str) -> str:
        assert run(["resolve", "-q", "--project", str(known), *more]) == 0
        return capsys.readouterr().out

    with c360.connect(known) as opened:
        found = links(opened)
    shutil.copyfile(known / "shop.db", known / "whole.db")
    now, before = emptied(known, 100)
    told = said("--allow-shrink")
    assert f"! shop.person: {now:,} records, {before:,} before" in told and "! crm.person" not in told and "`c360 rollback`" in told
    assert f"! shop.person: {now:,} records" not in said(), "told once"
    with c360.connect(known) as opened:
        opened.rollback(1)
    shutil.copyfile(known / "whole.db", known / "shop.db")
    assert "records, " not in "".join(line for line in said().splitlines() if "!" in line)
    with c360.connect(known) as opened:
        assert links(opened) == found


def test_a_key_that_the_table_no_longer_has_is_told_as_such(project: Path) -> None:
    with sqlite3.connect(project / "shop.db") as con:
        con.execute("ALTER TABLE person RENAME COLUMN id TO ident")
    with c360.connect(project) as opened, pytest.raises(SchemaDrift) as told:
        opened.resolve()
    assert told.value.message == "`shop.person` has no column `id`, which its mapping's `key` names"
    assert "ident" in told.value.hint


def test_another_process_writes_the_same(project: Path, first: tuple[Path, ResolveReport]) -> None:
    """Sets have another order there."""
    resolved(project, 1)
    here, there = (
        {p.name: p.read_bytes() for p in sorted((folder / ".c360").rglob("*.json")) if "model" in p.name} for folder in (first[0], project)
    )
    assert here and here == there


def test_what_a_record_hangs_together_with_is_told_after_it_came(known: Path) -> None:
    with c360.connect(known) as opened:
        change(known)
        opened.resolve()
        crosswalk = opened.store.current()
        assert crosswalk is not None
        from identity.evidence.reading import evidence_of

        evidence = evidence_of(crosswalk, "individual", "")
        came = evidence.find("shop", "person", [5000])
        mates = evidence.members(came.id360)
        assert len(mates) >= 2
        pairs = evidence.inside(min(m.rec for m in mates))
        assert came.rec in {*pairs.left.tolist(), *pairs.right.tolist()}
        assert {m.key for m in evidence.named([m.rec for m in mates]).values()} == {m.key for m in mates}


def test_the_best_pair_of_two_people_is_found_where_a_later_record_is_named_first(project: Path) -> None:
    """A record that came later has a number beyond all others: the first record of a person is not always the smallest."""
    with sqlite3.connect(project / "shop.db") as con:
        ((known,),) = con.execute("SELECT min(id) FROM person WHERE id > 20").fetchall()
        misspelt = "INSERT INTO person SELECT 9000, given, 'Q' || substr(family, 2, 2), 'q@elsewhere.org', town FROM person WHERE id = ?"
        con.execute(misspelt, [known])
    with sqlite3.connect(project / "crm.db") as con:
        ((given, family, mail, town),) = con.execute("SELECT given, family, mail, town FROM person WHERE id = ?", [known]).fetchall()
        con.execute("DELETE FROM person WHERE id = ?", [known])
    with c360.connect(project) as opened:
        opened.resolve()
        with sqlite3.connect(project / "crm.db") as con:
            con.execute("INSERT INTO person VALUES (?, ?, ?, ?, ?)", [known, given[0], family, mail, town])
        assert opened.resolve().touched is not None
        crosswalk = opened.store.current()
        assert crosswalk is not None
        one, other = (crosswalk.id_of("individual", "", "shop", "person", (key,)) for key in (known, 9000))
        assert one == crosswalk.id_of("individual", "", "crm", "person", (known,)) != other
        found = opened.why(one, other)
        assert (found.a, found.b) == (f"shop.person:{known}", "shop.person:9000") and found.direct is not None


def test_a_report_says_of_which_run_its_figures_are(known: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    with c360.connect(known) as opened:
        assert run(["report", "--html", str(page), "--project", str(known)]) == 0
        assert "of run" not in capsys.readouterr().out + page.read_text()
        change(known)
        opened.resolve()
    assert run(["report", "--html", str(page), "--project", str(known)]) == 0
    told = "those of run 1, the last that matched all records; records, people and suspects are those of version 2"
    assert told in capsys.readouterr().out and told in " ".join(page.read_text().split())


def test_what_a_limit_refused_is_in_the_queue_after_an_incremental_resolve_too(
    project: Path, rows: list[tuple[int, str, str, str, str]]
) -> None:
    text = (project / "c360.yml").read_text().replace("{model: standard}", "{model: {must_not: [city]}}")
    (project / "c360.yml").write_text(text)
    with c360.connect(project) as opened:
        opened.resolve()
        before = opened.review(10_000, ["refused merge"]).totals
        with sqlite3.connect(project / "shop.db") as con:
            ((moved,),) = con.execute("SELECT min(id) FROM person").fetchall()
            con.execute("UPDATE person SET town = 'Elsewhere' WHERE id = ?", [moved])
        assert opened.resolve().touched is not None
        found = opened.review(10_000, ["refused merge"])
        assert found.totals["refused merge", "must_not city"] == before["refused merge", "must_not city"] + 1
        (mine,) = [item for item in found if f"shop.person:{moved}" in (item.a, item.b)]
        assert mine.a == f"crm.person:{moved}" and "they differ in city" in mine.detail
        queue = [(item.a, item.b, item.why) for item in found]
        opened.resolve(full=True)
        assert sorted((item.a, item.b, item.why) for item in opened.review(10_000, ["refused merge"])) == sorted(queue)


SMALL = """
version: 1
name: small
sources: {a: {kind: sqlite, path: a.db}, b: {kind: sqlite, path: b.db}}
mappings:
  - {object: individual, source: a, table: person, key: id, attributes: {email: mail}}
  - {object: individual, source: b, table: person, key: id, attributes: {email: mail}}
identity:
  incremental: INCREMENTAL
  secret: "${env:SMALL_SECRET:-sixteen bytes at least}"
  individual: {rules: [email]}
"""


@pytest.mark.parametrize("incremental", ["true", "false"])
@pytest.mark.parametrize("had", [1, 20])
def test_a_table_of_few_records_may_lose_most_but_not_all(tmp_path: Path, incremental: str, had: int) -> None:
    for name in ("a", "b"):
        with sqlite3.connect(tmp_path / f"{name}.db") as con:
            con.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, mail TEXT)")
            con.executemany("INSERT INTO person VALUES (?, ?)", [(i, f"{name}{i}@x.org") for i in range(had)])
    (tmp_path / "c360.yml").write_text(SMALL.replace("INCREMENTAL", incremental))

    def keep(table: str, count: int) -> None:
        with sqlite3.connect(tmp_path / f"{table}.db") as con:
            con.execute("DELETE FROM person WHERE id >= ?", [count])

    with c360.connect(tmp_path) as opened:
        opened.resolve()
        keep("a", 1)
        assert opened.resolve().shrunk == (), "most of few may go"
        keep("a", 0)
        with pytest.raises(SourceShrunk) as told:
            opened.resolve()
        assert "a.person has 0 records, and had 1" in str(told.value)
        report = opened.resolve(allow_shrink=True)
        assert [(t.source, t.before, t.now) for t in report.shrunk] == [("a", 1, 0)]
        assert opened.resolve().shrunk == (), "a table that was empty stays so without a word"
        keep("b", 0)
        assert opened.plan().changes.ids_after == 0
        assert opened.apply().version == opened.store.current().version  # type: ignore[union-attr]
