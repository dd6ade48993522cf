"""Which predicates a source answers as DuckDB would: capabilities as data, and the one function that reads them.

A predicate's *shape* is its form with the names and values taken out: `"email" = $p1` has the shape `column = value`.
A rule says, for a shape on a column kind, whether the source returns exactly the rows DuckDB would keep, a superset of them,
or cannot be trusted. What has no rule stays local. Rules are per shape, never per function name only: a function may be
safe on one side of an operator and not on the other.

The vocabulary of shapes (every value is a bound parameter of the column's own family, so no comparison can throw):

    column = value        column <> value       column < value (all four, and BETWEEN)    column IN values
    column IS NULL        column LIKE pattern (literal, no backslash, no ESCAPE)          column IS DISTINCT FROM value
    column (a boolean)    lower(column) = value (and IN)                                  column = column (and <, <>)
    lower(trim(column)) = value (and IN): trim takes off spaces only
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa
from sqlglot import exp

from connectors.spi.schema import Column

Emit = Callable[[exp.Expr], exp.Expr]


class Support(StrEnum):
    """What a source's answer to a predicate is worth."""

    EXACT = "exact"  # the rows DuckDB would keep, no more, no fewer
    SUPERSET = "superset"  # those and perhaps more: the engine must check again; worthless under NOT
    LOCAL = "local"  # not to be asked

    def __and__(self, other: Support) -> Support:
        return max(self, other, key=_STRENGTH.index)


_STRENGTH = [Support.EXACT, Support.SUPERSET, Support.LOCAL]


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a capability table. `emit` rewrites the atom into the form that is safe at the source (default: as it is).

    `note` gives the evidence: the counter-example seen, or where the claim was executed.
    """

    shape: str
    kinds: frozenset[str]
    support: Support = Support.EXACT
    emit: Emit | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """`emitted` is what to send (None if local); `reason` says why a predicate is not exact, for `explain`."""

    support: Support
    emitted: exp.Expr | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """A source's table of rules, and whether it takes key lists, orders and limits.

    `keys`: it can be asked by a list of keys. `key_kinds`: the column kinds on which a list is matched as DuckDB would; `max_keys`:
    the longest list worth sending in one fragment. `order_kinds`: ORDER BY on these kinds gives DuckDB's order (NULL placement
    included). `limit`: it stops after so many rows.
    """

    rules: tuple[Rule, ...] = ()
    keys: bool = True
    key_kinds: frozenset[str] = frozenset({"int", "text", "uuid", "date"})
    max_keys: int = 100_000
    limit: bool = False
    order_kinds: frozenset[str] = frozenset()

    def judge(self, predicate: exp.Expr, columns: Mapping[str, Column], params: Mapping[str, pa.DataType]) -> Judgement:
        """Judge a boolean expression over unqualified columns of one table.

        >>> caps = Capabilities((Rule("column = value", frozenset({"int"})),))
        >>> columns = {"id": Column("id", pa.int64(), "int")}
        >>> caps.judge(exp.column("id").eq(exp.Placeholder(this="p")), columns, {"p": pa.int64()}).support
        <Support.EXACT: 'exact'>
        >>> caps.judge(exp.column("id").is_(exp.null()), columns, {}).reason
        'no rule for column IS NULL on int'
        """
        match predicate:
            case exp.Paren():
                return self.judge(predicate.this, columns, params)
            case exp.And() | exp.Or():
                left = self.judge(predicate.left, columns, params)
                right = self.judge(predicate.right, columns, params)
                return _both(predicate, left, right)
            case exp.Not():
                inner = self.judge(predicate.this, columns, params)
                if inner.support is not Support.EXACT or inner.emitted is None:
                    return Judgement(Support.LOCAL, reason=inner.reason or f"NOT over a superset ({predicate.sql('duckdb')})")
                return Judgement(Support.EXACT, exp.not_(exp.paren(inner.emitted)))
        return self._atom(predicate, columns, params)

    def _atom(self, atom: exp.Expr, columns: Mapping[str, Column], params: Mapping[str, pa.DataType]) -> Judgement:
        seen = shape_of(atom, {name: c.kind for name, c in columns.items()}, params)
        if seen is None:
            return Judgement(Support.LOCAL, reason=f"no safe shape: {atom.sql('duckdb')}")
        for rule in self.rules:
            if rule.shape == seen.shape and seen.kind in rule.kinds:
                if rule.support is Support.LOCAL:
                    return Judgement(Support.LOCAL, reason=rule.note or f"{seen.shape} on {seen.kind} is local here")
                emitted = rule.emit(atom.copy()) if rule.emit else atom.copy()
                return Judgement(rule.support, emitted, "" if rule.support is Support.EXACT else rule.note)
        return Judgement(Support.LOCAL, reason=f"no rule for {seen.shape} on {seen.kind}")


def _both(node: exp.Expr, left: Judgement, right: Judgement) -> Judgement:
    support = left.support & right.support
    if left.emitted is not None and right.emitted is not None:
        joined = type(node)(this=exp.paren(left.emitted), expression=exp.paren(right.emitted))
        return Judgement(support, joined, left.reason or right.reason)
    known = left.emitted if left.emitted is not None else right.emitted
    if isinstance(node, exp.And) and known is not None:  # half of an AND still narrows
        return Judgement(Support.SUPERSET, known, left.reason or right.reason)
    return Judgement(Support.LOCAL, reason=left.reason or right.reason)


@dataclass(frozen=True, slots=True)
class Seen:
    """An atom's shape and the kind of the column it is about."""

    shape: str
    kind: str


