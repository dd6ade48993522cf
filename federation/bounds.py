"""How large a query may be. Planning has no deadline, and DuckDB's binder hears no interrupt: what would keep either busy is refused."""

from __future__ import annotations

from sqlglot import exp

from federation.errors import NotSupported

DEPTH = 100
"""Levels of nesting. Arrow's own limit is 64 for types; recursive passes and DuckDB's binder end at about 1000."""

CHAIN = 500
"""Operators in a row, like a AND b AND c: they nest in the tree, though not on the page."""

ARROWS = 6
"""`x -> y` within `x -> y`, as JSON path or lambda: DuckDB binds each in two ways, so n of them take 2^n steps (24: 13 s)."""

NODES = 100_000

_CHAINS = (exp.Binary, exp.SetOperation)
_ARROWS = (exp.JSONExtract, exp.JSONExtractScalar, exp.Lambda)


def bounded(tree: exp.Expr) -> exp.Expr:
    """The tree itself. Raises NotSupported if it is nested too deeply or too large.

    >>> import sqlglot
    >>> bounded(sqlglot.parse_one("SELECT '{}'" + " -> 'a'" * 40, dialect="duckdb"))
    Traceback (most recent call last):
    federation.errors.NotSupported: [C360_NOT_SUPPORTED] more than 6 arrows within each other
      next: json_extract(x, '$.a.b') takes the whole path at once
    """
    waiting = [(tree, 0, 0, 0)]
    nodes = 0
    while waiting:
        node, depth, chain, arrows = waiting.pop()
        nodes += 1
        arrows += isinstance(node, _ARROWS)
        if arrows > ARROWS:
            raise NotSupported(f"more than {ARROWS} arrows within each other", hint="json_extract(x, '$.a.b') takes the whole path at once")
        if depth > DEPTH or chain > CHAIN or nodes > NODES:
            raise NotSupported(
                "the query is nested too deeply, or too large", hint="split it, use CTEs, or join with a list in `unnest(…)`"
            )
        for child in node.iter_expressions():
            linked = type(child) is type(node) and isinstance(child, _CHAINS)
            waiting.append((child, depth + (not linked), chain + linked, arrows))
    return tree
