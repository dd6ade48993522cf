"""`changed_at`: an incremental resolve asks a source for what changed since, for its keys, and for single rows by key; nothing else."""

from __future__ import annotations

import datetime as dt
import functools
import random
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from faker import Faker

import c360
from connectors.spi.errors import SchemaDrift
from federation.checks import check
from federation.errors import ChangedAt
from federation.record_sets import record_set
from tests.federation.test_incremental_resolve import links
from tests.support.postgres import TestPostgres

PROJECT = """
version: 1
name: watched
sources:
  crm: {{kind: postgres, uri: "{uri}"}}
  shop: {{kind: sqlite, path: shop.db}}
mappings:
  - object: individual
    source: crm
    table: person
    key: id
    changed_at: changed
    attributes: {{first_name: given, last_name: family, email: mail, city: town}}
  - object: individual
    source: shop
    table: person
    key: [shelf, id]
    changed_at: changed
    attributes: {{first_name: given, last_name: family, email: mail, city: town}}
identity:
  secret: ${{env:WATCHED_SECRET:-sixteen bytes at least}}
  incremental: true
  individual: {{model: standard}}
"""
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
COUNT = 1100

Row = tuple[int, str, str, str, str, dt.datetime | None]


@functools.cache
def people() -> tuple[Row, ...]:
    fake, found = Faker("en_GB"), []
    for number in range(COUNT):
        fake.seed_instance(number)
        given, family = fake.first_name(), fake.last_name()
        mail = f"{given}.{family}{number % 97}@{fake.free_email_domain()}".lower()
        changed = START - dt.timedelta(hours=COUNT - number) if number % 50 else None
        found.append((number, given, family, mail, fake.city(), changed))
    return tuple(found)


def quoted(row: Row) -> str:
    return (
        "(" + ", ".join("NULL" if v is None else f"{v}" if isinstance(v, int) else "'" + str(v).replace("'", "''") + "'" for v in row) + ")"
    )


class Company:
    """The project, and its two systems as their users write to them. `at` is the systems' own clock: an hour per change."""

    def __init__(self, folder: Path, postgres: TestPostgres, of: Company | None = None) -> None:
        self.folder, self.postgres, self.at = folder, postgres, START
        if of is None:
            self.database = self.filled()
        else:
            self.database = postgres.database(clause=f"template {of.database}")
            shutil.copytree(of.folder, folder, dirs_exist_ok=True)
        (folder / "c360.yml").write_text(PROJECT.format(uri=postgres.uri(self.database)))

    def filled(self) -> str:
        """People in both systems; the database's name."""
        rows = people()
        database = self.postgres.database(
            "CREATE TABLE person (id bigint PRIMARY KEY, given text, family text, mail text, town text, changed timestamptz)",
            f"INSERT INTO person VALUES {', '.join(map(quoted, rows))}",
        )
        with self.shop() as con:
            con.execute("CREATE TABLE person (shelf TEXT, id INTEGER, given TEXT, family TEXT, mail TEXT, town TEXT, changed INTEGER)")
            con.execute("CREATE UNIQUE INDEX own ON person (shelf, id)")
            con.executemany(
                "INSERT INTO person VALUES ('s', ?, ?, ?, ?, ?, ?)", [(*r[:5], r[5] and int(r[5].timestamp())) for r in rows if r[0] % 2]
            )
        return database

    def shop(self) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / "shop.db")

    def tick(self) -> dt.datetime:
        self.at += dt.timedelta(hours=1)
        return self.at

    def crm(self, *statements: str) -> None:
        self.postgres.psql(self.database, *statements)


@pytest.fixture
def company(tmp_path: Path, postgres: TestPostgres) -> Iterator[Company]:
    yield Company(tmp_path, postgres)


@pytest.fixture(scope="module")
def resolved(tmp_path_factory: pytest.TempPathFactory, postgres: TestPostgres) -> Company:
    """Tests take a copy: `known`."""
    made = Company(tmp_path_factory.mktemp("watched"), postgres)
    with c360.connect(made.folder) as opened:
        assert opened.resolve().touched is None
    return made


@pytest.fixture
def known(tmp_path: Path, postgres: TestPostgres, resolved: Company) -> Company:
    return Company(tmp_path, postgres, resolved)


