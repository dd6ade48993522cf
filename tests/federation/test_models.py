"""A project that asks for a model: three live systems, messy people, and what comes out of `resolve`, `plan` and `train`."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faker import Faker

import c360
from connectors.spi.errors import C360Error, SourceError
from identity.errors import ModelMismatch, NoModel, StalePlan
from identity.matching import DECISION
from identity.report import ResolveReport
from identity.versions.models import in_use
from identity.versions.store import CrosswalkStore
from tests.support.faults import FaultProxy
from tests.support.messy import COLUMNS, HAND_MADE, PEOPLE, Key, Row, build, shop_of, strangers, write
from tests.support.postgres import TestPostgres

MODEL = "{model: {attributes: {phone: phone(GB)}, must_not: [passport]}}"
Make = Callable[..., Path]


@pytest.fixture(scope="module")
def shop(postgres: TestPostgres) -> str:
    return shop_of(postgres, PEOPLE)


@pytest.fixture
def make(tmp_path: Path, postgres: TestPostgres, shop: str) -> Iterator[Make]:
    def made(model: str = MODEL, rows: dict[Key, tuple[str, Row]] = PEOPLE, uri: str = "") -> Path:
        build(tmp_path, uri or postgres.uri(shop), rows, model=model)
        return tmp_path

    yield made


@pytest.fixture(scope="module")
def resolved(tmp_path_factory: pytest.TempPathFactory, postgres: TestPostgres, shop: str) -> tuple[Path, ResolveReport]:
    """The project as `make` makes it, resolved once, and what that told. Tests take a copy: `known`."""
    folder = tmp_path_factory.mktemp("messy") / "resolved"
    folder.mkdir()
    build(folder, postgres.uri(shop), PEOPLE, model=MODEL)
    with c360.connect(folder) as project:
        return folder, project.resolve()


@pytest.fixture
def known(tmp_path: Path, resolved: tuple[Path, ResolveReport]) -> Path:
    return shutil.copytree(resolved[0], tmp_path, dirs_exist_ok=True)


def ids(project: c360.Project) -> dict[Key, int]:
    found = project.session().sql("SELECT source, key, id360 FROM crosswalk WHERE entity = 'individual'")
    return {(source, key): id360 for source, key, id360 in found.fetchall()}


def test_messy_people_of_three_systems_are_told_apart(known: Path, resolved: tuple[Path, ResolveReport]) -> None:
    report = resolved[1]
    with c360.connect(known) as project:
        found = ids(project)
    truth = {key: who for key, (who, _) in PEOPLE.items()}
    for key in HAND_MADE:
        together = {other for other, id360 in found.items() if id360 == found[key]}
        assert together == {other for other, who in truth.items() if who == truth[key]}, key
    twice = [keys for n in range(100, 400) if len(keys := [key for key in found if key[1] == str(n)]) == 2]
    assert len(twice) == 150 and sum(found[one] == found[other] for one, other in twice) >= 147
    assert len(set(found.values())) >= 0.99 * len(set(truth.values()))
    (use,) = report.models
    assert use.trained and use.records == len(PEOPLE) and use.attributes["phone"] == "phone" and "notes" not in use.attributes
    assert 120 <= use.matches <= 180 and not use.drift and report.blocking[0].pairs == use.pairs


def test_the_model_is_trained_once_and_then_used_as_it_is(known: Path) -> None:
    file = known / ".c360" / "models" / "individual.json"
    with c360.connect(known) as project:
        written, before = file.read_bytes(), ids(project)
        again = project.resolve()
        assert not again.models[0].trained and again.models[0].trained_on == len(PEOPLE)
        assert ids(project) == before and (again.minted, again.retired) == (0, 0)
    assert file.read_bytes() == written and not list(file.parent.glob("*.previous"))
    assert not any(str(value) in file.read_text() for _, row in HAND_MADE.values() for value in row if value and "@" in value)


def test_training_anew_keeps_the_model_before_and_changes_nobody_s_id(known: Path) -> None:
    models = known / ".c360" / "models"
    with c360.connect(known) as project:
        first, before = (models / "individual.json").read_bytes(), ids(project)
        with sqlite3.connect(known / "crm.db") as db:
            db.execute("delete from person where cast(id as integer) > 300")
        db.close()
        (use,) = project.train("individual")
        assert use.trained and use.records < len(PEOPLE) and ids(project) == before
        assert (models / "individual.json.previous").read_bytes() == first
        assert json.loads((models / "individual.json").read_text())["records"] == use.records
        assert project.resolve().models[0].trained_on == use.records
        with pytest.raises(NoModel, match="`account` has no model"):
            project.train("account")


def test_a_plan_trains_and_applies_what_it_showed(make: Make) -> None:
    folder = make()
    with c360.connect(folder) as project:
        planned = project.plan()
        models = folder / ".c360" / "models"
        assert planned.report.models[0].trained and not models.exists(), "what a plan learned is not in use before it is applied"
        assert project.plan().models == planned.models, "the same records teach the same"
        project.apply()
        assert in_use(models) == planned.models
        assert len(set(ids(project).values())) == planned.changes.ids_after
        assert not project.resolve().models[0].trained


def fewer(folder: Path) -> None:
    """Take records away, so that a model trained now is another."""
    with sqlite3.connect(folder / "crm.db") as db:
        db.execute("delete from person where cast(id as integer) > 300")
    db.close()


def test_a_plan_made_with_another_model_than_the_one_trained_since_is_refused(known: Path) -> None:
    with c360.connect(known) as project:
        project.plan()
        fewer(known)
        project.train()
        with pytest.raises(StalePlan, match="trained anew"):
            project.apply()


def test_an_apply_that_a_power_cut_ends_before_the_version_serves_goes_on(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make()
    with c360.connect(folder) as project:
        planned = project.plan()
        with monkeypatch.context() as cut:
            cut.setattr(CrosswalkStore, "publish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                project.apply()
        assert project.store.current() is None and in_use(folder / ".c360" / "models") == planned.models
        assert project.apply() == planned and project.store.current().models == planned.models  # type: ignore[union-attr]


def test_a_rollback_brings_the_model_back_that_the_version_was_made_with(known: Path) -> None:
    models = known / ".c360" / "models"
    with c360.connect(known) as project:
        first = in_use(models)
        fewer(known)
        project.train()
        second = in_use(models)
        assert first != second and project.store.current().models == first  # type: ignore[union-attr]
        project.resolve()
        assert project.store.current().models == second  # type: ignore[union-attr]
        restored = project.rollback()
        assert restored.models == first == in_use(models)
        project.rollback(2)
        assert in_use(models) == second


def test_a_model_file_that_was_lost_is_that_of_the_version_that_serves(known: Path) -> None:
    models = known / ".c360" / "models"
    with c360.connect(known) as project:
        before, there = ids(project), in_use(models)
        (models / "individual.json").unlink()
        fewer(known)
        assert not project.resolve().models[0].trained and in_use(models) == there
        assert {key: id360 for key, id360 in before.items() if key in ids(project)} == ids(project)


def test_a_model_for_other_attributes_is_refused_before_anything_is_read(known: Path, postgres: TestPostgres, shop: str) -> None:
    write(known, "postgresql:///nobody?host=/nowhere", "{model: {attributes: {notes: text}}}")
    with c360.connect(known) as project:
        with pytest.raises(ModelMismatch, match=r"trained for .*passport \(identifier\); the project compares .*notes \(text\)") as caught:
            project.resolve()
        assert "c360 train individual" in caught.value.hint
    write(known, postgres.uri(shop), "{model: {attributes: {notes: text}}}")
    with c360.connect(known) as project:
        project.train()
        assert not project.resolve().models[0].trained


@pytest.mark.parametrize("text", ["", "{}", '{"format": 99}', '{"format": 1, "records": 3}', "[1, 2]", '{"format": 1, "factors": 3}'])
def test_a_broken_model_file_is_a_coded_error(make: Make, text: str) -> None:
    folder = make()
    (folder / ".c360" / "models").mkdir(parents=True)
    (folder / ".c360" / "models" / "individual.json").write_text(text)
    with c360.connect(folder) as project, pytest.raises(ModelMismatch, match="is no model"):
        project.resolve()


def test_drift_is_told_by_factor(known: Path, postgres: TestPostgres) -> None:
    later = {key: (who, (*row[:2], None, *row[3:])) for key, (who, row) in PEOPLE.items()}  # no system keeps birth dates any more
    for old in ("crm.db", "member.csv"):
        (known / old).unlink()
    build(known, postgres.uri(shop_of(postgres, later)), later, model=MODEL)
    with c360.connect(known) as project:
        (use,) = project.resolve().models
    assert [d.factor for d in use.drift] == ["birth date"] and use.drift[0].index > 0.25
    assert use.drift[0].level in ("missing", "same") and not use.outgrown


def test_exact_rules_are_honoured_and_what_one_person_has_one_of_is_stronger(make: Make) -> None:
    folder = make("{model: {must_not: [passport]}, rules: [email, [last_name, city]]}")
    with c360.connect(folder) as project:
        report = project.resolve()
        found = ids(project)
    assert found["crm", "3"] == found["shop", "3"]  # [last_name, city] says so, against the model
    assert found["crm", "5"] != found["loyalty", "5"]  # `email` says they are one, the passport that they are not
    assert {r.rule for r in report.rules} == {"email", "last_name+city"}


def test_without_must_not_the_same_two_are_one(make: Make) -> None:
    with c360.connect(make("{model: {attributes: {passport: ignored}}}")) as project:
        project.resolve()
        found = ids(project)
    assert found["crm", "5"] == found["loyalty", "5"]


def test_a_steward_is_stronger_than_the_model(known: Path) -> None:
    with c360.connect(known) as project:
        project.decide("different", ("crm", "person", "1"), ("shop", "public.customer", "1"), reason="mother and daughter")
        project.decide("same", ("crm", "person", "4"), ("shop", "public.customer", "4"), reason="he moved")
        report = project.resolve()
        found = ids(project)
    assert found["crm", "1"] != found["shop", "1"] and found["crm", "4"] == found["shop", "4"]
    assert DECISION not in {r.rule for r in report.rules}


def test_a_column_that_is_always_empty_and_one_of_numbers(make: Make) -> None:
    """`notes` is NULL everywhere; the CSV's zip is text like any other although its mapping makes a number of it."""
    folder = make("{model: {attributes: {notes: identifier}, must_not: [notes]}}")
    text = (folder / "c360.yml").read_text().replace("passport: passport, notes: notes}", "passport: 4711, notes: notes}", 1)
    (folder / "c360.yml").write_text(text)
    with c360.connect(folder) as project:
        project.resolve()
        found = ids(project)
    assert found["crm", "1"] == found["shop", "1"]


