"""Naive timestamps that a mapping reads in a zone of its own: what a source can be asked of them, which knows no UTC."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from federation.values import Values
from views.branches import TO_UTC

WIDENED = "read in a zone of its own: asked for with a day more on each side, and checked again"
_TURNED: Mapping[type[exp.Expr], type[exp.Expr]] = {exp.LT: exp.GT, exp.LTE: exp.GTE, exp.GT: exp.LT, exp.GTE: exp.LTE, exp.EQ: exp.EQ}
_BY = exp.Interval(this=exp.Literal.string("1"), unit=exp.Var(this="DAY"))
"""No zone is, or was, as far as this from UTC."""


def widened(condition: exp.Expr, kinds: Mapping[str, str], values: Values) -> tuple[exp.Expr, bool]:
    """`c360_to_utc(column, zone) >= $p` as `column >= $p - INTERVAL 1 DAY`: a superset, whatever the zone; whether nothing was changed.

    Only in conjunctions and disjunctions of comparisons with constants; IS NULL means the same in every zone.
    """
    same = True

    def widen(node: exp.Expr) -> exp.Expr:
        nonlocal same
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null) and (column := _column(node.this, kinds)) is not None:
            return exp.Is(this=column, expression=exp.null())
        found = _around(node, kinds, values) if _positive(node) else None
        if found is None:
            return node
        same = False
        return found

    return condition.transform(widen), same


def _around(node: exp.Expr, kinds: Mapping[str, str], values: Values) -> exp.Expr | None:
    if isinstance(node, exp.Between):
        column = _column(node.this, kinds)
        low, high = (_constant(column, node.args[end], kinds, values) for end in ("low", "high")) if column is not None else (None, None)
        return _between(column, low, high) if column is not None and low is not None and high is not None else None
    if type(node) not in _TURNED:
        return None
    kind, column, other = type(node), _column(node.this, kinds), node.expression
    if column is None:
        kind, column, other = _TURNED[type(node)], _column(node.expression, kinds), node.this
    constant = _constant(column, other, kinds, values) if column is not None else None
    if column is None or constant is None:
        return None
    if kind is exp.EQ:
        return _between(column, constant, constant)
    return _least(column, constant) if kind in (exp.GT, exp.GTE) else _most(column, constant)


def _positive(node: exp.Expr) -> bool:
    """Whether a superset of the rows for which this is true is one of those for which the whole is."""
    parent = node.parent
    while isinstance(parent, exp.And | exp.Or | exp.Paren):
        parent = parent.parent
    return parent is None


def _column(value: exp.Expr, kinds: Mapping[str, str]) -> exp.Column | None:
    """The naive timestamp's column of `c360_to_utc(column, zone)`."""
    column = value.expressions[0] if isinstance(value, exp.Anonymous) and value.name == TO_UTC else None
    return column.copy() if isinstance(column, exp.Column) and kinds.get(column.name) == "timestamp" else None


def _constant(column: exp.Column, value: exp.Expr, kinds: Mapping[str, str], values: Values) -> exp.Expr | None:
    """The value as a timestamp; None if it is none, or no constant."""
    bound = values.bind(exp.EQ(this=column.copy(), expression=value.copy()), kinds)
    return exp.cast(bound.expression, "TIMESTAMP") if bound is not None and isinstance(bound.expression, exp.Placeholder) else None


def _between(column: exp.Column, low: exp.Expr, high: exp.Expr) -> exp.Expr:
    return exp.paren(exp.and_(_least(column, low), _most(column, high), copy=False), copy=False)


def _least(column: exp.Column, value: exp.Expr) -> exp.Expr:
    return exp.GTE(this=column.copy(), expression=exp.Sub(this=value.copy(), expression=_BY.copy()))


def _most(column: exp.Column, value: exp.Expr) -> exp.Expr:
    return exp.LTE(this=column.copy(), expression=exp.Add(this=value.copy(), expression=_BY.copy()))