def test_only_what_changed_is_asked_for(known: Company) -> None:
    with c360.connect(known.folder) as opened:
        known.crm(
            f"UPDATE person SET town = 'Elsewhere', changed = '{known.tick()}' WHERE id = 7",
            f"INSERT INTO person SELECT 5000, given, family, mail, town, '{known.tick()}' FROM person WHERE id = 11",
            f"INSERT INTO person SELECT 5001, given, family, mail, town, '{START - dt.timedelta(days=900)}' FROM person WHERE id = 13",
            "UPDATE person SET town = 'Undated' WHERE id = 100",
            "DELETE FROM person WHERE id = 8",
        )
        with known.postgres.statements(known.database) as seen:
            second = opened.resolve()
        assert second.touched is not None, second.whole_because
        assert (second.touched.new, second.touched.changed, second.touched.gone) == (2, 2, 1)
        asked = [s for s in seen if "person" in s and "FROM" in s and "pg_" not in s]
        whole = [s for s in asked if "WHERE" not in s]
        (read,) = [found[1] for s in whole if (found := re.search(r"SELECT (.*) FROM", s))]
        assert read == 'c360_t."id"', "of all rows nothing but the keys"
        assert sum(bool(re.search(r'"changed" >= .* OR \(c360_t."changed" IS NULL', s)) for s in asked) == 1
        assert any(re.search(r'WHERE .*"id" = ', s) for s in asked), "neighbours, and a new one of old date, by their keys"
        assert len(asked) <= 5
        found = links(opened)
        opened.resolve(full=True)
        assert links(opened) == found


def test_any_history_gives_what_a_whole_resolve_gives(known: Company) -> None:
    draw, number = random.Random(3), 7000
    with c360.connect(known.folder) as opened:
        for _ in range(4):
            there = [i for (i,) in known.shop().execute("SELECT id FROM person").fetchall()]
            with known.shop() as con:
                for key in draw.sample(there, 4):
                    at = int(known.tick().timestamp())
                    con.execute("UPDATE person SET town = ?, mail = NULL, changed = ? WHERE id = ?", [f"Town {key}", at, key])
                con.execute("DELETE FROM person WHERE id = ?", [draw.choice(there)])
            statements = [f"DELETE FROM person WHERE id = {draw.randrange(COUNT)}"]
            for _ in range(3):
                number += 1
                statements.append(
                    f"INSERT INTO person SELECT {number}, given, family, mail, 'Elsewhere', '{known.tick()}' "
                    f"FROM person WHERE id = (SELECT min(id) FROM person WHERE id >= {draw.randrange(COUNT)})"
                )
                statements.append(f"UPDATE person SET family = 'Married', changed = '{known.tick()}' WHERE id = {draw.randrange(COUNT)}")
            known.crm(*statements)
            report = opened.resolve()
            assert report.touched is not None, report.whole_because
        found = links(opened)
        assert opened.resolve(full=True).touched is None
        assert links(opened) == found


def test_a_change_without_a_mark_waits_for_a_whole_resolve(known: Company) -> None:
    with c360.connect(known.folder) as opened:
        known.crm("UPDATE person SET mail = NULL, given = 'Quiet' WHERE id = 301")
        report = opened.resolve()
        assert report.touched is not None
        assert report.touched.changed == 0
        known.crm(f"UPDATE person SET changed = '{known.tick()}' WHERE id = 301")
        report = opened.resolve()
        assert report.touched is not None
        assert report.touched.changed == 1


def test_a_date_that_never_comes_is_no_mark(company: Company) -> None:
    company.crm("UPDATE person SET changed = '9999-12-31' WHERE id = 5")
    with c360.connect(company.folder) as opened:
        opened.resolve()
        company.crm(f"UPDATE person SET town = 'Elsewhere', changed = '{company.tick()}' WHERE id = 7")
        report = opened.resolve()
        assert report.touched is not None
        assert report.touched.changed == 1


def test_another_mapping_of_a_column_is_seen(known: Company) -> None:
    """What the mapping makes of a row changed, not the row: no watermark tells of that."""
    file = known.folder / "c360.yml"
    file.write_text(file.read_text().replace("city: town", "city: \"nullif(town, 'Nowhere at all')\"", 1))
    known.crm("UPDATE person SET town = 'Nowhere at all' WHERE id IN (21, 22)")
    with c360.connect(known.folder) as opened:
        report = opened.resolve()
        assert report.touched is not None
        assert report.touched.changed == 2


def test_a_text_is_no_watermark(company: Company) -> None:
    file = company.folder / "c360.yml"
    file.write_text(file.read_text().replace("changed_at: changed", "changed_at: town", 1))
    with c360.connect(company.folder) as opened:
        with pytest.raises(ChangedAt, match=r"c360\.yml:\d+:\d+: `changed_at: town` of crm\.person is text") as told:
            opened.resolve()
        assert "(its columns of such a type: changed)" in told.value.hint and "remove `changed_at`" in told.value.hint
        assert "C360_CHANGED_AT" in {f.code for f in check(opened, keys=False)}
    file.write_text(file.read_text().replace("changed_at: town", "changed_at: chagned", 1))
    with c360.connect(company.folder) as opened:
        (found,) = [f for f in check(opened, keys=False) if "chagned" in f.message]
        assert "changed" in found.hint
        with pytest.raises(SchemaDrift, match=r"c360\.yml:\d+:\d+: `crm\.person` has no column `chagned`") as drifted:
            opened.resolve()
        assert drifted.value.hint == "did you mean `changed`?"


