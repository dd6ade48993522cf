"""Whether columns hold what they are matched as: rows with a value, and values that can be read so. Counted on what is read anyway."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from identity.loading import Loaded, form
from identity.model import MatchKey, RecordSet
from identity.probabilistic.alphabet import LETTER
from identity.probabilistic.dates import eight_digits
from identity.probabilistic.kinds import Kind
from identity.scratch import registered, scratch

MANY = 0.2
"""Beyond this share, values that do not fit are told of: a few placeholders and typing mistakes are in any data."""

# what begins with a letter is quickly seen to have one
_WORDS = "({0} >= 'A' OR REGEXP_MATCHES({0}, '[{letter}]')) AND NOT CONTAINS({0}, '@')"
_DIGIT = "{0} GLOB '*[0-9]*'"
_ISO = "[12][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]"
_SHAPES = {
    **dict.fromkeys((Kind.GIVEN, Kind.MIDDLE, Kind.FAMILY, Kind.FULL, Kind.FAMILY_FIRST, Kind.STREET, Kind.ADDRESS, Kind.CITY), _WORDS),
    Kind.GENDER: "LENGTH({0}) <= 20 AND NOT CONTAINS({0}, '@')",
    Kind.ORGANISATION: "REGEXP_MATCHES({0}, '[{letter}0-9]')",
    **dict.fromkeys((Kind.BIRTH_YEAR, Kind.BIRTH_MONTH, Kind.BIRTH_DAY, Kind.AGE, Kind.HOUSE_NUMBER, Kind.POSTCODE), _DIGIT),
}
"""SQL that is true of a value, in its normal form, that a kind can be made of."""

_READ = (Kind.EMAIL, Kind.PHONE, Kind.BIRTH_DATE, Kind.BIRTH_YEAR, Kind.BIRTH_MONTH, Kind.BIRTH_DAY)
"""Kinds of which only what can be read as such is compared."""

EXPECTED = {
    Kind.GIVEN: "given name", Kind.MIDDLE: "middle name", Kind.FAMILY: "family name", Kind.FULL: "name", Kind.FAMILY_FIRST: "name",
    Kind.SUFFIX: "name suffix", Kind.ORGANISATION: "organisation",
    Kind.BIRTH_DATE: "birth date", Kind.BIRTH_YEAR: "year", Kind.BIRTH_MONTH: "month",
    Kind.BIRTH_DAY: "day", Kind.AGE: "age", Kind.EMAIL: "e-mail address", Kind.PHONE: "telephone number", Kind.STREET: "street",
    Kind.ADDRESS: "address", Kind.HOUSE_NUMBER: "house number", Kind.CITY: "city", Kind.POSTCODE: "postal code", Kind.GENDER:
    "gender", Kind.IDENTIFIER: "identifier", Kind.TEXT: "text",
}  # fmt: skip
_FORMS = {
    "email": Kind.EMAIL, "phone": Kind.PHONE, "name": Kind.FULL, "date": Kind.BIRTH_DATE, "postcode": Kind.POSTCODE,
    "digits": Kind.IDENTIFIER,
}  # fmt: skip
"""What a rule takes an attribute for, by the stem of its normal form."""


@dataclass(frozen=True, slots=True)
class ColumnFit:
    """What `attribute` of a mapped table gives to matching: of `records` rows, `values` have a value, and `fitting` of these can be read
    as `kind` (one of Kind)."""

    entity: str
    space: str
    source: str
    table: str
    attribute: str
    kind: str
    records: int
    values: int
    fitting: int

    @property
    def empty(self) -> bool:
        """Whether there are rows and none has a value."""
        return bool(self.records) and not self.values

    @property
    def doubtful(self) -> bool:
        """Whether many values are not what they are taken for."""
        return self.values - self.fitting > MANY * self.values

    @property
    def told(self) -> str:
        """What is odd, in words; "" if nothing is."""
        place = f"{self.source}.{self.table}: `{self.attribute}`"
        if self.empty:
            return f"{place} has no value in any of {self.records:,} rows: it is not compared there"
        if not self.doubtful:
            return ""
        unfit = self.values - self.fitting
        said = f"{unfit:,} of {self.values:,} values are" if self.fitting else f"none of {self.values:,} values is"
        lost = "such values count for nothing" if Kind(self.kind) in _READ else "they are compared all the same"
        return f"{place}: {said} {'no' if self.fitting else article(self.expected)} {self.expected}; {lost}"

    @property
    def expected(self) -> str:
        """What a value should be, in words."""
        return EXPECTED[Kind(self.kind)]


def taken_for(wanted: Iterable[MatchKey], kinds: Mapping[MatchKey, Kind]) -> dict[str, tuple[MatchKey, Kind]]:
    """What each attribute is matched as: by the model's `kinds`, else by the normal form in which a rule compares it."""
    found: dict[str, tuple[MatchKey, Kind]] = {}
    for key in sorted(wanted, key=lambda k: k not in kinds):
        kind = kinds.get(key) or _FORMS.get(key.normal.partition("(")[0], Kind.TEXT)
        found.setdefault(key.attribute, (key, kind))
    return found