def test_a_value_that_is_no_date_is_a_coded_error_or_nothing(make: Make) -> None:
    rows = {**PEOPLE, ("crm", "1"): ("magda", ("Magdalena", "Wojciechowska", "soon", *HAND_MADE["crm", "1"][1][3:]))}
    with c360.connect(make(rows=rows)) as project:
        with pytest.raises(C360Error) as caught:
            project.resolve()
        assert caught.value.code.startswith("C360_") and "soon" not in str(caught.value)
        assert project.store.current() is None


def test_a_source_that_fails_in_mid_read_leaves_everything_as_it_was(make: Make, postgres: TestPostgres, shop: str) -> None:
    with FaultProxy(postgres.port) as proxy:
        folder = make(uri=postgres.uri(shop, port=proxy.port))
        models = folder / ".c360" / "models"
        with c360.connect(folder) as project:
            project.source("shop").table("public.customer")
            proxy.cut_after(9_000)
            with pytest.raises(SourceError):
                project.resolve()
            assert project.store.current() is None and not models.exists()
            proxy.heal()
            assert project.resolve().version == 1
            written = (models / "individual.json").read_bytes()
            proxy.cut_after(9_000)
            with pytest.raises(SourceError):
                project.train()
            assert (models / "individual.json").read_bytes() == written and project.store.current().version == 1  # type: ignore[union-attr]


