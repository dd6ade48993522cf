"""Which predicates SQLite answers as DuckDB would.

Text is always compared with COLLATE BINARY: a column's own NOCASE or RTRIM must not decide, and an index on a plain column
still serves. LIKE folds ASCII case in SQLite, so it becomes GLOB, which does not.
"""

from __future__ import annotations

from sqlglot import exp

from connectors.spi import Capabilities, Rule, Support

_NUMBERS = frozenset({"int", "double"})
_BINARY = frozenset({"text"})
_TEXTS = frozenset({"mixed"})
_ALL = frozenset({"int", "double", "decimal", "bool", "text", "date", "timestamp", "json", "bytes", "mixed", "opaque"})


def _binary(atom: exp.Expr) -> exp.Expr:
    """Every column in the atom gets COLLATE BINARY."""
    return atom.transform(lambda n: exp.Collate(this=n.copy(), expression=exp.var("BINARY")) if isinstance(n, exp.Column) else n)


def _as_text(atom: exp.Expr) -> exp.Expr:
    return atom.transform(lambda n: exp.cast(n.copy(), "text") if isinstance(n, exp.Column) else n)


def _glob(atom: exp.Expr) -> exp.Expr:
    """`%` and `_` become `*` and `?`; what GLOB would read as a pattern is put in a class of its own."""
    pattern = atom.expression.name
    meaning = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
    return exp.Glob(this=atom.this, expression=exp.Literal.string("".join(meaning.get(c, c) for c in pattern)))


def _lower(atom: exp.Expr) -> exp.Expr:
    """SQLite's lower() knows ASCII only: whatever holds another character is let through for the engine to judge."""
    column = atom.find(exp.Column) or atom.this.this
    blob = exp.Length(this=exp.cast(column.copy(), "blob"))
    return exp.or_(_binary(atom), exp.Length(this=column.copy()).neq(blob))


def _day(placeholder: exp.Expr) -> exp.Expr:
    return exp.func("SUBSTR", placeholder.copy(), exp.Literal.number(1), exp.Literal.number(10))


def _by_day(atom: exp.Expr) -> exp.Expr:
    """Compare the day only. Stored forms differ after it (a `T`, a fraction), and `~` sorts above all of them."""
    column = atom.this
    after = {id(v): exp.DPipe(this=_day(v), expression=exp.Literal.string("~")) for v in atom.find_all(exp.Placeholder)}
    match atom:
        case exp.Between(args={"low": low, "high": high}):
            return exp.and_(column >= _day(low), column < after[id(high)])
        case exp.EQ(expression=value):
            return exp.and_(column >= _day(value), column < after[id(value)])
        case exp.GT(expression=value) | exp.GTE(expression=value):
            return exp.GTE(this=column, expression=_day(value))
        case exp.LT(expression=value) | exp.LTE(expression=value):
            return exp.LT(this=column, expression=after[id(value)])
    raise AssertionError(f"no rule leads here: {atom!r}")


def _widened(atom: exp.Expr) -> exp.Expr:
    """Rounding a decimal to a double keeps the order but may make two equal: `<` must let the equal through."""
    strict: dict[type[exp.Expr], type[exp.Binary]] = {exp.LT: exp.LTE, exp.GT: exp.GTE}
    wider = strict.get(type(atom))
    return wider(this=atom.this, expression=atom.expression) if wider else atom


_COMPARE = ("column = value", "column <> value", "column < value", "column IN values", "column IS DISTINCT FROM value")

CAPABILITIES = Capabilities(
    rules=(
        Rule("column IS NULL", _ALL),
        Rule("column", frozenset({"bool"})),
        *(Rule(shape, _NUMBERS) for shape in _COMPARE),
        *(Rule(f"column {op} column", frozenset({"int"})) for op in ("=", "<>", "<", "IS DISTINCT FROM")),
        *(Rule(shape, frozenset({"bool", "date"})) for shape in _COMPARE),
        *(Rule(shape, _BINARY, emit=_binary) for shape in _COMPARE),
        *(Rule(f"column {op} column", _BINARY, emit=_binary) for op in ("=", "<>", "<", "IS DISTINCT FROM")),
        Rule("column LIKE pattern", _BINARY, emit=_glob),
        *(
            Rule(shape, _BINARY, Support.SUPERSET, _lower, "lower() knows ASCII only")
            for shape in ("lower(column) = value", "lower(trim(column)) = value")
        ),
        *(Rule(shape, _TEXTS, emit=_as_text) for shape in ("column = value", "column <> value", "column IN values")),
        *(
            Rule(shape, frozenset({"decimal"}), Support.SUPERSET, _widened, "decimals are stored as doubles")
            for shape in ("column = value", "column < value", "column IN values")
        ),
        *(
            Rule(shape, frozenset({"timestamp"}), Support.SUPERSET, _by_day, "compared by day: stored forms differ after it")
            for shape in ("column = value", "column < value")
        ),
    ),
    key_kinds=frozenset({"int", "text", "date", "bool", "mixed"}),
    limit=True,
    order_kinds=frozenset({"int", "double", "decimal", "bool", "date", "text"}),
)
