"""Parameters of a query's text: by name or position, ids that are written out, and the one instant of now()."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import zip_longest

from sqlglot import exp
from sqlglot.dialects import DuckDB
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

PREFIX = "c360_"
"""Names that begin so are ours: a query may not define them."""

NOW = "c360_now"
"""The parameter that every now() and current_date of a query becomes: one instant for all sources and both rooms."""


_RUN_TOGETHER = re.compile(
    r"""\b[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|\b[^\W\d][\w$]*
    |(?P<parameter>\$\w+(?=[^\s$]+\$)|\?(?=::))""",
    re.DOTALL | re.VERBOSE,
)
"""Texts, comments and names, which stay as they are; and parameters that need a blank behind them."""


def apart(sql: str) -> str:
    """A text with a blank behind parameters that sqlglot would read wrongly: it takes `$a,$` for quotes around a text, as if a comma
    could be part of a tag, and `?::` for an operator. What is in quotes and comments stays.

    >>> apart("SELECT '$a,$b', ?::DATE WHERE city IN ($a,$b)")
    "SELECT '$a,$b', ? ::DATE WHERE city IN ($a ,$b)"
    """
    if "$" not in sql and "?::" not in sql:
        return sql
    return _RUN_TOGETHER.sub(lambda found: found[0] + " " if found["parameter"] else found[0], sql)


def by_position(sql: str) -> str:
    """`?`, `?1` and `$1` as named parameters, in the order of the text: DuckDB does not mix them with named ones, and ours are named."""
    sql = apart(sql)
    pieces, end, count = [], 0, 0
    try:
        tokens = DuckDB.Tokenizer().tokenize(sql)
    except TokenError:
        return sql  # for `parse` to say what is wrong
    for token, following in zip_longest(tokens, tokens[1:]):
        if token.token_type is TokenType.PLACEHOLDER:
            numbered = following is not None and following.text.isdecimal() and following.start == token.end + 1
            count += not numbered
            name = positional(int(following.text) if numbered and following else count)
            stop = following.end if numbered and following else token.end
        elif token.token_type is TokenType.PARAMETER and following is not None and following.text.isdecimal():
            name, stop = positional(int(following.text)), following.end
        else:
            continue
        pieces += [sql[end : token.start], f"${name} "]
        end = stop + 1
    return "".join(pieces) + sql[end:]


_BEFORE_A_CONJUNCT = frozenset({TokenType.WHERE, TokenType.ON, TokenType.AND})


def lift_ids(sql: str) -> tuple[str, dict[str, int]]:
    """`id360 = 5` and `id360 IN (5, 6)` with bound parameters for the numbers, so that one plan serves every person.

    Only where a conjunct begins: in a SELECT list a parameter would show in the column's name. One parameter per distinct number,
    so that what was one expression in two clauses still is.

    >>> lift_ids("SELECT * FROM individual WHERE id360 IN (5,6) LIMIT 1")
    ('SELECT * FROM individual WHERE id360 IN ($c360_i1 ,$c360_i2 ) LIMIT 1', {'c360_i1': 5, 'c360_i2': 6})
    """
    lifted, numbers = _lifted(sql)
    return lifted, dict(numbers)


@lru_cache(256)
def _lifted(sql: str) -> tuple[str, tuple[tuple[str, int], ...]]:
    """An application sends the same few texts again and again: taking one apart costs as much as asking a source."""
    if "id360" not in sql.lower():
        return sql, ()
    sql = apart(sql)
    try:
        tokens = DuckDB.Tokenizer().tokenize(sql)
    except TokenError:
        return sql, ()
    pieces: list[str] = []
    names: dict[int, str] = {}
    end, listed = 0, False
    for i, token in enumerate(tokens):
        kind = token.token_type
        if kind is TokenType.L_PAREN:
            listed = _follows_id(tokens, i, TokenType.IN)
        elif kind is TokenType.NUMBER and token.text.isdecimal() and (listed or _follows_id(tokens, i, TokenType.EQ)):
            name = names.setdefault(int(token.text), f"{PREFIX}i{len(names) + 1}")
            pieces += [sql[end : token.start], f"${name} "]  # the blank: `$a,$` would open a text quoted by dollars, `$aAND` is one word
            end = token.end + 1
        elif kind is not TokenType.COMMA:
            listed = False
    return "".join(pieces) + sql[end:], tuple((name, number) for number, name in names.items())


def _follows_id(tokens: Sequence[Token], at: int, operator: TokenType) -> bool:
    return at >= 3 and tokens[at - 1].token_type is operator and _is_id(tokens, at - 2)


def _is_id(tokens: Sequence[Token], at: int) -> bool:
    """Whether `id360` or `x.id360` ends at this token and begins a conjunct."""
    first = at - 2 if tokens[at - 1].token_type is TokenType.DOT else at
    return tokens[at].text.lower() == "id360" and first > 0 and tokens[first - 1].token_type in _BEFORE_A_CONJUNCT


def positional(number: int) -> str:
    """The name under which the parameter at that position (from 1) is bound."""
    return f"{PREFIX}p{number}"


def shown(parameter: str) -> str:
    """A parameter's name as the caller writes it: `$email`, or `?2` for one by position."""
    own = f"{PREFIX}p"
    return f"?{parameter.removeprefix(own)}" if parameter.startswith(own) else f"${parameter}"


def one_instant(node: exp.Expr) -> exp.Expr:
    """now(), current_date and their like as one bound parameter, so that a query sees a single instant wherever it runs.

    And `x NOT LIKE y` as NOT over LIKE, which is how every other negation is read."""
    if isinstance(node, exp.Like) and node.args.get("negate"):
        node.set("negate", None)
        return exp.Not(this=node)
    if not isinstance(node, exp.Func):
        return node
    type_ = INSTANTS.get(node.name.lower() if isinstance(node, exp.Anonymous) else node.key.replace("_", ""))
    if type_ is None or node.find(exp.Column):
        return node
    return exp.cast(exp.cast(exp.Placeholder(this=NOW), "TIMESTAMPTZ"), type_)


INSTANTS = {
    "now": "TIMESTAMPTZ", "currenttimestamp": "TIMESTAMPTZ", "transaction_timestamp": "TIMESTAMPTZ", "get_current_timestamp": "TIMESTAMPTZ",
    "today": "DATE", "currentdate": "DATE", "localtimestamp": "TIMESTAMP", "current_localtimestamp": "TIMESTAMP",
    "currentdatetime": "TIMESTAMP", "currenttimestampltz": "TIMESTAMPTZ",
}  # fmt: skip
