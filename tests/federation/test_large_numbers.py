"""Keys of 2^63 and more, which Arrow's filters do not take: records with such keys are resolved, looked up and joined as any other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

import c360

PROJECT = """
version: 1
name: large
sources: {crm: {kind: duckdb, path: crm.duckdb}, shop: {kind: duckdb, path: shop.duckdb}}
mappings:
  - {object: individual, source: crm, table: person, key: [at, no], attributes: {email: mail}, changed_at: changed}
  - {object: individual, source: shop, table: person, key: no, attributes: {email: mail}}
identity: {secret: "${env:LARGE_SECRET:-sixteen bytes at least}", incremental: true, individual: {rules: [email]}}
"""
MOST = 2**64 - 1


@pytest.fixture
def project(tmp_path: Path) -> Iterator[c360.Project]:
    """Fifty people with two records each in the CRM; ten of them are in the shop too. Then two become one with a third."""
    at = "TIMESTAMPTZ '2020-01-01 00:00:00+00' + INTERVAL (i) DAY AS at"
    rows = f"SELECT {at}, 18446744073709551615 - i::UBIGINT AS no, i // 2 || '@x.example' AS mail, i AS changed"
    for name, some in (("crm", "range(100)"), ("shop", "range(0, 100, 10)")):
        with duckdb.connect(str(tmp_path / f"{name}.duckdb")) as con:
            con.execute(f"CREATE TABLE person AS {rows} FROM {some} t(i)")
    (tmp_path / "c360.yml").write_text(PROJECT)
    with c360.connect(tmp_path) as made:
        assert made.resolve().ids == 50
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as con:
        con.execute("UPDATE person SET mail = '30@x.example', changed = 9000 WHERE mail IN ('26@x.example', '27@x.example')")
    with c360.connect(tmp_path) as made:
        yield made


def test_an_incremental_resolve_reads_them(project: c360.Project) -> None:
    report = project.resolve()
    assert report.touched is not None and report.touched.changed == 4
    assert report.ids == project.resolve(full=True).ids == 48


def test_a_profile_by_such_a_key(project: c360.Project) -> None:
    assert project.session().profile(("shop", "person", MOST - 10)).values["email"] == "5@x.example"


def test_a_join_over_sources(project: c360.Project) -> None:
    joined = "SELECT count(*) FROM raw.crm.person AS one JOIN raw.shop.person AS other USING (no)"
    assert project.session().sql(joined).fetchall() == [(10,)]
