"""What DuckDB answers as DuckDB would: every shape, for it is the same engine of the same version in the same process.

Some kinds need their emitted form: enums and uuids are compared as the text that they cross as (an enum's own order is that of
its declaration), and a column with a collation as its bytes (a collation survives CAST and `||`, but not `encode`).
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from connectors.spi.capabilities import Capabilities, Rule

NATIVE = frozenset({"int", "decimal", "double", "float", "bool", "text", "date", "timestamp", "timestamptz"})

AS_TEXT = frozenset({"enum", "uuid"})


def as_text(atom: exp.Expr) -> exp.Expr:
    """
    >>> as_text(exp.column("e").eq(exp.Placeholder(this="p"))).sql("duckdb")
    'CAST(e AS TEXT) = $p'
    """
    return atom.transform(lambda node: exp.cast(node.copy(), "VARCHAR") if isinstance(node, exp.Column) else node)


def as_bytes(atom: exp.Expr) -> exp.Expr:
    """
    >>> as_bytes(exp.column("t").eq(exp.Placeholder(this="p"))).sql("duckdb")
    'ENCODE(t) = ENCODE($p)'
    """
    return atom.transform(
        lambda node: exp.Anonymous(this="ENCODE", expressions=[node.copy()]) if isinstance(node, (exp.Column, exp.Placeholder)) else node
    )


_COMPARISONS = tuple(
    f"column {operator}" for operator in ("= value", "<> value", "< value", "IN values", "IS DISTINCT FROM value",
                                          "= column", "<> column", "< column", "IS DISTINCT FROM column")
)  # fmt: skip

CAPABILITIES = Capabilities(
    rules=(
        Rule("column IS NULL", NATIVE | {"enum", "text_ci", "uuid", "json", "bytes", "opaque"}),
        Rule("column", frozenset({"bool"})),
        Rule("column LIKE pattern", frozenset({"text"})),
        Rule("column LIKE pattern", AS_TEXT, emit=as_text),
        *(Rule(shape, frozenset({"text"})) for shape in ("lower(column) = value", "lower(trim(column)) = value")),
        *(Rule(shape, AS_TEXT, emit=as_text) for shape in ("lower(column) = value", "lower(trim(column)) = value")),
        *(Rule(shape, NATIVE) for shape in _COMPARISONS),
        *(Rule(shape, AS_TEXT, emit=as_text) for shape in _COMPARISONS),
        *(Rule(shape, frozenset({"text_ci"}), emit=as_bytes) for shape in _COMPARISONS),
    ),
    limit=True,
    key_kinds=NATIVE | AS_TEXT | {"text_ci", "bytes", "json", "opaque"},
    order_kinds=NATIVE,
)


def capabilities_on(kinds: frozenset[str]) -> Capabilities:
    """The table without the kinds that a source cannot have: a claim nobody can test is none."""
    rules = tuple(replace(rule, kinds=rule.kinds & kinds) for rule in CAPABILITIES.rules if rule.kinds & kinds)
    return replace(CAPABILITIES, rules=rules, key_kinds=CAPABILITIES.key_kinds & kinds, order_kinds=CAPABILITIES.order_kinds & kinds)
