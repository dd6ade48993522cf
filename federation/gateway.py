"""The one door for every door: text in, a checked and qualified tree out.

Exactly one SELECT (or set operation) of DuckDB's dialect; every relation resolved by true scope to a CTE of the query or a view of
the catalog; every function on the allow-list; every construct on the list of those the planner understands. What runs later is
this tree rendered again, never the text that came in, so a difference between two parsers cannot open anything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from difflib import get_close_matches

from sqlglot import exp
from sqlglot.errors import ParseError, TokenError
from sqlglot.optimizer.scope import traverse_scope

from connectors.spi.errors import InternalError
from federation.bounds import bounded
from federation.errors import FunctionRefused, NotOneSelect, NotSupported, QuerySyntax, UnknownObject
from federation.parameters import PREFIX, by_position, one_instant
from federation.qualifying import name_outputs, qualified, restore_names, written_names
from views.duckdb_sql import lost_in_writing, read
from views.functions import AGGREGATES, SCALAR, STABLE, TABLES, WINDOWS, functions_in
from views.relations import View

ALLOWED = SCALAR | STABLE | AGGREGATES | WINDOWS | TABLES

REFUSED: Mapping[type[exp.Expr], str] = {
    exp.Command: "a command", exp.Pivot: "PIVOT", exp.Columns: "COLUMNS(...)", exp.Into: "INTO", exp.Lock: "FOR UPDATE",
    exp.SessionParameter: "a session parameter", exp.Parameter: "a session parameter", exp.DDL: "a definition", exp.DML: "a change of data",
    exp.MatchRecognize: "MATCH_RECOGNIZE", exp.Show: "SHOW", exp.Describe: "DESCRIBE", exp.Introducer: "a character set introducer",
    exp.Hint: "a hint", exp.TableFromRows: "TABLE(...)", exp.TableColumn: "a whole row as one value",
    exp.PositionalColumn: "a column by position (#1)",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Checked:
    """`query` is qualified: every column names its table, `*` is expanded, and each use of a view is a table under the reserved
    name `c360_r0`, `c360_r1`, …; `uses` tells which view it is. `params` are the names it wants bound ("1" for the first `?`)."""

    query: exp.Query
    uses: Mapping[str, View]
    params: tuple[str, ...]


Resolve = Callable[[str], View | None]
"""The catalog's answer for a dotted lower-case name; raises PolicyRefused for a view that is closed to the principal."""


def check(sql: str, resolve: Resolve, names: Callable[[], tuple[str, ...]], first: int = 0) -> Checked:
    """Check and qualify a query. `names` lists what exists, for "did you mean". Relations are numbered from `first`.

    Raises QuerySyntax, NotOneSelect, NotSupported, UnknownObject, UnknownColumn, FunctionRefused, PolicyRefused.
    """
    try:
        return _checked(sql, resolve, names, first)
    except RecursionError as error:
        raise NotSupported("the query is nested too deeply", hint="split it, or use CTEs") from error


def _checked(sql: str, resolve: Resolve, names: Callable[[], tuple[str, ...]], first: int) -> Checked:
    sql += " "  # sqlglot cannot read a text that has a $parameter and ends in ''
    tree = _query(bounded(parse(by_position(sql))))
    params = tuple(dict.fromkeys(p.name for p in tree.find_all(exp.Placeholder)))
    _refuse(tree)
    name_outputs(tree)
    tree = _query(tree.transform(one_instant))
    outputs = written_names(tree)
    uses = _resolve_relations(tree, resolve, names, first)
    tree = _query(qualified(tree, uses, sql))
    _refuse(tree)  # qualifying may not bring in what was refused above
    if lost := lost_in_writing(tree):
        raise NotSupported(f"the query cannot be run as it is written: {lost}", hint="say it in another way")
    return Checked(restore_names(tree, outputs), uses, params)


def _query(tree: exp.Expr) -> exp.Query:
    if not isinstance(tree, exp.Query):
        raise InternalError("a query became something else", hint="report it with the query")
    return tree


