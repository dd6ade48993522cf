"""Whether the answers of two systems are the same: as sets of rows, after values are brought into one form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

import pyarrow as pa

from benchmarks.questions import Question

Rows = Counter[tuple[object, ...]]


def rows(table: pa.Table, question: Question, people: Mapping[int, int] | None = None) -> Rows:
    """The rows of an answer, each with how often it is there; `people` translates its id360 into the truth's number."""
    here = set(table.column_names)
    columns = []
    for name in question.answer or table.column_names:
        values = table.column(name if name in here else question.names[name]).to_pylist()
        if name == "id360" and people is not None:
            values = [people[value] for value in values]
        columns.append([one_form(value) for value in values])
    return Counter(zip(*columns, strict=True))


def one_form(value: object) -> object:
    """A number as Decimal whatever its type (text too: PostgreSQL's numeric travels as text), a time as naive UTC.

    >>> one_form("12.50") == one_form(Decimal("12.5")) == one_form(12.5)
    True
    >>> one_form(date(2026, 1, 1)) == one_form(datetime(2026, 1, 1, tzinfo=UTC))
    True
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    if isinstance(value, int | float | Decimal | str):
        try:
            number = Decimal(str(value))
            return number.normalize() if number.is_finite() else value
        except InvalidOperation:
            return value
    return value


def difference(question: Question, expected: Rows, found: Rows, allowed: Rows | None) -> str:
    """Why `found` is not the answer, or "". `allowed`: the rows of the question without its LIMIT."""
    if allowed is not None:
        if found.total() != expected.total():
            return f"{found.total()} rows instead of {expected.total()}"
        return "" if found <= allowed else f"{(found - allowed).total()} rows that the whole answer does not hold"
    if found == expected:
        return ""
    return f"{(found - expected).total()} rows too many, {(expected - found).total()} missing"
