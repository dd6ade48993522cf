"""Parse the SQL of a project file: scalar expressions in DuckDB's dialect, and nothing more than that."""

from __future__ import annotations

import re
from collections.abc import Collection

from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from views import functions
from views.duckdb_sql import lost_in_writing, read
from views.errors import BadExpression, UnknownAttribute, did_you_mean
from views.model import Location
from views.project_file import Node

PERMITTED: tuple[type[exp.Expr], ...] = (
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Tuple, exp.Case, exp.If, exp.Interval, exp.Var,
    exp.Unary, exp.Binary, exp.Between, exp.In, exp.Bracket, exp.Slice, exp.Lambda, exp.AtTimeZone,
    exp.DataType, exp.DataTypeParam, exp.ColumnDef, exp.Func, exp.JSONPath, exp.JSONPathPart,
)  # fmt: skip
"""Kinds of nodes that a scalar expression is made of; functions among them are further held to `functions.SCALAR`."""

REFUSED: dict[type[exp.Expr], str] = {
    exp.Query: "a query in an expression",
    exp.Subquery: "a query in an expression",
    exp.Window: "a window function",
    exp.Star: "`*`",
    exp.Placeholder: "a parameter",
    exp.Parameter: "a parameter",
    exp.Alias: "an alias (or two words without an operator between them)",
    exp.Dot: "a function written after a dot",
    exp.Collate: "a collation",
}


def parse_scalar(node: Node, *, stable: bool = False) -> exp.Expr:
    """The scalar expression written at a node; a YAML number, boolean or null is one too.

    `stable` permits functions like `now()`. Raises BadExpression, with the place inside the expression where it is known.
    """
    text = _first_word_as_name(_as_sql(node.value))
    try:
        trees = read(text)
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        at = node.offset(max(0, int(first.get("col") or 1) - len(str(first.get("highlight") or " "))))
        near = str(first.get("highlight") or "").strip()
        raise BadExpression(f"this is not SQL{f', near `{near}`' if near else ''}", at, hint=SQL_HINT) from error
    except SqlglotError as error:
        raise BadExpression("this is not SQL: it cannot be split into words", node.at, hint="close quotes and comments") from error
    if len(trees) != 1 or trees[0] is None:
        raise BadExpression("one SQL expression is expected here", node.at, hint=SQL_HINT)
    tree: exp.Expr = trees[0]
    _check(tree, node, functions.SCALAR | functions.STABLE if stable else functions.SCALAR)
    if lost := lost_in_writing(tree):
        raise BadExpression(f"this cannot be run as it is written: {lost}", node.at, hint="say it in another way")
    for part in tree.walk():
        part.comments = None
    return tree


SQL_HINT = "write a scalar expression in DuckDB's SQL: a column, or columns combined by operators and functions"


_FIRST_WORD = re.compile(r"\s*([^\W\d]\w*)(?=\s*(?:$|[^\s\w(.'\"])|\s+(?:IS|IN|NOT|LIKE|ILIKE|BETWEEN|AND|OR)\b)", re.I)


def _first_word_as_name(text: str) -> str:
    """The text with its first word in quotes if it is a column named like a statement (`comment`, `call`, `set`): sqlglot would read
    all that follows as that statement."""
    found = _FIRST_WORD.match(text)
    if found is None or _is_value(found[1]):
        return text
    return f'{text[: found.start(1)]}"{found[1]}"{text[found.end(1) :]}'


def _is_value(word: str) -> bool:
    try:
        return isinstance(read(word)[0], PERMITTED)
    except SqlglotError:
        return False


def _as_sql(value: object) -> str:
    return "NULL" if value is None else str(value).upper() if isinstance(value, bool) else str(value)


def _check(tree: exp.Expr, node: Node, permitted: frozenset[str]) -> None:
    for name, call in functions.functions_in(tree):
        if name not in permitted:
            raise BadExpression(f"`{name}()` is not possible here{_why(name)}", _place(call, node, name), hint=_instead(name, permitted))
    for part in tree.walk():
        refused = next((why for kind, why in REFUSED.items() if isinstance(part, kind)), "")
        if refused or not isinstance(part, PERMITTED):
            raise BadExpression(f"{refused or f'`{part.key}`'} is not possible here", _place(part, node), hint=SQL_HINT)
        if isinstance(part, exp.Column) and part.table:
            hint = "name the column alone; a field of a struct is s['field']"
            raise BadExpression(f"`{part.sql('duckdb')}` names a table", _place(part, node), hint=hint)


def _why(name: str) -> str:
    if name in functions.AGGREGATES:
        return ": it is an aggregate"
    if name in functions.WINDOWS:
        return ": it is a window function"
    if name in functions.STABLE:
        return ": a mapped value must not depend on the time of the query"
    return ""


def _instead(name: str, permitted: frozenset[str]) -> str:
    if _why(name):
        return "aggregate in the query, not in the mapping" if name in functions.AGGREGATES | functions.WINDOWS else "map the date itself"
    return did_you_mean(
        name, permitted, cutoff=0.75, otherwise="only functions that give the same value every time and touch nothing outside are permitted"
    )


def _place(part: exp.Expr, node: Node, word: str = "") -> Location:
    """Where a part of an expression stands; sqlglot keeps the place of names, of other things the nearest name's is taken."""
    found = str(node.value).lower().find(word) if word else -1
    own = part.meta.get("start")
    starts = [p.meta["start"] for p in part.walk() if "start" in p.meta]
    return node.offset(found if found >= 0 else own if own is not None else min(starts, default=0))


def over_attributes(tree: exp.Expr, node: Node, object_: str, attributes: Collection[str]) -> exp.Expr:
    """Check that the columns of an expression are attributes of an object; returns it with their names as the object writes
    them (SQL does not mind case). Raises UnknownAttribute."""
    for column in tree.find_all(exp.Column):
        name = column.name.lower()
        if name not in attributes:
            raise UnknownAttribute(
                f"`{object_}` has no attribute `{column.name}`", _place(column, node), hint=did_you_mean(name, attributes)
            )
        column.set("this", exp.to_identifier(name))
    return tree
