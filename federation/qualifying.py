"""Qualifying a query: every column gets its table, `*` becomes the columns; with DuckDB's names and joins where sqlglot has its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from string import ascii_lowercase, ascii_uppercase

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, SqlglotError
from sqlglot.optimizer.qualify import qualify

from federation.errors import NotOneSelect, UnknownColumn
from views.relations import View

_USING = "c360_using"
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
"""How sqlglot's qualify, and DuckDB, take names for the same."""


def qualified(tree: exp.Query, uses: Mapping[str, View], sql: str) -> exp.Expr:
    """The query over the views that it `uses`, qualified; `sql` is as it was written, for what is told. Raises UnknownColumn."""
    _name_columns_as_views_do(tree, uses)
    schema = _shown(tree, uses)
    for join in tree.find_all(exp.Join):
        join.meta[_USING] = tuple(name.name.lower() for name in join.args.get("using") or ())
    try:
        done = qualify(tree, schema=sqlglot.MappingSchema(schema, dialect="duckdb", normalize=False), dialect="duckdb")
    except (OptimizeError, SqlglotError) as error:
        raise _unknown_column(error, uses, sql) from error
    for select in done.find_all(exp.Select):
        _merge_keys(select)
    return done


def name_outputs(tree: exp.Query) -> None:
    """Name the outermost SELECT's unnamed expressions as DuckDB does (about): `sum(amount)`, not `_col_0`."""
    first: exp.Expr = tree
    while isinstance(first, exp.SetOperation | exp.Subquery):
        first = first.this
    if not isinstance(first, exp.Select):
        raise NotOneSelect("expected one SELECT, got VALUES", hint="write SELECT * FROM (VALUES …) AS t(a, b)")
    for projection in first.expressions:
        if not isinstance(projection, exp.Alias | exp.Column | exp.Star | exp.Explode | exp.Unnest | exp.Aliases):
            star = isinstance(projection, exp.Count) and isinstance(projection.this, exp.Star)
            name = "count_star()" if star else projection.sql("duckdb", comments=False, normalize_functions="lower")
            projection.replace(exp.alias_(projection.copy(), name, quoted=True))


def written_names(tree: exp.Query) -> dict[str, str]:
    """As qualifying leaves them → as written, for the aliases of the outermost SELECT."""
    return {e.alias.translate(_LOWER): e.alias for e in tree.selects if isinstance(e, exp.Alias)}


def restore_names(query: exp.Query, written: Mapping[str, str]) -> exp.Query:
    """Give the outermost SELECT its aliases back as they were written (see `written_names`)."""
    for projection in query.selects:
        if isinstance(projection, exp.Alias) and projection.alias in written:
            projection.set("alias", exp.to_identifier(written[projection.alias], quoted=True))
    return query


def _shown(tree: exp.Query, uses: Mapping[str, View]) -> dict[str, object]:
    """The columns that each use of a view has for qualifying: hidden ones only if the query names them, and then not in `*`."""
    written = {i.name.lower() for i in tree.find_all(exp.Identifier)}
    hidden = sorted({h for view in uses.values() for h in view.hidden if h in written})
    for star in tree.find_all(exp.Star) if hidden else ():
        if not isinstance(star.parent, exp.Count):
            star.set("except_", [*(star.args.get("except_") or []), *(exp.to_identifier(h) for h in hidden)])
    return {name: {c: t for c, t in view.types.items() if c not in view.hidden or c in hidden} for name, view in uses.items()}


def _name_columns_as_views_do(tree: exp.Query, uses: Mapping[str, View]) -> None:
    """Views have names in lower case: sqlglot writes only the letters of ASCII so, and would not find `"Änderung"`."""
    known = {c for view in uses.values() for c in view.types if not c.isascii()}
    for column in tree.find_all(exp.Column) if known else ():
        if column.name.lower() in known:
            column.this.set("this", column.name.lower())


def _merge_keys(select: exp.Select) -> None:
    """After a RIGHT or FULL JOIN a column of USING is whichever side has it; sqlglot's qualify joins on with the left one alone.

    `a FULL JOIN b USING (k) JOIN c USING (k)` is `… ON COALESCE(a.k, b.k) = c.k`, not `a.k = c.k`.
    """
    merged: dict[str, list[exp.Expr]] = {}
    outer = False
    for join in select.args.get("joins") or []:
        using = join.meta.get(_USING, ())
        equal = {e.expression.name: e for e in join.args["on"].find_all(exp.EQ)} if using else {}
        for name in using:
            if name in equal:
                keys = merged.setdefault(name, [equal[name].this.copy()])
                if outer and len(keys) > 1:
                    equal[name].set("this", exp.Coalesce(this=keys[0].copy(), expressions=[k.copy() for k in keys[1:]]))
                if (join.args.get("kind") or "").upper() not in ("SEMI", "ANTI"):
                    keys.append(equal[name].expression.copy())
        if using and using[-1] in equal and (join.method or "").upper() == "ASOF":  # all are equal but the last, which is not later
            last = equal[using[-1]]
            last.replace(exp.GTE(this=last.this, expression=last.expression))
        outer = outer or join.side.upper() in ("RIGHT", "FULL")


def _unknown_column(error: Exception, uses: Mapping[str, View], sql: str) -> UnknownColumn:
    text = str(error)
    said = re.search(r"'([^']+)'|Unknown column: (\S+)", text)
    name = (said[1] or said[2]).split(".")[-1] if said else ""
    known = sorted({c for view in uses.values() for c in view.types})
    if "mbiguous" in text:
        return UnknownColumn(f"`{name}` is in more than one of the relations", hint=f"write the alias before it, like `i.{name}`")
    if sum(name in view.types for view in uses.values()) > 1:
        return UnknownColumn(
            f"`{name}` is in more than one of the relations, or not visible here", hint=f"write the alias before it, like `i.{name}`"
        )
    near = [n for n in get_close_matches(name, known, n=2) if n != name]
    of = ", ".join(dict.fromkeys(f"`{v.name}`" for v in uses.values())) or "the query"
    quoted = re.search(f'"({re.escape(name)})"', sql, re.IGNORECASE) if name and not near else None
    if quoted is not None:
        hint = f"what stands in double quotes is a name; a text stands in single ones: '{quoted[1]}'"
        return UnknownColumn(f"{of} has no column `{quoted[1]}`", hint=hint)
    hint = f"did you mean `{near[0]}`?" if near else f"columns: {', '.join(k for k in known if '__' not in k and not k.startswith('_'))}"
    return UnknownColumn(f"{of} has no column `{name}`" if name else "a column of the query cannot be found", hint=hint)
