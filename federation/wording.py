"""What a caller is told of an error that their own expressions ran into."""

from __future__ import annotations

import datetime as dt
import re

_KIND = re.compile(r"(?:Invalid: )?([A-Z][A-Za-z ]+?) Error: ")
_PLANNED = {"Parser", "Syntax", "Binder", "Catalog", "Not implemented", "Parameter Not Resolved", "Parameter Not Allowed"}
_TEXT = re.compile(
    r"^Conversion Error: (?:Could not convert string .* to (U?INT\d+|BOOL|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\))"
    r"|(?:invalid )?(date|timestamp|time) field (?:format|value out of range): .*)$"
)
_FORMS = {"date": "DATE (YYYY-MM-DD)", "timestamp": "TIMESTAMP (YYYY-MM-DD HH:MM:SS)", "time": "TIME (HH:MM:SS)"}
_CAST = re.compile(r" to ([A-Z]\w*(?:\([\d,]+\))?) when casting from source column (\w+)")


def said(error: BaseException) -> str:
    """DuckDB's own words for what it found before it read a row. For what came up on a row its kind, never the value: which row throws
    first hangs on the order in which rows arrive, and that on rows that a policy hides.

    >>> said(ValueError("Conversion Error: Could not convert string 'Ada' to INT32 when casting from source column first_name"))
    'Conversion Error: a value of `first_name` does not convert to INT32'
    >>> said(ValueError('Conversion Error: invalid date field format: "1.2.1980", expected format is (YYYY-MM-DD)'))
    'Conversion Error: a text is no DATE (YYYY-MM-DD)'
    >>> said(ValueError("Out of Range Error: Overflow in addition of INT64 (9 + 9223372036854775807)!"))
    'Out of Range Error: on a value of the query'
    >>> said(ValueError('Binder Error: Referenced column "x" not found'))
    'Binder Error: Referenced column "x" not found'
    """
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    kind = _KIND.match(text)
    if kind is None:
        return f"{type(error).__name__} on a value of the query"
    if kind[1] in _PLANNED:
        return text
    if (of := _TEXT.match(text)) is not None and "when casting" not in text:
        return f"Conversion Error: a text is no {of[1] or _FORMS[of[2]]}"
    cast = _CAST.search(text)
    return f"{kind[1]} Error: " + (f"a value of `{cast[2]}` does not convert to {cast[1]}" if cast else "on a value of the query")


def age(since: dt.datetime) -> str:
    """How long ago a moment (with its time zone) is, in the unit that tells it best."""
    return said_age(max(0.0, (dt.datetime.now(dt.UTC) - since).total_seconds()))


def said_age(seconds: float) -> str:
    """
    >>> said_age(42), said_age(5400), said_age(200_000)
    ('42 s', '90 min', '56 h')
    """
    for unit, size, until in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 259_200)):
        if seconds < until:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"