INSTEAD = {
    "EXPLAIN": "`c360 explain` shows what a query asks of whom; in Python Session.explain",
    **dict.fromkeys(
        ("DESCRIBE", "SHOW", "SUMMARIZE"), "`c360 docs` lists the views and their columns; in `c360 shell`: .views and .schema"
    ),
}
"""What to do in place of a statement that is no query."""

_READING: ContextVar[bool] = ContextVar("c360_reading", default=False)
logging.getLogger("sqlglot").addFilter(lambda record: not _READING.get())
"""sqlglot logs a text that it cannot read, with the literals in it; what is wrong with it is in the error."""


def parse(sql: str) -> exp.Query:
    """The text as exactly one query. Raises QuerySyntax or NotOneSelect."""
    if "\0" in sql or any("\ud800" <= c <= "\udfff" for c in sql):
        raise QuerySyntax("the query holds a NUL or half a surrogate pair", hint="bind such a text as a parameter, or leave it out")
    reading = _READING.set(True)
    try:
        trees = [t for t in read(sql) if t is not None]
    except (ParseError, TokenError) as error:
        raise QuerySyntax(_spot(error, sql), hint="the dialect is DuckDB's; only SELECT is understood") from error
    except RecursionError as error:
        raise NotSupported("the query is nested too deeply", hint="split it, or use CTEs") from error
    finally:
        _READING.reset(reading)
    if len(trees) != 1 or not isinstance(trees[0], exp.Query) or isinstance(trees[0], exp.Pivot):
        raise _not_one_select(trees)
    return trees[0]


def _not_one_select(trees: Sequence[exp.Expr]) -> NotOneSelect:
    hint = "views are read-only: send one SELECT at a time"
    if len(trees) != 1:
        return NotOneSelect(f"expected one SELECT, got {len(trees)} statements", hint=hint)
    tree = trees[0]
    if isinstance(tree, exp.Condition | exp.Alias):  # a misspelt word is a column to the parser
        return NotOneSelect("expected one SELECT, got an expression", hint="write SELECT … FROM a view")
    word = tree.name.upper() if isinstance(tree, exp.Command) else tree.key.upper()
    said = f"expected one SELECT, got {'an' if word[:1] in 'AEIOU' else 'a'} {word} statement"
    return NotOneSelect(said, hint=INSTEAD.get(word, hint))


def _spot(error: Exception, sql: str) -> str:
    details = getattr(error, "errors", None)
    if not details:
        return "the query cannot be read"
    first = details[0]
    line, column = first.get("line") or 1, first.get("col") or 1
    text = sql.splitlines()[line - 1] if line <= len(sql.splitlines()) else ""
    reason = str(first.get("description", "unexpected")).split(". Line")[0].rstrip(".")
    return f"line {line}, column {column}: {reason}\n  {text}\n  {' ' * max(column - 1, 0)}^"


def _refuse(tree: exp.Expr) -> None:
    for node in tree.walk():
        for kind, what in REFUSED.items():
            if isinstance(node, kind):
                raise NotSupported(f"{what} is not supported in a query", hint="write it as a plain SELECT")
        if isinstance(node, exp.With) and node.args.get("recursive"):
            raise NotSupported("a recursive CTE is not supported in a query", hint="use a window or a self-join")
        if isinstance(node, exp.Table) and not _is_name(node):
            raise _refused_function(_called(node.this))  # an allowed scalar may be more as a table: FROM histogram('t', 'c')
        if isinstance(node, exp.Lateral) and not isinstance(node.this, exp.Subquery | exp.Unnest):
            raise NotSupported("LATERAL before anything but a subquery or unnest", hint="write LATERAL (SELECT …)")
    for name, _ in functions_in(tree):
        if name not in ALLOWED:
            raise _refused_function(name)