COMPARISONS: Mapping[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<", exp.GT: "<", exp.GTE: "<",
    exp.NullSafeNEQ: "IS DISTINCT FROM", exp.NullSafeEQ: "IS DISTINCT FROM",
}  # fmt: skip

FAMILIES: Mapping[str, frozenset[str]] = {
    "int": frozenset({"int"}),
    "decimal": frozenset({"int", "decimal"}),
    "double": frozenset({"int", "decimal", "double"}),
    "float": frozenset({"int", "decimal", "double"}),
    **{kind: frozenset({"text"}) for kind in ("text", "text_locale", "text_ci", "char", "enum", "uuid", "mixed")},
    **{kind: frozenset({kind}) for kind in ("bool", "date", "time", "timestamp", "timestamptz")},
}
"""The value families a column of a kind can be compared with, without a cast that may throw."""


def shape_of(atom: exp.Expr, kinds: Mapping[str, str], params: Mapping[str, pa.DataType]) -> Seen | None:
    """The shape of an atom, or None if it has none in the vocabulary. Whatever has a shape is *total*: it cannot throw."""
    match atom:
        case exp.Column():
            return Seen("column", "bool") if kinds.get(atom.name) == "bool" else None
        case exp.Is(this=exp.Column() as column, expression=exp.Null()):
            kind = kinds.get(column.name)
            return Seen("column IS NULL", kind) if kind else None
        case exp.Like(args={"negate": True}):
            return None  # NOT LIKE in one node: whoever plans writes it as NOT over LIKE
        case exp.Like(this=exp.Column() as column, expression=exp.Literal() as pattern) if pattern.is_string and "\\" not in pattern.name:
            kind = kinds.get(column.name)
            return Seen("column LIKE pattern", kind) if kind and "text" in FAMILIES.get(kind, ()) else None
        case exp.Between(this=left, args={"low": low, "high": high}):
            return _compared(left, "<", (low, high), kinds, params)
        case exp.In(this=left, expressions=values) if values and not atom.args.get("query") and not atom.args.get("unnest"):
            return _compared(left, "IN", tuple(values), kinds, params)
    operator = COMPARISONS.get(type(atom))
    return _compared(atom.this, operator, (atom.expression,), kinds, params) if operator else None


def _compared(
    left: exp.Expr, operator: str, values: tuple[exp.Expr, ...], kinds: Mapping[str, str], params: Mapping[str, pa.DataType]
) -> Seen | None:
    lowered = isinstance(left, exp.Lower)
    column = left.this if lowered else left
    trimmed = lowered and isinstance(column, exp.Trim) and not any(column.args.get(a) for a in ("expression", "position", "collation"))
    column = column.this if trimmed else column
    kind = kinds.get(column.name) if isinstance(column, exp.Column) else None
    if kind is None:
        return None
    if isinstance(values[0], exp.Column) and not lowered:
        return Seen(f"column {operator} column", kind) if kinds.get(values[0].name) == kind else None
    allowed = FAMILIES.get(kind, frozenset())
    if not all(isinstance(v, exp.Placeholder) and family(params.get(v.name)) in allowed for v in values):
        return None
    if lowered:
        shape = "lower(trim(column)) = value" if trimmed else "lower(column) = value"
        return Seen(shape, kind) if operator in ("=", "IN") and "text" in allowed else None
    return Seen("column IN values" if operator == "IN" else f"column {operator} value", kind)


def family(type_: pa.DataType | None) -> str:
    """The value family of an Arrow type: int, decimal, double, text, bool, date, time, timestamp, timestamptz, or ''."""
    if type_ is None:
        return ""
    checks: tuple[tuple[str, Callable[[pa.DataType], bool]], ...] = (
        ("bool", pa.types.is_boolean), ("int", pa.types.is_integer), ("decimal", pa.types.is_decimal),
        ("double", pa.types.is_floating), ("date", pa.types.is_date), ("time", pa.types.is_time),
    )  # fmt: skip
    for name, check in checks:
        if check(type_):
            return name
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return "text"
    if pa.types.is_timestamp(type_):
        return "timestamptz" if type_.tz else "timestamp"
    return ""
