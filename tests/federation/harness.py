"""Runs `.test` files: a query, what came back, and what each source was asked. In the manner of sqllogictest.

    # what it is about
    as ana                        the principal (default: root)
    params [ids[3]]               Python; `ids` are the people's id360s, in order
    query                         one SELECT, up to ----
    SELECT …
    ----
    a<TAB>b                       the rows, sorted as text; NULL; (empty) for ''. `count N` instead of rows: only how many
    fragment crm.contact          the SQL that reached the source, one after another for each of its fragments; spaces do not count
    SELECT …
    untouched shop                the source was not asked
    rows crm 3                    rows that came from the source, in all
    error C360_UNKNOWN_COLUMN     instead of rows: the query's error, and words that its message holds
    did you mean

A blank line ends a case. What is expected of sources is checked for as many as are named.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from connectors.spi.errors import C360Error
from federation.report import Report
from federation.result import Result
from tests.support.world import World

WORDS = ("as", "params", "query", "fragment", "untouched", "rows", "error", "count")


@dataclass
class Block:
    """One directive with its argument and the lines under it."""

    word: str
    argument: str
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass
class TestCase:
    """A case of a file, as its directives."""

    __test__ = False

    title: str
    blocks: list[Block]

    def of(self, word: str) -> list[Block]:
        return [b for b in self.blocks if b.word == word]

    def one(self, word: str, otherwise: str) -> str:
        return next((b.argument for b in self.of(word)), otherwise)


def read(path: Path) -> list[TestCase]:
    cases = []
    for chunk in re.split(r"\n\s*\n", path.read_text(encoding="utf-8").strip()):
        comments = [line.lstrip("# ") for line in chunk.splitlines() if line.startswith("#")]
        blocks: list[Block] = []
        for line in chunk.splitlines():
            word, _, rest = line.partition(" ")
            inside_sql = blocks and blocks[-1].word == "query" and "----" not in blocks[-1].lines and word not in ("error", "count")
            if line.startswith("#"):
                continue
            if word in WORDS and not inside_sql:
                blocks.append(Block(word, rest.strip()))
            else:
                blocks[-1].lines.append(line)
        if blocks:
            cases.append(TestCase(" ".join(comments), blocks))
    return cases


def run(case: TestCase, world: World) -> None:
    """Raises AssertionError with what was found instead."""
    query = case.of("query")[0]
    sql, _, rows = query.text.partition("----")
    params = eval(case.one("params", "None"), {"ids": world.ids(), "dt": dt, "Decimal": Decimal})
    session = world.project.session(case.one("as", "root"))
    try:
        answer = session.sql(sql, params)
        answer.arrow()
    except C360Error as error:
        _check_error(case, error)
        return
    assert not case.of("error"), f"expected {case.one('error', '')}, got {answer!r}"
    if case.of("count"):
        assert answer.arrow().num_rows == int(case.one("count", ""))
    elif "----" in query.lines:
        assert shown(answer) == rows.strip("\n").splitlines(), "\n".join(shown(answer))
    _check_sources(case, answer.report)


def _check_error(case: TestCase, error: C360Error) -> None:
    expected = case.of("error")
    assert expected and error.code == expected[0].argument, str(error)
    for words in expected[0].lines:
        assert words in str(error), str(error)


def _check_sources(case: TestCase, report: Report) -> None:
    asked = [f for f in report.fragments if f.asked]
    expected: dict[str, list[str]] = {}
    for block in case.of("fragment"):
        expected.setdefault(block.argument, []).append(_plain(block.text))
    for name, statements in expected.items():
        source, _, table = name.partition(".")
        found = [_plain(f.sql) for f in asked if f.source == source and (not table or f.table == table)]
        assert sorted(found) == sorted(statements), "\n".join(found) or f"{name} was not asked"
    for block in case.of("untouched"):
        assert block.argument not in {f.source for f in asked}, f"{block.argument} was asked"
    for block in case.of("rows"):
        source, _, number = block.argument.partition(" ")
        assert sum(f.rows for f in asked if f.source == source) == int(number)


def shown(answer: Result) -> list[str]:
    return sorted("\t".join(map(_cell, row)) for row in answer.fetchall())


def _cell(value: Any) -> str:
    return "NULL" if value is None else "(empty)" if value == "" else str(value)


def _plain(sql: str) -> str:
    return re.sub(r"\s+", " ", sql).strip()
