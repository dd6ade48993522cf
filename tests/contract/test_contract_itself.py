"""The contract must catch a connector that claims too much: each wrong rule here was once believed of some database."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlglot import exp

from connectors.spi import Connector, Rule, Support
from connectors.sqlite import connect
from connectors.testing import nasty
from connectors.testing.nasty import NASTY
from connectors.testing.predicates import Oracle, questions
from tests.contract.test_sqlite import TestSqlite, write


def _by_double(atom: exp.Expr) -> exp.Expr:
    return atom.transform(lambda n: exp.cast(n.copy(), "real") if isinstance(n, exp.Column | exp.Placeholder) else n)


WRONG = {
    "equality under NOCASE": Rule("column = value", frozenset({"text"})),
    "order under NOCASE": Rule("column < value", frozenset({"text"})),
    "LIKE as SQLite has it": Rule("column LIKE pattern", frozenset({"text"})),
    "lower() as SQLite has it": Rule("lower(column) = value", frozenset({"text"})),
    "a superset that is none": Rule("lower(column) = value", frozenset({"text"}), Support.SUPERSET),
    "numbers that are texts": Rule("column < value", frozenset({"mixed"})),
    "integers by way of doubles": Rule("column = value", frozenset({"int"}), emit=_by_double),
    "time stamps as texts": Rule("column = value", frozenset({"timestamp"})),
    "everything is null": Rule("column IS NULL", frozenset({"text"}), emit=lambda atom: exp.true()),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_is_caught(tmp_path: Path, name: str) -> None:
    rule = WRONG[name]
    (kind,) = rule.kinds
    write(tmp_path / "source.db", {f"nasty_{kind}": nasty(kind, NASTY[kind])})
    source = connect("shop", {"path": str(tmp_path / "source.db")})
    claims = replace(source.capabilities, rules=(rule,))
    oracle = Oracle(source, source.table(f"nasty_{kind}"))
    wrong = oracle.mismatches(list(questions(rule.shape, kind, NASTY[kind])), claims)
    assert wrong, f"nothing seen wrong with: {name}"


def test_a_claim_on_a_kind_that_cannot_be_made_is_caught(tmp_path: Path) -> None:
    write(tmp_path / "source.db", {"nasty_int": nasty("int", NASTY["int"])})
    source = connect("shop", {"path": str(tmp_path / "source.db")})
    source.capabilities = replace(source.capabilities, rules=(Rule("column = value", frozenset({"enum"})),))
    with pytest.raises(AssertionError, match="unproven"):
        TestSqlite().test_every_rule_is_true(source, {})


@pytest.fixture
def careless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Connector, dict[str, Oracle]]:
    """A connector that lets a column's own NOCASE decide about keys and orders."""
    monkeypatch.setattr("connectors.sqlite.statement._comparable", lambda column: f'c360_t."{column.name}"')
    write(tmp_path / "source.db", {"nasty_text": nasty("text", NASTY["text"])})
    source = connect("shop", {"path": str(tmp_path / "source.db")})
    source.capabilities = replace(source.capabilities, order_kinds=frozenset({"text"}), key_kinds=frozenset({"text"}))
    return source, {"text": Oracle(source, source.table("nasty_text"))}


def test_an_order_that_is_not_duckdbs_is_caught(careless: tuple[Connector, dict[str, Oracle]]) -> None:
    with pytest.raises(AssertionError):
        TestSqlite().test_orders_are_duckdbs(*careless)


def test_keys_that_match_too_much_are_caught(careless: tuple[Connector, dict[str, Oracle]]) -> None:
    with pytest.raises(AssertionError):
        TestSqlite().test_key_lists_of_every_kind(*careless)
