"""What a caller holds in hand: results row by row, and projects that are closed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

import c360
from federation.errors import ProjectClosed

PROJECT = """
version: 1
name: small
sources: {crm: {kind: sqlite, path: crm.db}}
mappings:
  - {object: individual, source: crm, table: contact, key: id, attributes: {email: email}}
identity: {individual: {rules: [email]}}
"""


@pytest.fixture
def project(tmp_path: Path) -> c360.Project:
    with sqlite3.connect(tmp_path / "crm.db") as db:
        db.executescript(
            "create table contact (id integer primary key, email text); insert into contact values (1, 'a@x.org'), (2, 'b@x.org')"
        )
    (tmp_path / "c360.yml").write_text(PROJECT)
    return c360.connect(tmp_path)


def test_rows_come_one_after_the_other(project: c360.Project) -> None:
    result = project.session().sql("SELECT id FROM raw.crm.contact ORDER BY id")
    assert [result.fetchone() for _ in range(4)] == [(1,), (2,), None, None]
    assert result.fetchall() == [(1,), (2,)]


def test_a_closed_project_answers_nothing(project: c360.Project) -> None:
    session = project.session()
    project.close()
    with pytest.raises(ProjectClosed, match="project `small` is closed"):
        session.sql("SELECT * FROM raw.crm.contact")
    project.close()
