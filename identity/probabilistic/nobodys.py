"""Values that a model knows to be nobody's (identity.probabilistic.hygiene): exact rules do not link by them, and queries pass over them.

A model keeps keyed hashes of them, so whoever asks needs the project's secret; and a query a function of Python's, since DuckDB has no
keyed hash.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from duckdb.func import PythonUDFType
from sqlglot import exp, parse_one

from identity.clustering import Ints, among, distinct
from identity.keyed import UInts, key_for, keyed, probe, siphash_of_one
from identity.model import MatchModel, MatchRule
from identity.normalise import normalised
from identity.probabilistic.dates import eight_digits
from identity.probabilistic.kinds import Field, Kind
from identity.probabilistic.model import Trained
from identity.probabilistic.prepare import letters_and_digits, normal_form, without_trunk

_COLUMNS = {Kind.EMAIL: "email", Kind.PHONE: "phone", Kind.BIRTH_DATE: "dob"}
_LOCAL, _DOMAIN = "split_part(split_part({0}, '@', 1), '+', 1)", "split_part({0}, '@', 2)"
_MAILBOX = (
    f"CASE WHEN starts_with({{0}}, '+') THEN {{0}} "  # a tag of nothing is none
    f"WHEN {_DOMAIN} IN ('gmail.com', 'googlemail.com') AND ltrim({_LOCAL}, '.') <> '' THEN replace({_LOCAL}, '.', '') || '@gmail.com' "
    f"ELSE {_LOCAL} || '@' || {_DOMAIN} END"
)
"""email(drop_tags, provider) without a regular expression: compiling those is most of what a question about one person would cost."""


def unlinked(
    con: duckdb.DuckDBPyConnection,
    rows: str,
    rules: Sequence[MatchRule],
    fields: Sequence[tuple[Field, str]],
    month_first: Sequence[int],
    known: Mapping[str, UInts],
    secret: bytes,
) -> pa.Table:
    """(rule, rec): which records exact rules do not link, since a value that the rule asks for is nobody's.

    `rows` and `fields` are what `prepare` makes its columns of; `known` are the keyed hashes of nobody's values by column.
    """
    identifiers = [field.attribute for field, _ in fields if field.kind is Kind.IDENTIFIER]
    asked = {part.attribute for rule in rules for part in rule.parts}
    values, nobodys = dict(fields), dict[str, Ints]()
    for field, column in _columns(values, identifiers, known).items():
        if field.attribute in asked:
            value = values[field]
            prepared = {"email": _MAILBOX.format(value), "phone": without_trunk(value), "dob": eight_digits(value, month_first)}
            made = prepared.get(column) or letters_and_digits(value)
            found = con.execute(f"SELECT rec, hash({made}) AS h FROM {rows} WHERE {value} IS NOT NULL").fetchnumpy()
            hashed = keyed(np.asarray(found["h"], np.uint64), secret, column)
            nobodys[field.attribute] = np.asarray(found["rec"], np.int64)[among(hashed, np.sort(known[column]))]
    names, recs = [""], [np.empty(0, np.int64)]
    for rule in rules:
        names.append(rule.name)
        recs.append(distinct(recs[0], *(nobodys[part.attribute] for part in rule.parts if part.attribute in nobodys)))
    which = np.repeat(np.arange(len(names)), [len(r) for r in recs])
    return pa.table({"rule": pa.array(names).take(pa.array(which)), "rec": np.concatenate(recs)})


class Told:
    """Whether a value is among some, by DuckDB's hash of it; `values` are their keyed hashes, in order."""

    def __init__(self, values: UInts, secret: bytes, column: str) -> None:
        self._values, self._secret, self._column = values, secret, column
        self._known = frozenset(values.tolist())
        self._key = key_for(secret, column)

    def of_batch(self, hashes: pa.Array) -> pa.Array:
        """The same of each of some."""
        return pa.array(among(keyed(np.asarray(hashes, np.uint64), self._secret, self._column), self._values))

    def of_one(self, hashed: int) -> bool:
        """The same of one, in a tenth of the time that numpy takes for it."""
        return siphash_of_one(hashed, self._key) in self._known


@dataclass(frozen=True, slots=True)
class Nobodys:
    """`tests`: attribute → whether a record's value (a column of that name) is nobody's, as SQL that calls `functions` (by name) with
    DuckDB's hash of it."""

    tests: Mapping[str, exp.Expr]
    functions: Mapping[str, Told]


def known_nobodys(trained: Trained, digest: str, weighed: MatchModel, secret: bytes) -> Nobodys:
    """What a model with a `digest` knows of the attributes of its entity, as they are `weighed`.

    Nothing if its hashes were made otherwise than here: under another secret, by another release of DuckDB.
    """
    if not trained.known.generic or trained.known.probe != probe(secret):
        return Nobodys({}, {})
    tests: dict[str, exp.Expr] = {}
    functions: dict[str, Told] = {}
    identifiers = [name for name, kind in trained.attributes if kind == Kind.IDENTIFIER]
    for field, column in _columns(weighed.fields, identifiers, trained.known.generic).items():
        name = f"c360_nobodys_{digest}_{column}"
        functions[name] = Told(trained.known.generic[column], secret, column)
        made = _prepared(field, weighed.normals.get(field.attribute, ""), column)
        tests[field.attribute] = exp.Anonymous(this=name, expressions=[exp.Anonymous(this="hash", expressions=[made])])
    return Nobodys(tests, functions)


def learn(con: duckdb.DuckDBPyConnection, functions: Mapping[str, Told], *, few: bool) -> None:
    """Make functions known to the DuckDB of a connection; `few`: for a few rows at a time, where a batch of Arrow's costs half a
    millisecond and a call for each row none."""
    for name, told in functions.items():
        if few:
            con.create_function(name, told.of_one, ["UBIGINT"], "BOOLEAN", type=PythonUDFType.NATIVE)
        else:
            con.create_function(name, told.of_batch, ["UBIGINT"], "BOOLEAN", type=PythonUDFType.ARROW)


def _columns(fields: Iterable[Field], identifiers: Sequence[str], known: Container[str]) -> dict[Field, str]:
    """The fields of whose values some are `known` to be nobody's, and by which of the model's columns; `identifiers` are its own, in
    order."""
    found = {field: _COLUMNS.get(field.kind, "") for field in fields}
    found |= {field: f"id_{identifiers.index(field.attribute)}" for field in fields if field.attribute in identifiers}
    return {field: column for field, column in found.items() if column in known}


def _prepared(field: Field, own: str, column: str) -> exp.Expr:
    """A record's value as the model's column has it (identity.probabilistic.prepare), wherever that is one of those kept; `own` is the
    attribute's normal form."""
    value = exp.column(field.attribute, quoted=True)
    text = f"{value.sql('duckdb')}::VARCHAR"
    normal = normalised(normal_form(field.kind, own), value).sql("duckdb")
    made = {
        "email": _MAILBOX.format(f"lower(trim({text}))"),
        "phone": without_trunk(normal),
        "dob": f"replace(left({text}, 10), '-', '')",  # ISO alone: reading all the ways to write a date takes a hundred times as long
    }
    return parse_one(made.get(column) or letters_and_digits(normal), read="duckdb")
