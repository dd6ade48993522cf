"""Propose mappings from a live schema: names and types of columns, scored against the attributes of the standard objects.

Reads no row. What it proposes is a start for a person to look over, and says what it is unsure of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from connectors.spi import Column, Table
from federation.proposal_words import ATTRIBUTE_WORDS, KINDS, OBJECT_WORDS
from identity.probabilistic.kinds import kind_of
from views.model import Attribute, ObjectType

FITS: Mapping[str, frozenset[str]] = {
    "VARCHAR": frozenset({"text", "text_locale", "text_ci", "char", "enum", "uuid", "int", "mixed", "json", "opaque"}),
    "BIGINT": frozenset({"int"}),
    "DOUBLE": frozenset({"int", "decimal", "double", "float"}),
    "DECIMAL": frozenset({"int", "decimal", "double", "float"}),
    "BOOLEAN": frozenset({"bool", "int"}),
    "DATE": frozenset({"date", "timestamp", "timestamptz"}),
    "TIMESTAMP": frozenset({"timestamp", "timestamptz", "date"}),
    "JSON": frozenset({"json", "text"}),
}
"""Kinds of columns that an attribute's type takes as they are; text is tried with a cast."""

GOOD = 82.0  # a score (0..100) from which a column is proposed for an attribute
SURE = 93.0  # below it the proposal says that it is one to look at
TABLE = 78.0  # a score from which a table's name speaks for an object
KNOWN = 90.0  # the score of a column that identity resolution knows by its name, in any of its languages


DELETED_AT = ("deleted_at", "deleted_on", "deleted", "deletion_date", "date_deleted", "delete_date", "removed_at", "geloescht_am")
DELETED = ("is_deleted", "deleted", "is_removed", "removed", "soft_deleted", "deleted_flag", "geloescht")
"""What columns are called that mark rows as deleted, by a moment or by a flag."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A column proposed for an attribute; `cast` says that its text must be read as the attribute's type."""

    attribute: Attribute
    column: Column
    score: float
    cast: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """A mapping proposed for a table. `person` is a foreign key (table, column) if `by_table`, else an identifier (name, column),
    or None. `references` are foreign keys to other objects: attribute → column.

    `deleted` is a column that marks rows as deleted. `unsure` are remarks for whoever looks it over; `unused` the columns that nothing
    was found for.
    """

    source: str
    table: Table
    object: ObjectType
    key: tuple[str, ...]
    person: tuple[str, str] | None
    by_table: bool
    references: Mapping[str, str]
    choices: tuple[Choice, ...]
    deleted: Column | None
    unsure: tuple[str, ...]
    unused: tuple[str, ...]


def propose(source: str, tables: Sequence[Table], objects: Mapping[str, ObjectType]) -> tuple[list[Proposal], list[str]]:
    """Proposals for the tables of a source, people first, and the names of tables that look like no object."""
    chosen = {t.name: best for t in tables if (best := best_object(t, objects)) is not None}
    of: dict[str, list[Table]] = {}
    for table in tables:
        if table.name in chosen:
            of.setdefault(chosen[table.name].name, []).append(table)
    proposals = [_proposal(source, t, chosen[t.name], of) for t in tables if t.name in chosen]
    proposals.sort(key=lambda p: (not p.object.entity, p.object.name, p.table.name))
    return proposals, [t.name for t in tables if t.name not in chosen]


def best_object(table: Table, objects: Mapping[str, ObjectType]) -> ObjectType | None:
    """The object that a table is most likely about: by its name, and by how many of its columns find an attribute."""
    best, most = None, 0.0
    for thing in objects.values():
        named, choices = table_score(table.name, thing), choose(table, thing)
        share = len(choices) / max(1, len(table.columns))
        of_people = share >= 0.6 and thing.name == "individual" and any(c.attribute.identifier for c in choices)
        score = named + 45 * share + (15 if thing.entity and named >= TABLE else 0)
        if of_people and {"first_name", "last_name"} <= {c.attribute.name for c in choices}:
            score += 80  # a list of people, whatever it is called: a newsletter's subscribers are no mailings
        if (named >= (TABLE if choices else SURE) or of_people) and score > most:
            best, most = thing, score
    return best


def table_score(name: str, thing: ObjectType) -> float:
    """How much a table's name speaks for an object, 0..100.

    >>> from views.objects import standard_objects
    >>> objects = standard_objects()
    >>> table_score("public.tbl_customers", objects["individual"]), table_score("order_items", objects["sales_order_line"])
    (100.0, 100.0)
    """
    said = _singular(normal(name.rpartition(".")[2]))
    return max(_alike(said, word) for word in {thing.name, *thing.aliases, *OBJECT_WORDS.get(thing.name, "").split()})


def choose(table: Table, thing: ObjectType) -> list[Choice]:
    """The best column for each attribute that has a good one; a column is used once, the better match first."""
    found = [
        Choice(attribute, column, score, cast)
        for column in table.columns
        for attribute in thing.attributes.values()
        if not attribute.references and attribute.name != thing.key
        for score, cast in [column_score(column, attribute, table)]
        if score >= GOOD
    ]
    taken: dict[str, Choice] = {}
    used: set[str] = set()
    for choice in sorted(found, key=lambda c: -c.score):
        if choice.attribute.name not in taken and choice.column.name not in used:
            taken[choice.attribute.name] = choice
            used.add(choice.column.name)
    return [taken[name] for name in thing.attributes if name in taken]


