"""How large a query may be. Planning has no deadline, and DuckDB's binder hears no interrupt: what would keep either busy is refused."""

from __future__ import annotations

import re

from sqlglot import exp

from federation.errors import NotSupported

DEPTH = 100
"""Levels of nesting. Arrow's own limit is 64 for types; recursive passes and DuckDB's binder end at about 1000."""

CHAIN = 500
"""Operators in a row, like a AND b AND c: they nest in the tree, though not on the page."""

ARROWS = 6
"""`x -> y` within `x -> y`, as JSON path or lambda: DuckDB binds each in two ways, so n of them take 2^n steps (24: 13 s)."""

NODES = 100_000

LENGTH = 1_000
"""What repeat, lpad and their like may be told to make: DuckDB allocates texts outside of its memory limit (30 rows of
lpad(x, 2000000000) took 10 GB), and neither that nor what then compares such texts (levenshtein) hears an interrupt."""

_LENGTH_AT = {"lpad": 1, "rpad": 1, "repeat": 1, "list_resize": 1, "array_resize": 1, "to_base": 2, "bar": 3}
_FORMATS = ("format", "printf")
_WIDTHS = re.compile(r"\d{4,}|\*|:[^}]*\{")

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
    for call in tree.find_all(exp.Func):
        _short(call)
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


def _short(call: exp.Func) -> None:
    """Refuse what may make a long text, or a long list, out of nothing."""
    asked = _asked(call)
    if asked is None:
        return
    name = call.name.lower() if isinstance(call, exp.Anonymous) else call.key
    literal = asked.name if isinstance(asked, exp.Literal) else ""
    if name in _FORMATS:
        fine = literal != "" and _WIDTHS.search(literal) is None
    else:
        fine = literal.isdecimal() and int(literal) <= LENGTH and not _grows(call)
    if not fine:
        raise NotSupported(
            f"`{name}` of a length that is not a number up to {LENGTH:,}", hint="write the length as a number, and nest no two"
        )


def _asked(call: exp.Func) -> exp.Expr | None:
    """The argument that says how long the result gets; None if there is no such argument."""
    arguments = call.args
    found: exp.Expr | None = None
    if isinstance(call, exp.Anonymous):
        name, given = call.name.lower(), call.expressions
        at = 0 if name in _FORMATS else _LENGTH_AT.get(name)
        if at is not None and isinstance(call.parent, exp.Dot):
            found = call  # x.repeat(5): not worth knowing apart
        elif at is not None and len(given) > at:
            found = given[at]
    elif isinstance(call, exp.Pad):
        found = arguments["expression"]
    elif isinstance(call, exp.Repeat):
        found = arguments["times"]
    elif isinstance(call, exp.Format):
        found = arguments["this"]
    return found


def _grows(call: exp.Func) -> bool:
    """Whether another call that lengthens stands within."""
    return any(inner is not call and _asked(inner) is not None for inner in call.find_all(exp.Func))