def column_fits(
    con: duckdb.DuckDBPyConnection, loaded: Sequence[Loaded], columns: Mapping[MatchKey, str], kinds: Mapping[MatchKey, Kind]
) -> tuple[ColumnFit, ...]:
    """The fit of each attribute of each table that was read; one pass over the normal forms of each."""
    taken = taken_for(columns, kinds)
    return tuple(fit for one in loaded for fit in _fits(con, one.table, one.records, one.count, one.values, columns, taken))


def sampled_fits(records: RecordSet, rows: pa.Table, wanted: Iterable[MatchKey], kinds: Mapping[MatchKey, Kind]) -> tuple[ColumnFit, ...]:
    """The fit of each attribute in some rows of a record set."""
    columns = {key: f"n{i}" for i, key in enumerate(wanted)}
    with scratch("256MiB", 1) as con, registered(con, "incoming", rows):
        forms = ", ".join(f"{form(records, key)} AS {column}" for key, column in columns.items()) or "1 AS one"
        con.execute(f"CREATE TABLE sampled AS SELECT {forms} FROM incoming")
        values = {name: rows.num_rows - rows.column(name).null_count for name in records.attributes}
        return tuple(_fits(con, "sampled", records, rows.num_rows, values, columns, taken_for(columns, kinds)))


def _fits(
    con: duckdb.DuckDBPyConnection, table: str, records: RecordSet, count: int, values: Mapping[str, int],
    columns: Mapping[MatchKey, str], taken: Mapping[str, tuple[MatchKey, Kind]],
) -> Iterator[ColumnFit]:  # fmt: skip
    """`values`: of each attribute, the rows that have a value as it stands in the source."""
    here = {name: taken[name] for name in records.attributes if name in taken}
    if not here or not count:
        return
    counts = [f"count({columns[key]}), count(*) FILTER ({shape(kind, key.normal, columns[key])})" for key, kind in here.values()]
    (row,) = con.execute(f"SELECT {', '.join(counts)} FROM {table}").fetchall()
    for i, (name, (key, kind)) in enumerate(here.items()):
        formed, fitting = row[2 * i], row[2 * i + 1]
        # a form that takes any text leaves out only what stands for nothing ("n/a"): that is no value
        there = formed if key.normal in ("lower", "exact") else max(values.get(name, formed), formed)
        yield ColumnFit(*records.place, name, kind.value, count, there, fitting)


def shape(kind: Kind, normal: str, value: str) -> str:
    """SQL: whether `value`, in its normal form, is what the kind is made of."""
    if kind is Kind.BIRTH_DATE and normal == "exact":
        return f"CASE WHEN {value} GLOB '{_ISO}' THEN {value} ELSE {eight_digits(value, ())} END BETWEEN '18' AND '22'"
    return _SHAPES.get(kind, "{0} IS NOT NULL").format(value, letter=LETTER)


def article(noun: str) -> str:
    """a or an.

    >>> article("e-mail address"), article("city")
    ('an', 'a')
    """
    return "an" if noun[0] in "aeiou" else "a"