def column_score(column: Column, attribute: Attribute, table: Table) -> tuple[float, bool]:
    """How much a column's name and type speak for an attribute (0..100), and whether its text needs a cast."""
    said = normal(column.name)
    bare = said.removeprefix(_singular(normal(table.name.rpartition(".")[2])) + "_")  # customer_name in customer
    words = [attribute.name, *ATTRIBUTE_WORDS.get(attribute.name, "").split()]
    score = max(_alike(form, word) - min(4, place) for form in {said, bare} for place, word in enumerate(words))
    if score < KNOWN and kind_of(column.name) in KINDS.get(attribute.name, ()):
        score = KNOWN
    if column.native.endswith("[]"):  # a list: which of its values is meant is for a person to say
        return 0.0, False
    type_ = attribute.type.partition("(")[0]
    if column.kind in FITS.get(type_, frozenset()):
        return score, False
    textual = column.kind in ("text", "text_locale", "text_ci", "char", "mixed")
    return (score - 3, True) if textual else (0.0, False)


def normal(name: str) -> str:
    """A name in lower case with underscores, without the prefixes that say nothing.

    >>> normal("EMailAddress"), normal("tblCustomer"), normal("e-mail"), normal("lastName")
    ('e_mail_address', 'customer', 'e_mail', 'last_name')
    """
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    plain = re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")
    return re.sub(r"^(tbl|dim|fact|stg|src|raw|vw|v|t)_(?=.)", "", plain)


def _alike(one: str, other: str) -> float:
    """Likeness of two names, 0..100; short names must be the same."""
    one, other = one.replace("_", ""), other.replace("_", "")
    if one == other:
        return 100.0
    return fuzz.ratio(one, other) if min(len(one), len(other)) >= 5 else 0.0


def _singular(name: str) -> str:
    """
    >>> _singular("companies"), _singular("addresses"), _singular("orders"), _singular("status")
    ('company', 'address', 'order', 'status')
    """
    if name.endswith("ies"):
        return name[:-3] + "y"
    if name.endswith(("sses", "xes", "ches")):
        return name[:-2]
    return name[:-1] if name.endswith("s") and not name.endswith(("ss", "us", "is")) else name


# -- one proposal ----------------------------------------------------------------------------------------------------------------


def _proposal(source: str, table: Table, thing: ObjectType, of: Mapping[str, Sequence[Table]]) -> Proposal:
    choices = choose(table, thing)
    key, unsure = _key(table)
    references = {name: column for name, column in _references(table, thing, of) if column not in {c.column.name for c in choices}}
    person, by_table = None, False
    if not thing.entity and thing.of == "individual":
        person, by_table = _person(table, of.get("individual", ()), choices)
        if person is None:
            unsure += ("whose rows are they? nothing that looks like a key of a person, or an e-mail",)
    taken = {c.column.name for c in choices} | set(key) | set(references.values()) | ({person[1]} if person else set())
    deleted = next((c for c in table.columns if c.name not in taken and _marks_deleted(c)), None)
    taken |= {deleted.name} if deleted else set()
    unused = tuple(c.name for c in table.columns if c.name not in taken)
    return Proposal(source, table, thing, key, person, by_table, references, tuple(choices), deleted, unsure, unused)


def _marks_deleted(column: Column) -> bool:
    """Whether it says which rows are kept though they are deleted: a moment, or a flag."""
    moment = column.kind in ("date", "timestamp", "timestamptz")
    return (moment or column.kind in ("bool", "int")) and normal(column.name) in (DELETED_AT if moment else DELETED)


def _references(table: Table, thing: ObjectType, of: Mapping[str, Sequence[Table]]) -> Iterable[tuple[str, str]]:
    """Attributes that refer to another object, with the column that points to a table of it."""
    for attribute in thing.attributes.values():
        for target in of.get(attribute.references.partition(".")[0], ()):
            if target is not table and (column := _pointing(table, target)) is not None:
                yield attribute.name, column
                break


def _pointing(table: Table, target: Table) -> str | None:
    """The column of a table that looks like a foreign key to another."""
    key, _ = _key(target)
    if len(key) != 1:
        return None
    columns = {normal(c.name): c.name for c in table.columns if (c.name,) != _key(table)[0]}
    stem, name = _singular(normal(target.name.rpartition(".")[2])), normal(key[0])
    wanted = (f"{stem}_{name}", name if name not in ("id", "key", "uuid") else "", f"{stem}_id", f"{stem}_key", f"{stem}_no", stem)
    return next((columns[w] for w in wanted if w and w in columns), None)


def _key(table: Table) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The primary key; else a column that is called like one."""
    if table.key:
        return table.key, ()
    stem = _singular(normal(table.name.rpartition(".")[2]))
    wanted = ("id", f"{stem}_id", f"{stem}id", f"{stem}_no", f"{stem}_key", "key", "uuid")
    by_name = {normal(c.name): c.name for c in table.columns}
    found = next((by_name[w] for w in wanted if w in by_name), None)
    if found is not None:
        return (found,), ("no primary key is declared: is this column unique?",)
    first = next((c.name for c in table.columns if normal(c.name).endswith(("_id", "_no", "_key"))), table.columns[0].name)
    return (first,), ("no primary key is declared: name the columns that tell rows apart",)


def _person(table: Table, people: Iterable[Table], choices: Iterable[Choice]) -> tuple[tuple[str, str] | None, bool]:
    """A foreign-key-like column of a table of people, else a column with an identifier."""
    for target in people:
        if (column := _pointing(table, target)) is not None:
            return (target.name, column), True
    for choice in choices:
        if choice.attribute.identifier:
            return (choice.attribute.identifier, choice.column.name), False
    for attribute in ("email", "phone"):
        for said, column in ((normal(c.name), c.name) for c in table.columns):
            if any(said == word or said.endswith(f"_{word}") for word in (attribute, *ATTRIBUTE_WORDS[attribute].split())):
                return (attribute, column), False
    return None, False
