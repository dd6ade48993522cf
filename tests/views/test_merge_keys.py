"""`<<: *name`: one thing said once for many places, and mistakes told where they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from views.errors import Conflict, ProjectFile, WrongValue
from views.load import load
from views.model import Model

PROJECT = """\
version: 1
name: acme
x-person: &person
  object: individual
  source: crm
  attributes: &names {first_name: given, last_name: family}
x-shop: &shop {source: shop, key: number}
sources:
  crm: &file {kind: sqlite, path: crm.db}
  shop: {<<: *file, path: shop.db}
mappings:
  - {<<: *person, table: contact, key: id}
  - table: lead
    key: lead_id
    attributes: {<<: *names, last_name: surname, email: mail}
    <<: *person
  - {<<: [*shop, *person], table: customer}
"""


def project(folder: Path, text: str) -> Model:
    (folder / "c360.yml").write_text(text)
    return load(folder)


def test_what_stands_beside_counts_more_and_the_first_of_several(tmp_path: Path) -> None:
    model = project(tmp_path, PROJECT)
    assert {name: source.options["path"] for name, source in model.sources.items()} == {
        "crm": str(tmp_path / "crm.db"),
        "shop": str(tmp_path / "shop.db"),
    }
    told = [(m.source, m.table, m.key, {n: e.sql() for n, e in m.attributes.items() if n != "individual_id"}) for m in model.mappings]
    names = {"first_name": "given", "last_name": "family"}
    assert told == [
        ("crm", "contact", ("id",), names),
        ("crm", "lead", ("lead_id",), {**names, "last_name": "surname", "email": "mail"}),
        ("shop", "customer", ("number",), names),
    ]


@pytest.mark.parametrize(
    ("was", "now", "line", "column", "said"),
    [
        ("last_name: family", "last_nam: family", 6, 42, "no attribute `last_nam`"),
        ("first_name: given", "first_name: given +", 6, 41, "not SQL"),
        ("email: mail", "emial: mail", 15, 50, "no attribute `emial`"),
        ("object: individual", "objekt: individual", 4, 3, "no field `objekt`"),
        ("source: shop", "source: shob", 7, 24, "`shob`"),
    ],
)
def test_a_mistake_is_told_once_and_where_it_is_written(tmp_path: Path, was: str, now: str, line: int, column: int, said: str) -> None:
    with pytest.raises(ProjectFile) as caught:
        project(tmp_path, PROJECT.replace(was, now, 1))
    found = [(p.location.line, p.location.column, str(p)) for p in caught.value.problems if p.location]
    assert sum(said in text for _, _, text in found) == 1
    ((at, text),) = [((row, place), text) for row, place, text in found if said in text]
    assert at == (line, column) and PROJECT.replace(was, now, 1).splitlines()[line - 1] in text


@pytest.mark.parametrize(
    ("was", "now", "kind", "said"),
    [
        ("<<: *file", "<<: 5", WrongValue, "10:14: `<<` takes a mapping"),
        ("<<: *file", "<<: [*file, x]", WrongValue, "10:22: `<<` takes a mapping"),
        ("<<: *file", "<<: *file, <<: *shop", Conflict, "10:21: `<<` stands here twice"),
        ("&file {kind", "&file {<<: *file, kind", ProjectFile, "an alias that contains itself"),
        ("<<: *file", '"<<": *file', ProjectFile, "c360.yml"),
    ],
)
def test_what_cannot_be_merged(tmp_path: Path, was: str, now: str, kind: type[ProjectFile], said: str) -> None:
    with pytest.raises(ProjectFile) as caught:
        project(tmp_path, PROJECT.replace(was, now, 1))
    assert isinstance(caught.value, kind) and said in str(caught.value)


def test_an_included_file_has_places_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "shop.yml").write_text("x-any: &any {kind: sqlite}\nsources: {desk: {<<: *any, path: desk.db}}\n")
    model = project(tmp_path, PROJECT + "include: shop.yml\n")
    assert set(model.sources) == {"crm", "shop", "desk"}
