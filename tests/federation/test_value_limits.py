"""`at_most` in a project file: how many values of an attribute one person has, by rules and by a model, and who refused what."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

import c360
from identity.stewardship.review import Item

CRM = """\
id,first,last,mail,nid,born
1,Ann,Lee,home@lee.org,A1,1980-02-03
2,Ann,Lee,ann@lee.org,A1,1980-02-03
3,Bob,Lee,home@lee.org,B2,1979-01-01
4,Bob,Lee,bob@lee.org,B2,1979-01-01
5,Bob,Lee,home@lee.org,,1979-01-01
6,Cy,Day,cy1@day.org,,1990-05-05
7,Cy,Day,cy2@day.org,,1990-05-05
8,Cy,Day,CY2@day.org,,1990-05-05
9,Cy,Day,cy4@day.org,,1990-05-05
"""
PROJECT = """\
version: 1
name: acme
sources:
  crm: {kind: files, tables: {contact: {path: crm.csv, format: csv, key: [id]}}}
objects:
  individual:
    attributes:
      national_id: {type: text, description: Number that the state knows the person by.}
mappings:
  - object: individual
    source: crm
    table: contact
    key: id
    attributes: {first_name: first, last_name: last, email: mail, national_id: nid, birth_date: born}
identity:
  individual: {rules: [email, [last_name, birth_date]], MORE}
"""


def people(project: c360.Project) -> set[frozenset[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for key, id360 in project.session().sql("SELECT key, id360 FROM individual_record").fetchall():
        found[id360].add(key)
    return set(map(frozenset, found.values()))


def resolved(folder: Path, more: str) -> tuple[set[frozenset[str]], list[Item], str]:
    """Who is one, the refused merges, and what `why` says of the first."""
    (folder / "crm.csv").write_text(CRM)
    (folder / "c360.yml").write_text(PROJECT.replace("MORE", more))
    with c360.connect(folder) as project:
        project.resolve()
        queue = list(project.review(100, ["refused merge"]))
        told = str(project.why(("crm", "contact", 1), ("crm", "contact", 3)))
        return people(project), queue, told


@pytest.mark.parametrize("model", ["", "model: standard, "], ids=["rules", "model"])
def test_nobody_has_more_and_what_was_refused_says_why(tmp_path: Path, model: str) -> None:
    free, _, _ = resolved(tmp_path, f"{model}at_most: {{email: 9}}")
    lees = {frozenset("12"), frozenset("345")} if model else {frozenset("12345")}
    assert free == {*lees, frozenset("6789")}
    found, queue, told = resolved(tmp_path, f"{model}at_most: {{national_id: 1, email: 2}}")
    bobs = frozenset("345") if model else frozenset("34")
    assert found == {bobs, frozenset("12345") - bobs, frozenset("678"), frozenset("9")}, "CY2 is cy2"
    assert {item.why for item in queue} == {"other pairs" if model else "at_most national_id 1", "at_most email 2"}
    assert ("other pairs" if model else "more than 1 value of national_id (at_most)") in told, "the model kept them apart before"
    (mine,) = [item for item in queue if item.why == "at_most email 2"]
    assert mine.b == "crm.contact:9" and "more than 2 values of email (at_most)" in mine.detail


def test_a_steward_says_that_it_is_one_all_the_same(tmp_path: Path) -> None:
    resolved(tmp_path, "model: standard, at_most: {email: 2}")
    with c360.connect(tmp_path) as project:
        project.decide("same", ("crm", "contact", 6), ("crm", "contact", 9), reason="asked him")
        project.resolve()
        assert frozenset("6789") in people(project)
        assert not [item for item in project.review(100, ["refused merge"]) if "9" in f"{item.a}{item.b}"]


def test_an_attribute_that_nothing_else_compares_is_read_for_it(tmp_path: Path) -> None:
    found, _, _ = resolved(tmp_path, "at_most: {first_name: 1}")
    assert found == {frozenset("12"), frozenset("345"), frozenset("6789")}


def test_the_form_of_a_rule_tells_which_values_are_one(tmp_path: Path) -> None:
    """`digits` of cy1, cy2 and cy4: without a form all four are others."""
    rules = "[{name: name, match: {last_name: lower, birth_date: date}}, {name: digits, match: {email: digits, last_name: lower}}]"
    (tmp_path / "crm.csv").write_text(CRM.replace("cy4@", "dr.cy1@"))
    text = PROJECT.replace("[email, [last_name, birth_date]]", rules).replace("MORE", "at_most: {email: 2}")
    (tmp_path / "c360.yml").write_text(text)
    with c360.connect(tmp_path) as project:
        project.resolve()
        assert frozenset("6789") in people(project)


def test_the_form_of_the_model_tells_it_too(tmp_path: Path) -> None:
    text = PROJECT.replace("birth_date: born}", "birth_date: born, phone: nid}").replace("[email, [last_name, birth_date]]", "[email]")
    more = "model: {attributes: {phone: phone(DE)}, must_not: [national_id]}, at_most: {phone: 2, email: 3, first_name: 4}"
    (tmp_path / "c360.yml").write_text(text.replace("MORE", more))
    with c360.connect(tmp_path) as project:
        limits = [(limit.key.attribute, limit.key.normal, limit.most) for limit in project.model.at_most["individual"]]
        must_not = [(key.attribute, key.normal) for key in project.model.models["individual"].must_not]
    assert limits == [("phone", "phone(DE)", 2), ("email", "email", 3), ("first_name", "name", 4)]
    assert must_not == [("national_id", "lower")]


def test_a_limit_that_is_new_has_all_resolved_again_and_then_holds_for_what_changes(tmp_path: Path) -> None:
    (tmp_path / "crm.csv").write_text(CRM)
    project_file = tmp_path / "c360.yml"
    project_file.write_text(PROJECT.replace(", MORE", "").replace("identity:\n", "identity:\n  incremental: true\n"))
    with c360.connect(tmp_path) as project:
        project.resolve()
        assert frozenset("6789") in people(project)
    project_file.write_text(project_file.read_text().replace("birth_date]]", "birth_date]], at_most: {email: 3, national_id: 1}"))
    with c360.connect(tmp_path) as project:
        assert "limit on values of one person" in project.resolve().whole_because
        assert frozenset("6789") in people(project), "cy1, cy2, cy4"
    (tmp_path / "crm.csv").write_text(CRM + "10,Cy,Day,cy5@day.org,,1990-05-05\n")
    with c360.connect(tmp_path) as project:
        report = project.resolve()
        assert report.touched is not None and report.touched.new == 1
        assert {frozenset("6789"), frozenset({"10"})} <= people(project)
