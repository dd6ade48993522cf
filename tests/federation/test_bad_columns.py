"""Columns that are not what they are mapped as: of another type, of other values, without any. An error, or said by resolve and check."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from faker import Faker

import c360
from federation.checks import check
from federation.cli.app import run
from federation.errors import AttributeType, MappingFailed
from federation.label_files import quality

COLUMNS = """
version: 1
name: columns
sources:
  crm: {kind: sqlite, path: crm.db}
  lake: {kind: files, tables: {person: {path: person.parquet, format: parquet, key: [id]}}}
  sheet: {kind: files, tables: {person: {path: person.csv, format: csv, key: [id]}}}
mappings:
  - {object: individual, source: %s, table: person, key: id, attributes: {first_name: given, %s}}
identity: {individual: {model: standard, rules: [email]}}
"""


@pytest.fixture
def columns(tmp_path: Path) -> Callable[[str, str], c360.Project]:
    """Opens a project over people of one of three sources, with further attributes mapped as asked for; 60 people, each once."""
    fake = Faker("en_GB")
    fake.seed_instance(9)
    rows = [
        (i, fake.first_name(), fake.last_name(), fake.unique.email(), f"0791112{i:04}", fake.date_of_birth().isoformat()) for i in range(60)
    ]
    with sqlite3.connect(tmp_path / "crm.db") as con:
        con.execute(
            "CREATE TABLE person (id INTEGER PRIMARY KEY, given TEXT, family TEXT, mail TEXT, tel TEXT, born TEXT, raw BLOB, code REAL)"
        )
        con.executemany("INSERT INTO person VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [(*row, row[2].encode(), 10.0 + row[0]) for row in rows])
        con.execute("ALTER TABLE person ADD COLUMN empty TEXT")
        con.execute("ALTER TABLE person ADD COLUMN absent TEXT DEFAULT 'n/a'")
    con.close()
    with duckdb.connect() as made:
        made.register(
            "p", pa.table(dict(zip(("id", "given", "family", "mail", "tel", "born"), map(list, zip(*rows, strict=True)), strict=True)))
        )
        made.execute(
            "CREATE TABLE person AS SELECT *, [family] AS names, {'family': family} AS parts, id > 5 AS flag, NULL::VARCHAR AS empty FROM p"
        )
        made.execute(f"COPY person TO '{tmp_path}/person.parquet'; COPY (SELECT *, '' AS blank FROM p) TO '{tmp_path}/person.csv'")

    def opened(source: str, attributes: str) -> c360.Project:
        (tmp_path / "c360.yml").write_text(COLUMNS % (source, attributes))
        return c360.connect(tmp_path)

    return opened


Columns = Callable[[str, str], c360.Project]


@pytest.mark.parametrize(
    ("source", "column", "what", "instead"),
    [
        ("lake", "names", "a list", "json_extract_string(names, '$[0]')"),
        ("lake", "parts", "a structure", "json_extract_string(parts, '$.family')"),
        ("crm", "raw", "bytes", "decode(raw)"),
    ],
)
def test_a_column_that_holds_no_single_value_is_refused_as_a_name(
    columns: Columns, source: str, column: str, what: str, instead: str
) -> None:
    with columns(source, f"last_name: {column}, email: mail") as project:
        for work in (project.resolve, project.plan, project.train):
            with pytest.raises(AttributeType, match=rf"`{column}` of {source}\.person is .*\({what}\), and `last_name`") as told:
                work()
        assert "c360.yml:9:" in told.value.message and instead.partition("'")[0] in told.value.hint
        assert project.store.current() is None
        assert AttributeType.code in [f.code for f in check(project) if f.level == "problem"]
    with columns(source, f'last_name: "{instead}", email: mail') as project:
        assert not project.resolve().odd_columns, "what the hint says helps"
        assert not {AttributeType.code, "C360_UNFIT_VALUES"} & {f.code for f in check(project)}


def test_a_value_that_is_no_date_names_the_attribute_and_its_line(columns: Columns) -> None:
    with columns("crm", "last_name: family, birth_date: mail") as project:
        for work in (project.resolve, project.plan):
            with pytest.raises(MappingFailed, match=r"c360\.yml:9:\d+: `birth_date` of crm\.person does not fit DATE") as told:
                work()
        assert "TRY_CAST" in told.value.hint and "@" not in str(told.value)
        assert project.store.current() is None


@pytest.mark.parametrize(
    ("source", "attributes", "odd"),
    [
        ("crm", "last_name: family, email: given", {"email": ("e-mail address", 60, 0)}),
        ("crm", "last_name: mail, phone: family", {"last_name": ("family name", 60, 0), "phone": ("telephone number", 60, 0)}),
        ("crm", "last_name: code, email: mail", {"last_name": ("family name", 60, 0)}),
        ("sheet", "last_name: family, phone: mail", {"phone": ("telephone number", 60, 0)}),
        ("lake", 'last_name: family, birth_date: "TRY_CAST(mail AS DATE)"', {"birth_date": ("birth date", 0, 0)}),
        ("lake", "last_name: family, postal_code: family", {"postal_code": ("postal code", 60, 0)}),
        (
            "lake",
            'last_name: family, email: "CASE WHEN id < 20 THEN given ELSE mail END"',
            {"email": ("e-mail address", 60, 40)},
        ),
    ],
)
def test_values_that_are_not_what_they_are_matched_as_are_counted_and_told(
    columns: Columns, source: str, attributes: str, odd: dict[str, tuple[str, int, int]]
) -> None:
    with columns(source, attributes) as project:
        report = project.resolve()
        assert {f.attribute: (f.expected, f.values, f.fitting) for f in report.odd_columns} == odd
        assert all(f.told.startswith(f"{source}.person: `") for f in report.odd_columns) and report.links == 60
        assert len([f for f in report.fits if not f.told]) == len(report.fits) - len(odd) > 0
        found = {f.message.split("`")[1]: f for f in check(project) if f.code in ("C360_UNFIT_VALUES", "C360_EMPTY_ATTRIBUTE")}
        assert set(found) == set(odd) and all("c360.yml:9:" in f.message and f.hint for f in found.values())
        assert project.plan().report.odd_columns == report.odd_columns
        ((condition, _),) = quality(project)
        assert condition.fits == report.fits


def test_types_that_cannot_be_meant_are_told_by_check_although_their_values_would_do(columns: Columns) -> None:
    with columns("lake", "last_name: flag, phone: born") as project:
        told = {f.message.split("`")[1]: f.message for f in check(project) if f.code == "C360_UNFIT_VALUES"}
    assert "BOOLEAN" in told["last_name"]
    with columns("crm", "last_name: family, postal_code: code") as project:
        (found,) = [f for f in check(project) if f.code == "C360_UNFIT_VALUES"]
    assert "12345.0" in found.message and "CAST(code AS BIGINT)" in found.hint


@pytest.mark.parametrize(("source", "column"), [("crm", "empty"), ("crm", "absent"), ("lake", "empty"), ("sheet", "blank")])
def test_a_column_without_any_value_is_told_and_the_rest_goes_on(
    columns: Columns, capsys: pytest.CaptureFixture[str], tmp_path: Path, source: str, column: str
) -> None:
    """NULL everywhere, empty text, or what stands for nothing."""
    with columns(source, f"last_name: family, email: mail, city: {column}") as project:
        report = project.resolve()
        assert [(f.attribute, f.records, f.values) for f in report.odd_columns] == [("city", 60, 0)] and report.links == 60
        (found,) = [f for f in check(project) if f.code == "C360_EMPTY_ATTRIBUTE"]
        assert found.level == "note" and found.where == f"{source}.person" and "`city`" in found.message
    assert run(["resolve", "--project", str(tmp_path)]) == 0
    assert f"! {source}.person: `city` has no value in any of 60 rows" in capsys.readouterr().out
    assert run(["report", "--html", str(tmp_path / "page.html"), "--project", str(tmp_path)]) == 0
    assert "`city` has no value" in capsys.readouterr().out
    page = (tmp_path / "page.html").read_text()
    assert "Columns to look at" in page and f"{source}.person" in page


def test_an_attribute_that_is_mapped_to_nothing_on_purpose_is_not_told(columns: Columns) -> None:
    with columns("crm", "last_name: family, email: mail, city: 'NULL'") as project:
        assert not project.resolve().odd_columns
        assert "C360_EMPTY_ATTRIBUTE" not in {f.code for f in check(project)}


def test_with_exact_rules_alone_an_attribute_is_what_its_form_says(columns: Columns, tmp_path: Path) -> None:
    with columns("crm", "last_name: family, email: given, phone: raw"):
        pass
    file = tmp_path / "c360.yml"
    file.write_text(file.read_text().replace("{model: standard, rules: [email]}", "{rules: [email, [first_name, last_name]]}"))
    with c360.connect(tmp_path) as project:  # no rule asks for the phone
        assert [(f.attribute, f.kind, f.fitting) for f in project.resolve().odd_columns] == [("email", "email", 0)]
