"""What a unified view is, bound to one principal: typed facts that the planner's passes read instead of guessing from SQL.

A view is one of four things:

    Records    the union of branches; one branch per mapped source table, each row with the id360 of its person
    Survived   one row per id360: the values that survive among the records of a person
    Links      the crosswalk itself
    Members    which people are of one household

Policies are part of the facts. In a `Records` view they stand inside each branch (the filter in `where`, the masks instead of
the columns); in a `Survived` view they wrap the survived row. So there is no form of a view without its policies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from views.model import Survivorship


@dataclass(frozen=True, slots=True)
class LinkUse:
    """How a branch's rows get their id360: the link (or identifier) table of the crosswalk whose key equals `on`.

    `on` are expressions over the source table's columns, one per key part. `columns` are the plain source columns they stand
    for, () if a list of keys cannot be handed to the source as it is. `live` is given where an identifier is not stored: the
    records that carry it, as (value, id360).
    """

    entity: str
    space: str
    source: str
    table: str
    identifier: str
    on: tuple[exp.Expr, ...]
    columns: tuple[str, ...]
    live: Records | None = None

    @property
    def name(self) -> str:
        """For messages: `crm.contact`, or `email` for an identifier."""
        return self.identifier or f"{self.source}.{self.table}"


@dataclass(frozen=True, slots=True)
class Branch:
    """The rows of one mapped table in a view. `columns` maps every attribute of the view to an expression over the table's
    columns (unqualified): typed, empty strings already NULL, masks in place. `where` (mapping filter, row policies) is what a
    row must satisfy to exist. `key` are the columns that tell the table's rows apart. `profile`: quick enough for a profile's window."""

    source: str
    table: str
    key: tuple[str, ...]
    columns: Mapping[str, exp.Expr]
    link: LinkUse | None = None
    where: tuple[exp.Expr, ...] = ()
    label: str = ""
    profile: bool = True


@dataclass(frozen=True, slots=True)
class Records:
    """`types` gives every column's DuckDB type, in order; `id360` is among them if the rows belong to somebody.

    `hidden` columns can be named but are no part of `*`.
    """

    name: str
    types: Mapping[str, str]
    branches: tuple[Branch, ...]
    hidden: frozenset[str] = frozenset()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Survived:
    """One row per id360 of `records` (which is unmasked and unfiltered). `filter` and `masks` are over the survived row.

    Besides the attributes a survived view has `records`, `last_updated_at`, and for every attribute `a` the hidden columns
    `a__source`, `a__key`, `a__as_of`: where its value comes from. `placeholders`: attribute → whether a record's value of it is nobody's;
    such a value survives only where the person has no other.
    """

    name: str
    types: Mapping[str, str]
    records: Records
    survivorship: Survivorship
    placeholders: Mapping[str, exp.Expr] = field(default_factory=dict)
    filter: exp.Expr | None = None
    masks: Mapping[str, exp.Expr] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Links:
    """The crosswalk as a view: id360, entity, space, source, source_table, key (text; a JSON array if composite)."""

    name: str
    types: Mapping[str, str]
    hidden: frozenset[str] = frozenset()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Members:
    """Who lives together: one row per person of an entity who is of a household, (household_id, id360).

    Where a policy hides people, `people` are those who may be seen; a household of which only one is left does not show.
    """

    name: str
    types: Mapping[str, str]
    entity: str
    people: Survived | None = None
    hidden: frozenset[str] = frozenset()
    comment: str = ""


View = Records | Survived | Links | Members

PROVENANCE = ("source", "key", "as_of")
"""Suffixes of the provenance columns of a survived attribute: `email__source`, `email__key`, `email__as_of`."""
