"""`households: true` and `one_per_source` in a project file: who lives together, as SQL shows it to whoever may see it."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from faker import Faker

import c360
from connectors.spi.errors import C360Error
from federation.cli.app import run
from federation.errors import PolicyRefused
from identity.errors import UnknownId360
from identity.households.mates import table_of
from identity.households.reading import HouseholdEvidence
from identity.report import ResolveReport

PROJECT = """
version: 1
name: neighbours
sources:
  crm: {kind: sqlite, path: crm.db}
  shop: {kind: sqlite, path: shop.db}
mappings:
  - {object: individual, source: crm, table: person, key: id, attributes: &person
      {first_name: given, last_name: family, birth_date: born, phone: phone, street: street, postal_code: zip, city: town}}
  - {object: individual, source: shop, table: person, key: id, attributes: *person}
identity:
  secret: ${env:NEIGHBOURS_SECRET:-sixteen bytes at least}
  incremental: true
  individual: {model: standard, households: true}
policies:
  - {name: grown-ups, objects: [individual], roles: [analyst], filter: "birth_date < DATE '1990-01-01'"}
  - {name: nobody, objects: [individual], roles: [guest], deny: true}
  - {name: no-families, objects: [household], roles: [clerk], deny: true}
principals: {ana: [analyst], gus: [guest], cleo: [clerk], otto: []}
"""
FAMILIES, ALONE = 120, 900
COLUMNS = ("given", "family", "born", "phone", "street", "zip", "town")
Row = tuple[int, str, str, str, str, str, str, str]


def townsfolk() -> list[Row]:
    """Families of a couple and a child (300 + n, 600 + n), then people who live alone (from 1000 on)."""
    fake = Faker("en_GB")
    fake.seed_instance(11)
    rows: list[Row] = []
    for n in range(FAMILIES + ALONE):
        home = (f"{fake.building_number()} {fake.street_name()}", fake.postcode(), fake.city())
        family = fake.last_name()
        numbers = (n, 300 + n, 600 + n) if n < FAMILIES else (1000 + n,)
        for number in numbers:
            born = (
                fake.date_of_birth(minimum_age=40, maximum_age=80) if number < 600 or number > 1000 else fake.date_of_birth(maximum_age=16)
            )
            rows.append((number, fake.first_name(), family, born.isoformat(), fake.numerify("07#########"), *home))
    return rows


PEOPLE = townsfolk()


def written(folder: Path) -> Path:
    (folder / "c360.yml").write_text(PROJECT)
    for name, some in (("crm", PEOPLE), ("shop", PEOPLE[::3])):
        with sqlite3.connect(folder / f"{name}.db") as con:
            con.execute(f"CREATE TABLE person (id INTEGER PRIMARY KEY, {', '.join(f'{name} TEXT' for name in COLUMNS)})")
            con.executemany("INSERT INTO person VALUES (?, ?, ?, ?, ?, ?, ?, ?)", some)
        con.close()
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return written(tmp_path)


@pytest.fixture(scope="module")
def resolved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ResolveReport]:
    """The same, resolved once, and what that told. Tests take a copy: `known`."""
    folder = written(tmp_path_factory.mktemp("neighbours"))
    with c360.connect(folder) as opened:
        return folder, opened.resolve()


@pytest.fixture
def known(tmp_path: Path, resolved: tuple[Path, ResolveReport]) -> Path:
    return shutil.copytree(resolved[0], tmp_path, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def namesakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Resolved too, with a father and a son who seem one person. Tests take a copy."""
    folder = written(tmp_path_factory.mktemp("namesakes"))
    with sqlite3.connect(folder / "crm.db") as con:
        con.execute("INSERT INTO person SELECT 5002, given, family, NULL, phone, street, zip, town FROM person WHERE id = 1250")
    con.close()
    with c360.connect(folder) as opened:
        opened.resolve()
    return folder


TOGETHER = """
SELECT r.key::INTEGER AS number, h.household_id FROM household h JOIN individual_record r USING (id360) WHERE r.source = 'crm'
"""


def together(project: c360.Project) -> dict[int, int]:
    return dict(project.session("otto").sql(TOGETHER).fetchall())