def test_one_value_on_everybody_makes_no_run_quadratic(make: Make, postgres: TestPostgres) -> None:
    """One address on everybody, one birth date on half: blocks are cut, told of, and the rest goes on."""
    fake = Faker("en_GB")
    fake.seed_instance(3)
    rows: dict[Key, tuple[str, Row]] = {}
    for n in range(1000, 2800):
        first, last = fake.first_name(), fake.last_name()
        mail = f"{first}{last}{n}@mail.example".lower()
        born = "2008-01-01" if n % 2 else fake.date_of_birth(minimum_age=18).isoformat()
        row: Row = (first, last, born, mail, None, "1 Form Street", "AB1 2CD", "Formtown", None, None)
        rows["crm", str(n)] = f"p{n}", row
        if n % 3 == 0:
            rows["shop", str(n)] = f"p{n}", (first, last, None, mail, None, "1 Form Street", "AB1 2CD", "Formtown", None, None)
    for n in range(3000, 3030):
        rows["crm", str(n)] = f"p{n}", ("Ng", "Ng", None, f"contact{n}@host{n}.example", *[None] * 6)
    seen: list[str] = []
    folder = make(rows=rows, uri=postgres.uri(shop_of(postgres, rows)), model="{model: {block_cap: 20}}")
    with c360.connect(folder) as project:
        report = project.resolve(reveal=lambda generic: seen.append(f"{generic.attribute} {generic.value} {generic.records}"))
        found = ids(project)
    assert seen == ["birth_date 20080101 900"]
    (use,) = report.models
    assert [(g.attribute, g.records) for g in use.generic] == [("birth_date", 900)] and "2008" not in json.dumps(str(use))
    assert use.pairs < 100_000
    oversize = {b.rule: (b.oversize_blocks, b.left_out) for b in report.blocking}
    assert oversize["name"] == (1, 30) and sum(blocks for blocks, _ in oversize.values()) > 5
    assert all(found["crm", key] == found["shop", key] for source, key in rows if source == "shop")