def check_names(sql: str) -> None:
    """Refuse a caller's own use of reserved names, before we put ours in. Raises NotSupported, and what `parse` raises."""
    if PREFIX not in sql.lower():
        return
    for node in parse(sql).find_all(exp.CTE, exp.TableAlias, exp.Alias, exp.Placeholder, exp.Identifier):
        if node.name.lower().startswith(PREFIX):
            raise NotSupported(f"`{node.name}`: names that begin with `{PREFIX}` are reserved", hint="choose another name")


def _called(node: exp.Expr) -> str:
    return node.sql_name() if isinstance(node, exp.Func) and not isinstance(node, exp.Anonymous) else node.name or node.key


def _refused_function(name: str) -> FunctionRefused:
    return FunctionRefused(
        f"the function `{name.lower()}` is not allowed here",
        hint="`c360 docs functions` lists those that are; ask for it if it is harmless",
    )


def _resolve_relations(tree: exp.Query, resolve: Resolve, names: Callable[[], tuple[str, ...]], first: int) -> dict[str, View]:
    """Replace every use of a view by a reserved table of its own, by true scope; return what each stands for."""
    uses: dict[str, View] = {}
    for table, is_cte in _tables(tree):
        if is_cte:
            continue
        if not _is_name(table):  # unnest(...): the only one that is let through
            continue
        if table.args.get("when") or table.args.get("version"):
            raise NotSupported("time travel (AT ...) is not supported", hint="sources show their present state")
        if table.alias_column_names:
            raise NotSupported("a view's columns cannot be renamed in FROM", hint="name them in a SELECT: FROM (SELECT x AS y FROM …) AS t")
        dotted = ".".join(part.name for part in table.parts).lower()
        view = resolve(dotted)
        if view is None:
            raise unknown_object(dotted, names())
        name = f"{PREFIX}r{first + len(uses)}"
        uses[name] = view
        alias = table.alias or table.this.name
        joins, rest = table.args.get("joins"), {k: table.args.get(k) for k in ("sample", "laterals")}
        shown = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(alias))
        table.replace(exp.Table(this=exp.to_identifier(name), alias=shown, joins=joins, **{k: v for k, v in rest.items() if v}))
    return uses


def _is_name(table: exp.Table) -> bool:
    """Whether it is a dotted name (of any length), and not a call in its place."""
    return all(isinstance(part, exp.Identifier) for part in table.parts)


def _tables(tree: exp.Query) -> list[tuple[exp.Table, bool]]:
    """Every table of the query, and whether it is a CTE of its scope (and not of some other scope of the same name)."""
    found: dict[int, tuple[exp.Table, bool]] = {}
    for scope in traverse_scope(tree):
        for table in scope.tables:
            ctes = _visible_ctes(table)
            found[id(table)] = (table, not table.db and not table.catalog and table.name.lower() in ctes)
    missing = [t for t in tree.find_all(exp.Table) if id(t) not in found]
    return list(found.values()) + [(t, not t.db and t.name.lower() in _visible_ctes(t)) for t in missing]


def _visible_ctes(table: exp.Expr) -> set[str]:
    """Names of the CTEs that a table reference can see: those of every enclosing WITH, but within a CTE's own body only the ones
    before it: DuckDB reads `WITH t AS (SELECT * FROM t)` as the table `t`."""
    names: set[str] = set()
    node: exp.Expr | None = table
    while node is not None:
        parent = node.parent
        if isinstance(parent, exp.With) and isinstance(node, exp.CTE):
            names |= {c.alias.lower() for c in parent.expressions[: parent.expressions.index(node)]}
            node = parent.parent  # the WITH's own query: its other CTEs are not visible here
            continue
        if isinstance(parent, exp.Query) and (with_ := parent.args.get("with_")):
            names |= {c.alias.lower() for c in with_.expressions}
        node = parent
    return names


def unknown_object(name: str, known: tuple[str, ...]) -> UnknownObject:
    """The error for a relation that does not exist, with the nearest name."""
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(known)}, and raw.<source>.<table>"
    return UnknownObject(f"there is no `{name}`", hint=hint)
