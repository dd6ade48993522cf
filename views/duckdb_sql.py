"""DuckDB's SQL as DuckDB means it, where sqlglot alone would read or write something else.

What runs is the tree written out again. So whatever sqlglot takes for its own idea of a function, and writes differently, is put
back here; and what it would write without quotes may be nothing but a name: a text of the caller's never becomes SQL.
"""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError
from sqlglot.tokenizer_core import TokenType


class AsWritten(DuckDB):
    """DuckDB, with JSON paths left as they are: sqlglot takes the key `a.b` for the path `$.a.b`, and cannot write `$..a` at all."""

    def to_json_path(self, path: exp.Expr | None) -> exp.Expr | None:
        return path


def read(sql: str) -> list[exp.Expr | None]:
    """The statements of a text. Raises sqlglot's ParseError and TokenError."""
    trees = sqlglot.parse(_apart(sql), read=AsWritten)
    return [None if tree is None else _bare_words_are_names(tree.transform(_as_duckdb, copy=False)) for tree in trees]


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
        case exp.DateBin():  # the third argument, a time zone, would be written without its quotes
            return _call("time_bucket", node.this, node.expression, _text(node.args.get("unit") or node.args.get("zone")))
        case exp.DateAdd() if not isinstance(node.expression, exp.Interval) and not node.args.get("unit"):
            return _call("date_add", node.this, node.expression)  # a date plus a number is a date, not a timestamp
        case exp.JarowinklerSimilarity() if node.args.get("case_insensitive"):  # it is the cutoff
            return _call("jaro_winkler_similarity", node.this, node.expression, node.args["case_insensitive"])
        case exp.LogicalAnd() | exp.LogicalOr() if isinstance(node.this, exp.Distinct | exp.Order):  # the cast would go around them
            name = "bool_and" if isinstance(node, exp.LogicalAnd) else "bool_or"
            return exp.AnonymousAggFunc(this=name, expressions=[node.this])
        case exp.Collate(expression=exp.Column() as name):  # NOCASE.NOACCENT
            node.set("expression", exp.Var(this=".".join(part.name for part in name.parts)))
        case exp.Collate(expression=exp.Literal() as name):
            raise _unreadable("a collation is a name, not a text")
    return node


def _call(name: str, *arguments: exp.Expr | None) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=[a for a in arguments if a is not None])


def _text(argument: exp.Expr | None) -> exp.Expr | None:
    return exp.Literal.string(argument.name) if isinstance(argument, exp.Var) else argument


_NAME = re.compile(r"\w+(\.\w+)*|(?i:CURRENT ROW|NO OTHERS)")  # the last two follow EXCLUDE in a window's frame


def _bare_words_are_names(tree: exp.Expr) -> exp.Expr:
    """Refuse a tree with a text in the place of a keyword: it would be written as it stands, as SQL."""
    for word in tree.find_all(exp.Var):
        if not _NAME.fullmatch(word.name):
            raise _unreadable("a text stands where a name is expected, as of a unit of time")
    return tree


def _unreadable(why: str) -> ParseError:
    return ParseError.new(why, description=why)
