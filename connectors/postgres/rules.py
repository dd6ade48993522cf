"""Which predicates PostgreSQL answers as DuckDB would: `=` under a deterministic collation is equality of bytes, `<` is not
their order unless the collation is C; a char(n), an enum and a citext are compared as the text they are read as.
"""

from __future__ import annotations

from sqlglot import exp

from connectors.spi import Capabilities, Rule, Support

_PLAIN = frozenset({"int", "decimal", "double", "bool", "date", "timestamp", "timestamptz"})
_TEXTS = frozenset({"text", "text_locale"})
_CAST = frozenset({"text_ci", "char", "enum", "uuid"})
_ALL = _PLAIN | _TEXTS | _CAST | {"float", "json", "bytes", "opaque"}
_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


def _by_code_point(atom: exp.Expr) -> exp.Expr:
    """Every column gets COLLATE "C": order by bytes, as in DuckDB."""
    return atom.transform(lambda n: _c(n.copy()) if isinstance(n, exp.Column) else n)


def _as_text(atom: exp.Expr) -> exp.Expr:
    """Every column is compared as the text it is read as, by its bytes."""
    return atom.transform(lambda n: _c(exp.cast(n.copy(), "text")) if isinstance(n, exp.Column) else n)


def _c(operand: exp.Expr) -> exp.Expr:
    return exp.Collate(this=operand, expression=exp.to_identifier("C", quoted=True))


def _char_equal(atom: exp.Expr) -> exp.Expr:
    """Padded comparison first: it holds wherever the exact one does, and an index on the column serves it."""
    padded = exp.EQ(this=atom.this.copy(), expression=exp.cast(atom.expression.copy(), "bpchar"))
    return exp.and_(padded, _as_text(atom))


def _uuid_equal(atom: exp.Expr) -> exp.Expr:
    """As uuid only if the text is one in the canonical form (any other text equals none, and must not throw); an index serves it."""
    value = atom.expression
    canonical = exp.RegexpLike(this=value.copy(), expression=exp.Literal.string(_UUID))
    as_uuid = exp.Case().when(canonical, exp.cast(value.copy(), "uuid"))
    return exp.and_(exp.EQ(this=atom.this.copy(), expression=as_uuid), _as_text(atom))


def _lower(atom: exp.Expr) -> exp.Expr:
    """lower() depends on the database's locale outside ASCII: rows with any other character are let through for the engine to judge."""
    text = exp.cast((atom.find(exp.Column) or atom.this.this).copy(), "text")
    beyond_ascii = exp.func("OCTET_LENGTH", text.copy()).neq(exp.func("CHAR_LENGTH", text.copy()))
    return exp.or_(_as_text(atom), beyond_ascii)


_COMPARE = ("column = value", "column <> value", "column < value", "column IN values", "column IS DISTINCT FROM value")
_COLUMNS = tuple(f"column {op} column" for op in ("=", "<>", "<", "IS DISTINCT FROM"))
_RANGE = "column < value"

CAPABILITIES = Capabilities(
    rules=(
        Rule("column IS NULL", _ALL),
        Rule("column", frozenset({"bool"})),
        *(Rule(shape, _PLAIN) for shape in (*_COMPARE, *_COLUMNS)),
        *(Rule(shape, _TEXTS) for shape in _COMPARE if shape != _RANGE),
        Rule(_RANGE, frozenset({"text"}), note="code point order already: an index serves it"),
        Rule(_RANGE, frozenset({"text_locale"}), emit=_by_code_point, note="13 to 35 of 60 rows wrong under ICU en-US without COLLATE"),
        *(Rule(shape, _TEXTS, emit=_by_code_point, note="two collations in one comparison are an error") for shape in _COLUMNS),
        Rule("column LIKE pattern", _TEXTS),
        Rule("column LIKE pattern", _CAST - {"uuid"}, emit=_as_text),
        Rule("column = value", frozenset({"char"}), emit=_char_equal),
        Rule("column = value", frozenset({"uuid"}), emit=_uuid_equal),
        Rule("column = value", frozenset({"text_ci", "enum"}), emit=_as_text),
        *(Rule(shape, _CAST, emit=_as_text) for shape in (*_COMPARE[1:], *_COLUMNS)),
        *(
            Rule(shape, _TEXTS | {"text_ci", "char"}, Support.SUPERSET, _lower, "lower() follows the database's locale")
            for shape in ("lower(column) = value", "lower(trim(column)) = value")
        ),
    ),
    key_kinds=frozenset({"int", "decimal", "bool", "date", "timestamp", "timestamptz"}) | _TEXTS | _CAST,
    limit=True,
    order_kinds=_PLAIN | _TEXTS | _CAST,
)