def test_accounts_are_weighed_too(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as db:
        db.execute("create table company (id integer, name text, street text, zip text, town text, vat text, boss text)")
        fake = Faker("en_GB")
        fake.seed_instance(5)
        rows = [
            (n, fake.company(), fake.street_address().split("\n")[0], fake.postcode(), fake.city(), None, fake.name()) for n in range(200)
        ]
        rows += [(1000 + n, f"The {name} Ltd", street, code, town, None, "X") for n, name, street, code, town, _, _ in rows[:40]]
        db.executemany("insert into company values (?, ?, ?, ?, ?, ?, ?)", rows)
    db.close()
    (tmp_path / "c360.yml").write_text(
        "version: 1\nname: firms\nsources: {a: {kind: sqlite, path: a.db}}\nmappings:\n"
        "  - {object: account, source: a, table: company, key: id, attributes: "
        "{name: name, street: street, postal_code: zip, city: town, tax_number: vat, owner_name: boss}}\n"
        "identity: {account: {model: standard}}\n"
    )
    with c360.connect(tmp_path) as project:
        report = project.resolve()
        found = {int(k): v for k, v in project.session().sql("SELECT key, id360 FROM crosswalk").fetchall()}
    assert report.models[0].attributes["name"] == "organisation_name" and "owner_name" not in report.models[0].attributes
    assert sum(found[n] == found[1000 + n] for n in range(40)) >= 38
    assert len(set(found.values())) >= 195


def test_only_what_is_weighed_is_read(make: Make, postgres: TestPostgres, shop: str) -> None:
    with c360.connect(make()) as project:
        project.source("shop").table("public.customer")
        with postgres.statements(shop) as seen:
            project.resolve()
    (asked,) = [sql for sql in seen if "customer" in sql and "pg_" not in sql and "information_schema" not in sql]
    assert '"passport"' in asked and '"notes"' not in asked and "*" not in asked.split("FROM")[0]


def test_more_people_of_the_same_kind_are_no_drift(make: Make, postgres: TestPostgres) -> None:
    fewer = {key: known for key, known in PEOPLE.items() if len(key[1]) == 1 or int(key[1]) < 450}
    folder = make(rows=fewer, uri=postgres.uri(shop_of(postgres, fewer)))
    with c360.connect(folder) as project:
        project.resolve()
    for old in ("crm.db", "member.csv"):
        (folder / old).unlink()
    build(folder, postgres.uri(shop_of(postgres, PEOPLE)), PEOPLE, model=MODEL)
    with c360.connect(folder) as project:
        (use,) = project.resolve().models
        found = ids(project)
    assert (use.trained_on, use.records) == (len(fewer), len(PEOPLE)) and not use.drift
    assert all(found["crm", n] == found["shop", n] for n in ("1",)) and found["crm", "3"] != found["shop", "3"]


def test_each_space_has_a_model_of_its_own_and_a_new_source_needs_training(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as db:
        for table in ("de", "uk"):
            db.execute(f"create table {table} ({', '.join(f'{c} text' for c in COLUMNS)})")
            rows = [(f"{key}-{system}", *row) for (system, key), (_, row) in strangers(60, seed=len(table) + ord(table[0])).items()]
            db.executemany(f"insert into {table} values ({', '.join('?' * len(COLUMNS))})", rows)
    db.close()
    one = "  - {{object: individual, source: {source}, table: {table}, key: id, space: {space}, attributes: {{first_name: given, "
    one += "last_name: family, birth_date: born, email: mail}}}}\n"
    both = one.format(source="a", table="de", space="Nord & Ost") + one.format(source="a", table="uk", space="uk")
    text = "version: 1\nname: s\nsources: {a: {kind: sqlite, path: a.db}, b: {kind: sqlite, path: a.db}}\nmappings:\n%s"
    text += "identity: {individual: {model: standard}}\n"
    (tmp_path / "c360.yml").write_text(text % both)
    with c360.connect(tmp_path) as project:
        report = project.resolve()
    assert [use.space for use in report.models] == ["Nord & Ost", "uk"]
    models = tmp_path / ".c360" / "models"
    assert sorted(p.name for p in models.iterdir()) == ["individual.Nord%20%26%20Ost.json", "individual.uk.json"]
    (tmp_path / "c360.yml").write_text(text % (both + one.format(source="b", table="de", space="uk")))
    with c360.connect(tmp_path) as project:
        with pytest.raises(ModelMismatch, match=r"trained for name.*e-mail; compared now: name.*e-mail, source"):
            project.resolve()
        assert project.store.current().version == 1  # type: ignore[union-attr]
        assert {use.space for use in project.train()} == {"Nord & Ost", "uk"}
        assert project.resolve().version == 2


def test_a_higher_threshold_links_fewer(make: Make, tmp_path: Path, postgres: TestPostgres, shop: str) -> None:
    people = []
    for threshold in (0.5, 0.9999):
        write(make(), postgres.uri(shop), f"{{model: {{threshold: {threshold}, attributes: {{phone: phone(GB)}}}}}}")
        with c360.connect(tmp_path) as project:
            people.append(project.resolve().ids)
        (tmp_path / "crm.db").unlink()
    assert people[0] < people[1] < len(PEOPLE)