def test_looking_for_neighbours_moves_no_mark(tmp_path: Path) -> None:
    """A source that cannot find rows by such a key is read whole for them: later than for what changed, of which that tells nothing."""
    (tmp_path / "c360.yml").write_text(
        "version: 1\nname: marks\nsources: {s: {kind: sqlite, path: p.db}}\nmappings:\n"
        "  - {object: individual, source: s, table: p, key: id, changed_at: changed, attributes: {email: mail}}\n"
        "identity: {incremental: true, individual: {rules: [email]}}\n"
    )
    with sqlite3.connect(tmp_path / "p.db") as con:
        con.execute("CREATE TABLE p (id REAL PRIMARY KEY, mail TEXT, changed INTEGER)")
        con.execute("INSERT INTO p VALUES (1.5, 'a@x.co', 5), (2.5, 'b@x.co', 7)")
    with c360.connect(tmp_path) as opened:
        mapping = next(m for m in opened.model.mappings if m.changed_at)
        records = record_set(opened, mapping, ("email",))
        assert records.watermark is not None and records.some is not None
        records.read().read_all()
        assert records.watermark.latest == 7
        with sqlite3.connect(tmp_path / "p.db") as con:
            con.execute("INSERT INTO p VALUES (3.5, 'c@x.co', 9000)")
        found = records.some(pa.table({"k0": [1.5]})).read_all()
        assert 1.5 in found["k0"].to_pylist() and found.schema.names == ["k0", "email"]
        assert records.watermark.latest == 7


KINDS = {
    "naive": ("sqlite", "TIMESTAMP", "2026-03-01 00:00:00", "2026-03-02 12:30:00.250000"),
    "day": ("sqlite", "DATE", "2026-03-01", "2026-03-10"),
    "number": ("sqlite", "INTEGER", "1000000", "2000000"),
    "instant": ("duckdb", "TIMESTAMPTZ", "2026-03-01 00:00:00+02", "2026-03-02 12:30:00.25+02"),
    "nanoseconds": ("files", "TIMESTAMP_NS", "2026-03-01 00:00:00", "2026-03-02 12:30:00.250000001"),
    "small": ("files", "USMALLINT", "1000", "60000"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_marks_of_every_kind(tmp_path: Path, kind: str) -> None:
    source, type_, old, new = KINDS[kind]
    path = {"sqlite": "p.db", "duckdb": "p.duckdb", "files": "p.parquet"}[source]
    options = f"{{kind: {source}, path: {path}}}"
    (tmp_path / "c360.yml").write_text(
        f"version: 1\nname: marks\nsources: {{s: {options}}}\nmappings:\n"
        "  - {object: individual, source: s, table: p, key: id, changed_at: changed, timezone: Asia/Tokyo, attributes: {email: mail}}\n"
        "identity: {incremental: true, individual: {rules: [email]}}\n"
    )

    def write(rows: list[tuple[int, str, str]]) -> None:
        values = ", ".join(f"({i}, '{mail}', '{at}')" for i, mail, at in rows)
        if source == "sqlite":
            with sqlite3.connect(tmp_path / path) as con:
                con.executescript(f"DROP TABLE IF EXISTS p; CREATE TABLE p (id INTEGER PRIMARY KEY, mail TEXT, changed {type_});")
                con.execute(f"INSERT INTO p VALUES {values}")
            return
        with duckdb.connect(str(tmp_path / path) if source == "duckdb" else ":memory:") as db:
            db.execute(f"CREATE OR REPLACE TABLE p (id BIGINT PRIMARY KEY, mail VARCHAR, changed {type_}); INSERT INTO p VALUES {values}")
            if source == "files":
                db.execute(f"COPY p TO '{tmp_path / path}'")

    rows = [(i, f"m{i}@x.co", old) for i in range(300)]
    write(rows)
    with c360.connect(tmp_path) as opened:
        opened.resolve()
    for i, mail, at in ((3, "m4@x.co", new), (400, "m7@x.co", new)):
        rows = [r for r in rows if r[0] != i] + [(i, mail, at)]
    write([r for r in rows if r[0] != 9])
    with c360.connect(tmp_path) as opened:
        report = opened.resolve()
        assert report.touched is not None, report.whole_because
        assert (report.touched.new, report.touched.changed, report.touched.gone) == (1, 1, 1)
        found = {key: id360 for _, key, id360 in links(opened)}
        assert found[3] == found[4]
        assert found[400] == found[7]
    write([(i, "quiet@x.co" if i == 5 else mail, old if i == 5 else at) for i, mail, at in rows if i != 9])
    with c360.connect(tmp_path) as opened:
        report = opened.resolve()
        assert report.touched is not None
        assert report.touched.changed == 0, "a change that is older than the mark, and its overlap, was read"
