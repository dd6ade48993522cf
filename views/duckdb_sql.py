"""DuckDB's SQL as DuckDB means it, where sqlglot alone would read or write something else.

What runs is the tree written out again. So whatever sqlglot takes for its own idea of a function, and writes differently, is put
back here; and what it would write without quotes may be nothing but a name: a text of the caller's never becomes SQL.
"""

from __future__ import annotations

import re
from itertools import pairwise

import sqlglot
from sqlglot import ErrorLevel, exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, UnsupportedError
from sqlglot.tokenizer_core import TokenType


class AsWritten(DuckDB):
    """DuckDB, with JSON paths left as they are: sqlglot takes the key `a.b` for the path `$.a.b`, and cannot write `$..a` at all."""

    def to_json_path(self, path: exp.Expr | None) -> exp.Expr | None:
        return path


def read(sql: str) -> list[exp.Expr | None]:
    """The statements of a text. Raises sqlglot's ParseError and TokenError."""
    try:
        trees = sqlglot.parse(_veiled(_apart(sql)), read=AsWritten)
    except ParseError:
        sqlglot.parse(sql, read=AsWritten)  # which names the place in the text as it is
        raise
    return [None if tree is None else _bare_words_are_names(tree.transform(_as_duckdb, copy=False)) for tree in trees]


_LEFT_ALONE = frozenset(
    ("array_sort", "date_add", "date_diff", "date_trunc", "datediff", "datetrunc", "decode", "jaro_winkler_similarity", "list_sort",
     "regexp_extract", "regexp_extract_all", "regexp_replace", "time_bucket")
)  # fmt: skip
"""Functions that sqlglot takes for its own, of which an argument then gets lost or means something else: flags of a regular expression
or an order of sorting that are no literals, what `decode` does with broken bytes, a column that says the unit or the time zone. Veiled,
they pass as they are."""
_VEIL = "ƒ"


def _veiled(sql: str) -> str:
    """A text with another first letter to each name of a function that is to be left alone. No place in it moves."""
    if not any(name in sql.lower() for name in _LEFT_ALONE):
        return sql
    for word, bracket in pairwise(DuckDB().tokenize(sql)):
        named = word.token_type in (TokenType.VAR, TokenType.IDENTIFIER) and word.text.lower() in _LEFT_ALONE
        if named and bracket.token_type is TokenType.L_PAREN:
            at = word.start + (word.token_type is TokenType.IDENTIFIER)
            sql = f"{sql[:at]}{_VEIL}{sql[at + 1 :]}"
    return sql


_FIRST = {_VEIL + name[1:]: name[0] for name in _LEFT_ALONE}


def _unveiled(name: str) -> str:
    return _FIRST.get(name.lower(), name[:1]) + name[1:]


_UNIT = re.compile(
    r"(microsecond|millisecond|second|minute|hour|day|week|month|quarter|year|decade|century|centurie|millenni(um|a))s?", re.I
)


def _apart(sql: str) -> str:
    """A text with brackets around a constant that is added to an interval: sqlglot would take both for one interval, as in
    `at - INTERVAL 1 DAY + '2 hours'::INTERVAL`, and subtract the two hours as well."""
    if "interval" not in sql.lower():
        return sql
    tokens = DuckDB().tokenize(sql)
    for before, plus, constant in reversed(list(zip(tokens, tokens[1:], tokens[2:], strict=False))):
        added = plus.token_type is TokenType.PLUS and constant.token_type in (TokenType.STRING, TokenType.NUMBER)
        if added and (before.token_type is TokenType.STRING or _UNIT.fullmatch(before.text)):
            sql = f"{sql[: constant.start]}({sql[constant.start : constant.end + 1]}){sql[constant.end + 1 :]}"
    return sql


def _as_duckdb(node: exp.Expr) -> exp.Expr:
    """The node, or the call that it was read from if sqlglot would write another one."""
    match node:
        case exp.Anonymous(this=str() as name) | exp.Identifier(this=name):
            node.set("this", _unveiled(name))
        case exp.ApproxTopK():  # which sqlglot says it cannot write
            return exp.AnonymousAggFunc(this="approx_top_k", expressions=[node.this, node.expression])
        case exp.LogicalAnd() | exp.LogicalOr() if isinstance(node.this, exp.Distinct | exp.Order):  # the cast would go around them
            name = "bool_and" if isinstance(node, exp.LogicalAnd) else "bool_or"
            return exp.AnonymousAggFunc(this=name, expressions=[node.this])
        case exp.Collate(expression=exp.Column() as name):  # NOCASE.NOACCENT
            node.set("expression", exp.Var(this=".".join(part.name for part in name.parts)))
        case exp.Collate(expression=exp.Literal() as name):
            raise _unreadable("a collation is a name, not a text")
    return node


_NAME = re.compile(r"\w+(\.\w+)*|(?i:CURRENT ROW|NO OTHERS)")  # the last two follow EXCLUDE in a window's frame


def _bare_words_are_names(tree: exp.Expr) -> exp.Expr:
    """Refuse a tree with a text in the place of a keyword: it would be written as it stands, as SQL."""
    for word in tree.find_all(exp.Var):
        if not _NAME.fullmatch(word.name):
            raise _unreadable("a text stands where a name is expected, as of a unit of time")
    return tree


def lost_in_writing(tree: exp.Expr) -> str:
    """What sqlglot says that it cannot write of a tree, '' if nothing; left to itself it leaves that out, and only warns."""
    try:
        tree.sql("duckdb", comments=False, unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        return str(error)
    return ""


def _unreadable(why: str) -> ParseError:
    return ParseError.new(why, description=why)
