"""What passes know of a condition: its parts, whether it can throw, whether NULL may satisfy it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
from sqlglot import exp

from connectors.spi import shape_of

TRUE_OF_NULL = (exp.Is, exp.NullSafeEQ, exp.NullSafeNEQ)
"""The shapes of the vocabulary that may be true of a NULL; every other one is NULL of it, and so is what NOT, AND and OR make of NULLs
alone. Beside a part that is not NULL, OR may be true, and NOT of an AND."""


def conjuncts_of(holder: exp.Expr | None, *, join: bool = False) -> Iterator[exp.Expr]:
    """The top-level ANDed parts of a WHERE (or of an ON)."""
    if holder is None:
        return
    tree = holder if join else holder.this
    stack = [tree]
    while stack:
        node = stack.pop().unnest()
        if isinstance(node, exp.And):
            stack += [node.right, node.left]
        else:
            yield node


def bare(conjunct: exp.Expr) -> exp.Expr:
    """The conjunct with unqualified columns."""
    return conjunct.transform(lambda n: exp.column(n.name) if isinstance(n, exp.Column) else n)


def total(node: exp.Expr, kinds: Mapping[str, str], params: Mapping[str, pa.DataType]) -> bool:
    """Whether every atom has a shape of the vocabulary: then it cannot throw, whatever the row holds."""
    match node:
        case exp.Paren() | exp.Not():
            return total(node.this, kinds, params)
        case exp.And() | exp.Or():
            return total(node.left, kinds, params) and total(node.right, kinds, params)
    return shape_of(node, kinds, params) is not None