def test_who_lives_together_as_sql_shows_it(known: Path, resolved: tuple[Path, ResolveReport], capsys: pytest.CaptureFixture[str]) -> None:
    project, report = known, resolved[1]
    with c360.connect(project) as opened:
        found = together(opened)
        whole = [n for n in range(FAMILIES) if n in found and found[n] == found.get(300 + n) == found.get(600 + n)]
        assert len(whole) >= 0.95 * FAMILIES and len({found[n] for n in whole}) == len(whole)
        assert sum(number >= 1000 for number in found) <= 0.02 * ALONE
        (count,) = report.households
        assert (count.people, count.households) == (len(found), len(set(found.values())))
        session = opened.session("otto")
        sized = session.sql(
            "SELECT h.household_id, count(*) AS people, min(i.birth_date) AS eldest FROM household h JOIN individual i USING (id360) "
            "GROUP BY h.household_id HAVING people >= 3"
        ).fetchall()
        assert len(sized) >= len(whole)
        one = session.sql("SELECT id360 FROM individual_record WHERE source = 'crm' AND key = '5'").fetchall()[0][0]
        mates = session.sql(
            "SELECT i.first_name FROM household h JOIN household m USING (household_id) JOIN individual i ON i.id360 = m.id360 "
            "WHERE h.id360 = $one AND m.id360 <> h.id360 ORDER BY 1",
            {"one": one},
        ).fetchall()
        members = session.sql("SELECT id360 FROM household WHERE household_id = $h", {"h": found[5]}).fetchall()
        names = {number: given for number, given, *_ in PEOPLE}
        assert [name for (name,) in mates] == sorted((names[305], names[605]))
        assert session.sql("SELECT count(DISTINCT entity) FROM crosswalk").fetchall() == [(1,)], "a household is no source record"
        why = opened.why(("crm", "person", "5"), ("crm", "person", "305"))
        assert why.together is not None and why.together.household == found[5] and (why.together.bits or 0) > 3
        assert opened.why(("crm", "person", "5"), ("crm", "person", "6")).together is None
        assert opened.why(("crm", "person", "6"), ("shop", "person", "6")).together is None, "one person, in two systems"
        household = opened.why(found[5])
        assert isinstance(household, HouseholdEvidence) and {person for person, _ in household.people} == {m for (m,) in members}
        assert {"crm.person:5", "crm.person:305"} <= {name for _, names in household.people for name in names}
        bits = [pair.bits or 0 for pair in household.pairs]
        assert len(bits) >= 2 and bits == sorted(bits, reverse=True) and min(bits) > 0
        assert ({why.together.a, why.together.b}, why.together.bits) in [({pair.a, pair.b}, pair.bits) for pair in household.pairs]
        with pytest.raises(UnknownId360):
            opened.why(1)
    assert run(["crosswalk", "show", str(found[5]), "--project", str(project)]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == sorted(f"  {id360}" for id360 in {one, *(m for (m,) in members)})
    assert run(["why", "crm.person:5", "crm.person:305", "--project", str(project), "--html", str(project / "why.html")]) == 0
    assert f"they are of one household, {found[5]} (" in capsys.readouterr().out
    assert f"of one household, {found[5]}" in (project / "why.html").read_text()
    assert run(["why", str(found[5]), "--project", str(project), "--html", str(project / "home.html")]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{found[5]} is a household of 3 individuals:\n") and f"  {one}: crm.person:5" in said and " bits\n" in said
    assert f"Household {found[5]}" in (project / "home.html").read_text()
    assert run(["resolve", "-q", "--project", str(project)]) == 0
    assert f"{count.households:,} households of {count.people:,} individuals, " in capsys.readouterr().out


def test_who_may_not_see_a_person_sees_no_trace_of_one(known: Path) -> None:
    with c360.connect(known) as opened:
        everybody, found = together(opened), opened.session("ana").sql("FROM household").fetchall()
        grown = {id360 for (id360,) in opened.session("ana").sql("SELECT id360 FROM individual").fetchall()}
        assert grown and {person for _, person in found} <= grown
        sizes = opened.session("ana").sql("SELECT count(*) FROM household GROUP BY household_id").fetchall()
        assert set(sizes) == {(2,)}, "the couples; a child is not seen, nor that there is one"
        assert 0.9 * FAMILIES < len(found) / 2 <= len(set(everybody.values()))
        alone = opened.session("ana").sql("SELECT household_id FROM household WHERE id360 = $one", {"one": found[0][1]}).fetchall()
        assert alone == [(found[0][0],)]
        for who in ("gus", "cleo"):
            with pytest.raises(PolicyRefused, match=r"`household`"):
                opened.session(who).sql("SELECT count(*) FROM household")


def test_households_stay_over_an_incremental_resolve(known: Path) -> None:
    with c360.connect(known) as opened:
        before = together(opened)
        with sqlite3.connect(known / "crm.db") as con:
            con.execute(
                "INSERT INTO person SELECT 5001, 'Ottoline', family, '1975-05-05', '07555123', street, zip, town FROM person WHERE id = 7"
            )
            con.execute("UPDATE person SET street = '1 Elsewhere', zip = 'ZZ1 1ZZ', town = 'Nowhere', family = 'Zzyzx' WHERE id = 609")
            con.execute("DELETE FROM person WHERE id = 310")
        with sqlite3.connect(known / "shop.db") as con:
            con.execute("DELETE FROM person WHERE id IN (609, 310)")
        (planned,) = opened.plan().changes.households
        assert (planned.before, planned.after, planned.came, planned.left, planned.moved) == (FAMILIES, FAMILIES, 1, 2, 0)
        report = opened.resolve()
        assert report.touched is not None and report.households[0].minted == 0
        after = together(opened)
        assert after[5001] == after[7] == before[7]
        assert 609 not in after and 310 not in after and after[9] == before[9] and after[10] == before[10]
        opened.resolve(full=True)
        assert together(opened) == after
        opened.rollback(1)
        assert {**together(opened), 310: before[310]} == before, "the record is gone, its place is not"


@pytest.mark.parametrize("full", [True, False])
def test_father_and_son_of_one_name_live_together_once_a_steward_tells_them_apart(namesakes: Path, tmp_path: Path, full: bool) -> None:
    with c360.connect(shutil.copytree(namesakes, tmp_path, dirs_exist_ok=True)) as opened:
        assert not {1250, 5002} & together(opened).keys(), "one person, so it seems"
        opened.decide("different", ("crm", "person", "1250"), ("crm", "person", "5002"), reason="father and son")
        report = opened.resolve(full=full)
        assert (report.touched is None) == full
        found = together(opened)
        assert found[1250] == found[5002]
        ((mates, pairs),) = (
            opened.store.current()
            .reader.execute(  # type: ignore[union-attr]
                f"SELECT count(*), count(DISTINCT (l, r)) FROM xw.{table_of('individual', '')}"
            )
            .fetchall()
        )
        assert mates == pairs


def test_a_crosswalk_without_households_says_what_to_do(project: Path) -> None:
    text = PROJECT.replace(", households: true", "").replace("objects: [household]", "objects: [crosswalk]")
    (project / "c360.yml").write_text(text)
    with c360.connect(project) as opened:
        opened.resolve()
        with pytest.raises(C360Error, match="no view `household`: no households are asked for") as unknown:
            opened.session("otto").sql("FROM household")
        assert "households: true" in str(unknown.value.hint)
    (project / "c360.yml").write_text(PROJECT)
    with c360.connect(project) as opened:
        with pytest.raises(C360Error, match="no households") as raised:
            opened.session("otto").sql("FROM household")
        assert "c360 resolve" in str(raised.value.hint)
        assert opened.resolve().whole_because.startswith("households")


def test_a_source_that_holds_each_person_once(project: Path) -> None:
    """Ada is twice in the CRM and once in the shop."""
    with sqlite3.connect(project / "crm.db") as con:
        con.execute("INSERT INTO person SELECT 5000, given, family, born, phone, street, zip, town FROM person WHERE id = 3")
    ids = {}
    for name, limit in (("free", ""), ("once", ", one_per_source: [crm]"), ("all", ", one_per_source: true")):
        text = PROJECT.replace("households: true", f"households: true{limit}").replace(
            "name: neighbours", f"name: neighbours\nstate: .{name}"
        )
        (project / "c360.yml").write_text(text)
        with c360.connect(project) as opened:
            opened.resolve()
            rows = opened.session("otto").sql("SELECT source, key, id360 FROM crosswalk WHERE key IN ('3', '5000')").fetchall()
        ids[name] = {(source, key): id360 for source, key, id360 in rows}
    assert len(set(ids["free"].values())) == 1
    for name in ("once", "all"):
        assert ids[name]["crm", "3"] != ids[name]["crm", "5000"]
        assert ids[name]["shop", "3"] in (ids[name]["crm", "3"], ids[name]["crm", "5000"])
