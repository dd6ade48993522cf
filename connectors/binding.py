"""Finding out what a bound value is compared with, so that it can be sent in that column's own type."""

from __future__ import annotations

from sqlglot import exp

_COMPARISONS = (
    exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between, exp.In, exp.Is,
)  # fmt: skip


def compared_column(placeholder: exp.Placeholder) -> str | None:
    """The column that a placeholder of an emitted conjunct is compared with, or None.

    >>> compared_column(exp.Lower(this=exp.column("a")).eq(exp.Placeholder(this="p")).expression)
    'a'
    """
    comparison = placeholder.find_ancestor(*_COMPARISONS)
    column = comparison.find(exp.Column) if comparison is not None else None
    return column.name if column is not None else None
