"""Values that stand for "nothing" by their form alone: 'n/a' for a name, 000-0000, 1900-01-01, an e-mail address without an @.

Their normal form (identity.normalise) is NULL, so they match nobody. Here that is told of a value as it stands, by an expression that costs
a fraction of its normal form: a golden record is put together from every record that is read.
"""

from __future__ import annotations

from sqlglot import exp

from identity.normalise import NO_DATES, NOTHING

_SAME_DIGIT = "|".join(f"(?:{d}[^0-9]*)+" for d in range(10))
_NO_NUMBER = rf"^[^0-9]*(?:{_SAME_DIGIT}|1[^0-9]*2[^0-9]*3[^0-9]*4[^0-9]*5[^0-9]*6[^0-9]*7[^0-9]*(?:8[^0-9]*(?:9[^0-9]*0?[^0-9]*)?)?)?$"
_EMAIL = r"^\s*[^@\s]+@[^@\s]+\.[^@\s.]+\s*$"


def placeholder(normal: str, value: exp.Expr, type_: str) -> exp.Expr:
    """Whether `value`, of an attribute of DuckDB type `type_` that is matched in the form `normal`, stands for nothing. NULL of NULL;
    never throws.

    >>> placeholder("email", exp.column("mail"), "VARCHAR").sql("duckdb")
    "NOT REGEXP_MATCHES(mail, '^\\\\s*[^@\\\\s]+@[^@\\\\s]+\\\\.[^@\\\\s.]+\\\\s*$')"
    >>> placeholder("date", exp.column("born"), "DATE").sql("duckdb")[:46]
    "born IN (CAST('0001-01-01' AS DATE), CAST('190"
    """
    if normal.startswith("date"):
        if type_ == "DATE":
            return exp.In(this=value.copy(), expressions=[exp.cast(exp.Literal.string(d), "DATE") for d in NO_DATES])
        return exp.In(this=exp.Left(this=_text(value, type_), expression=exp.Literal.number(10)), expressions=_strings(NO_DATES))
    if normal.startswith("email"):
        return exp.not_(_matches(value, type_, _EMAIL))
    if normal.startswith("phone") or normal == "digits":
        return _matches(value, type_, _NO_NUMBER)
    return _matches(value, type_, NOTHING)


def _matches(value: exp.Expr, type_: str, pattern: str) -> exp.Expr:
    return exp.RegexpLike(this=_text(value, type_), expression=exp.Literal.string(pattern))


def _text(value: exp.Expr, type_: str) -> exp.Expr:
    return value.copy() if type_ == "VARCHAR" else exp.cast(value.copy(), "VARCHAR")


def _strings(values: tuple[str, ...]) -> list[exp.Expr]:
    return [exp.Literal.string(v[:10]) for v in values]
