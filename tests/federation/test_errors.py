"""Every error of federation, provoked: it names the thing, says what next, and keeps secrets and hidden values to itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.spi.errors import C360Error, SchemaDrift
from federation import errors
from federation.project import Project
from identity.errors import DuplicateKeys
from tests.support.world import World, make

ABSTRACT = {errors.QueryError}
"""A class that others derive from and nobody raises."""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = make(tmp_path_factory.mktemp("own"))
    yield made
    made.project.close()


@dataclass(frozen=True)
class Provoked:
    """What to do with a project, the error that must come of it, and words that its text must hold."""

    kind: type[C360Error]
    ask: Callable[[Project], Any]
    words: tuple[str, ...]


def sql(query: str, params: Any = None, *, who: str | None = "root", **options: Any) -> Callable[[Project], Any]:
    return lambda project: project.session(who).sql(query, params, **options).fetchall()


def unresolved(query: str) -> Callable[[Project], Any]:
    """The query in the same project before its first `resolve`."""

    def ask(project: Project) -> Any:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            made = make(Path(folder), resolve=False)
            try:
                return made.project.session("root").sql(query).fetchall()
            finally:
                made.project.close()

    return ask


PROVOKED = (
    Provoked(errors.QuerySyntax, sql("SELECT email FORM individual WHERE"), ("line 1", "SELECT")),
    Provoked(errors.QuerySyntax, sql("SELECT 'open"), ("SELECT",)),
    Provoked(errors.NotOneSelect, sql("DROP TABLE individual"), ("one SELECT", "DROP")),
    Provoked(errors.NotOneSelect, sql("SELECT 1; SELECT 2"), ("2 statements",)),
    Provoked(errors.NotOneSelect, sql(""), ("one SELECT",)),
    Provoked(errors.NotSupported, sql("WITH RECURSIVE t AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM t) SELECT * FROM t"), ("recursive",)),
    Provoked(errors.NotSupported, sql("SELECT i FROM individual AS i"), ("whole row",)),
    Provoked(errors.NotSupported, sql("SELECT * FROM individual AS i(a, b)"), ("renamed",)),
    Provoked(errors.UnknownObject, sql("SELECT * FROM costumer"), ("`costumer`",)),
    Provoked(errors.UnknownObject, sql("SELECT * FROM raw.crm.contacts"), ("contacts", "raw.crm.contact")),
    Provoked(errors.UnknownColumn, sql("SELECT emial FROM individual"), ("`emial`", "`email`")),
    Provoked(errors.UnknownColumn, sql("SELECT status FROM sales_order, consent"), ("`status`",)),
    Provoked(errors.FunctionRefused, sql("SELECT getenv('HOME')"), ("`getenv`",)),
    Provoked(errors.FunctionRefused, sql("SELECT * FROM read_text('/etc/hostname')"), ("`read_text`",)),
    Provoked(errors.MissingParameter, sql("SELECT * FROM individual WHERE city = $town AND email = $mail", {"town": "x"}), ("$mail",)),
    Provoked(errors.MissingParameter, sql("SELECT * FROM individual WHERE city = ?", ["x", "y"]), ("?2",)),
    Provoked(errors.PolicyRefused, sql("SELECT count(*) FROM support_case", who="aud"), ("support_case", "auditors see no cases")),
    Provoked(errors.PolicyRefused, sql("SELECT * FROM crosswalk", who="ana"), ("crosswalk",)),
    Provoked(errors.PolicyRefused, sql("SELECT * FROM raw.shop.customer", who="ana"), ("raw.shop.customer",)),
    Provoked(errors.UnknownPrincipal, lambda p: p.session("mallory"), ("mallory", "nasty")),
    Provoked(errors.NoCrosswalk, unresolved("SELECT id360 FROM sales_order"), ("resolve",)),
    Provoked(errors.QueryTimeout, sql("SELECT count(*) FROM timeline a, timeline b, timeline c, timeline d", timeout=0.4), ("time",)),
    Provoked(errors.OverRows, sql("SELECT * FROM timeline", max_rows=3), ("3 rows",)),
    Provoked(errors.QueryFailed, sql("SELECT city::INTEGER FROM individual WHERE city IS NOT NULL"), ("TRY_CAST",)),
    Provoked(errors.UnknownQuery, lambda p: p.cancel("feedbeef"), ("feedbeef",)),
    Provoked(errors.NoSuchPerson, lambda p: p.session("root").profile({"email": "nobody@nowhere"}), ("email",)),
    Provoked(errors.NoSuchPerson, lambda p: p.session("root").profile(1), ("id360",)),
    Provoked(errors.NoSuchPerson, lambda p: p.session("root").profile(("crm", "contact", 10**9)), ("crm.contact",)),
    Provoked(errors.AmbiguousPerson, lambda p: p.session("root").profile({"last_name": "Bob"}), ("last_name",)),
    Provoked(errors.BadWindow, lambda p: p.session("root").profile(1, window="soon"), ("soon",)),
)


@pytest.mark.parametrize("provoked", PROVOKED, ids=lambda p: f"{p.kind.code} {PROVOKED.index(p)}")
def test_provoked(own: World, provoked: Provoked) -> None:
    with pytest.raises(C360Error) as told:
        provoked.ask(own.project)
    assert type(told.value) is provoked.kind, str(told.value)
    for word in provoked.words:
        assert word in str(told.value), str(told.value)
    assert told.value.hint
    assert "\n  next: " in str(told.value)
    assert "c360_r" not in str(told.value), "our own names are nobody's business"


def test_every_code_is_provoked() -> None:
    known = {getattr(errors, name) for name in errors.__all__ if getattr(errors, name).__module__ == errors.__name__}
    elsewhere = {
        errors.OverMemory,
        errors.MappingFailed,
        errors.ProjectClosed,
        errors.ChangedAt,
        errors.AttributeType,
        errors.FileUnwritable,
        errors.FileForbidden,
        errors.FileUnreadable,
    }
    # test_concurrency.py; below; test_results.py; test_watermark.py; test_bad_columns.py; test_state_files.py (all three)
    assert known - ABSTRACT - {p.kind for p in PROVOKED} - elsewhere == set()


def broken_mapping(folder: Path, mapped: str) -> World:
    """A world in which a text attribute of the contacts is mapped by another expression."""
    from tests.support import world as module

    text = module.PROJECT_FILE.read_text(encoding="utf-8")
    changed = folder / "world.yml"
    changed.write_text(text.replace("birth_date: born\n", f"birth_date: {mapped}\n", 1), encoding="utf-8")
    before, module.PROJECT_FILE = module.PROJECT_FILE, changed
    try:
        return make(folder, resolve=False)
    finally:
        module.PROJECT_FILE = before


def test_a_mapping_that_does_not_fit_a_row(tmp_path: Path) -> None:
    broken = broken_mapping(tmp_path, "cast(city as date)")
    with pytest.raises(errors.MappingFailed) as told:
        broken.project.session("root").sql("SELECT birth_date FROM individual_record").fetchall()
    assert "crm.contact" in str(told.value)
    for hidden in ("Kiel", "Zürich", "東京", "drop table"):
        assert hidden not in str(told.value), "a row's value"
    broken.project.close()


def test_a_hidden_value_is_not_told(own: World) -> None:
    """The analyst sees no Swiss: an expression that throws on a Swiss row only must not."""
    ana = own.project.session("ana")
    swiss = own.project.session("root").sql("SELECT count(*) FROM individual WHERE country = 'CH'").fetchone()
    assert swiss is not None
    assert swiss[0] > 0
    asked = "SELECT count(*) FROM individual WHERE CASE WHEN country = 'CH' THEN CAST(email || city AS INTEGER) = 1 ELSE true END"
    assert ana.sql(asked).fetchall() == ana.sql("SELECT count(*) FROM individual").fetchall()
    with pytest.raises(errors.QueryFailed) as told:
        ana.sql("SELECT CAST(email AS INTEGER) FROM individual")
    assert "***@" in str(told.value) or "CAST" in str(told.value).upper()
    assert "p1" not in str(told.value).split("next:")[0].replace("'***", "")


# -- what changes in a source between plan and run -----------------------------------------------------------------------------


def change(world: World, *statements: str) -> None:
    con = sqlite3.connect(world.folder / "shop.sqlite")
    for statement in statements:
        con.execute(statement)
    con.commit()
    con.close()


def test_a_column_vanishes_and_comes_back(tmp_path: Path) -> None:
    made = make(tmp_path)
    session, asked = made.project.session("root"), "SELECT count(coupon), count(*) FROM sales_order WHERE _source = 'shop'"
    right = session.sql(asked).fetchall()
    change(made, "ALTER TABLE orders RENAME COLUMN coupon TO voucher")
    for _ in range(2):
        with pytest.raises(SchemaDrift) as told:
            session.sql(asked)
        assert told.value.source == "shop"
        assert "coupon" in str(told.value)
        assert told.value.hint
    assert session.sql("SELECT count(status) FROM sales_order WHERE _source = 'shop'").fetchone() is not None, "others do not need it"
    change(made, "ALTER TABLE orders RENAME COLUMN voucher TO coupon")
    assert session.sql(asked).fetchall() == right
    made.project.close()


def test_a_table_vanishes_and_comes_back(tmp_path: Path) -> None:
    made = make(tmp_path)
    session, asked = made.project.session("root"), "SELECT count(*) FROM product WHERE price > 1"
    right = session.sql(asked).fetchall()
    change(made, "ALTER TABLE product RENAME TO product_old")
    for _ in range(2):
        with pytest.raises(SchemaDrift, match="product"):
            session.sql(asked)
    change(made, "ALTER TABLE product_old RENAME TO product")
    assert session.sql(asked).fetchall() == right
    made.project.close()


def test_a_column_changes_its_type(tmp_path: Path) -> None:
    """Values that no longer fit are an error, never a wrong row; after it the new type is known."""
    made = make(tmp_path)
    session, asked = made.project.session("root"), "SELECT count(*) FROM sales_order WHERE items >= 1 AND _source = 'shop'"
    right = session.sql(asked).fetchall()
    change(
        made, "ALTER TABLE orders ADD COLUMN n TEXT", "UPDATE orders SET n = items", "ALTER TABLE orders DROP COLUMN items",
        "ALTER TABLE orders RENAME COLUMN n TO items",
    )  # fmt: skip
    answers = []
    for _ in range(3):
        try:
            answers.append(session.sql(asked).fetchall())
        except C360Error as error:
            answers.append(error.code)
    assert all(a == right or a in ("C360_SCHEMA_DRIFT", "C360_UNMAPPED_TYPE") for a in answers), answers
    assert answers[-1] == right, answers
    made.project.close()


# -- what `resolve` is given ----------------------------------------------------------------------------------------------------


def test_rows_without_a_key_are_nobodys(own: World) -> None:
    found = own.project.session("root").sql("SELECT id360, email FROM individual_record WHERE email = 'nobody@example.org'").fetchall()
    assert found == [(None, "nobody@example.org")]


def test_a_key_that_is_there_twice(tmp_path: Path) -> None:
    made = make(tmp_path)
    made.project.source("crm").close()
    con = duckdb.connect(str(tmp_path / "crm.duckdb"))
    con.execute("INSERT INTO contact SELECT * FROM contact WHERE id = 3")
    con.close()
    with pytest.raises(DuplicateKeys) as told:
        made.project.resolve()
    assert "crm.contact" in str(told.value)
    assert told.value.hint
    assert made.ids(), "the crosswalk before it stays"
    made.project.close()
