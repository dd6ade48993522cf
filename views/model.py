"""What a customer is, as data: objects, mappings, survivorship and policies of one project. Frozen, checked, printable.

Expressions are sqlglot trees in DuckDB's dialect. A mapping's expressions speak of its source table's columns (unqualified);
a policy's speak of its object's attributes. `Location` says where in the project file a thing was written.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlglot import exp

from identity.model import AtMost, Households, MatchModel, MatchRule

if TYPE_CHECKING:
    from views.secrets import Secret


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a project file, for messages. `line` and `column` count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of an object. `type` is a DuckDB type name, one of ATTRIBUTE_TYPES or DECIMAL(p,s).

    `references` is "object.attribute" for a foreign key. `identifier` names the kind of identifier whose normal form the value
    has for matching ("email", "phone"), "" if it identifies nobody. `normal` is the normal form under which it is matched.
    """

    name: str
    type: str
    description: str
    references: str = ""
    identifier: str = ""
    normal: str = "exact"


ATTRIBUTE_TYPES = ("VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP", "JSON")


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """How a row of an object shows on the timeline: `at` is an attribute, `summary` an expression over attributes,
    `details` the attributes shown as a JSON object, `kind` the word for it ("order")."""

    kind: str
    at: str
    summary: exp.Expr
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ObjectType:
    """A unified object: its attributes in order, its subject area, and what it is to a person.

    `entity` is "" for an object whose rows belong to a person (`sales_order`), or name what is resolved ("individual",
    "account"): then `<name>` has one row per id360 with survived values and `<name>_record` one per source record.
    `key` is the attribute that tells its rows apart within one source. `of` is the entity that its `id360` names, "" for
    objects of nobody (`product`). `aliases` are other names for it in SQL (`support_case` for `case`, a reserved word).
    """

    name: str
    area: str
    description: str
    attributes: MappingOf[str, Attribute]
    entity: str = ""
    of: str = "individual"
    key: str = ""
    timeline: TimelineEntry | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnKey:
    """The mapped table is itself resolved: its key is in the crosswalk."""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """`columns` of the mapped table hold the key of `table` (same source), which is resolved."""

    table: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identifier:
    """`value` (an expression) is an identifier ("email") that the records of a person carry.

    `store` True: through a table of identifiers in the crosswalk; False ("never"): live, through the records themselves.
    `normal` is the normal form under which the records' attribute is matched.
    `normalised` promises that the source holds the value in its normal form already, so that keys can be handed to it as they are.
    """

    identifier: str
    value: exp.Expr
    store: bool = True
    normalised: bool = False
    normal: str = ""


Link = OwnKey | ForeignKey | Identifier


@dataclass(frozen=True, slots=True)
class Mapping:
    """Rows of a source table as rows of an object. `key`: the columns that tell its rows apart. `link` is None where the
    object is of nobody, or its table cannot tell whose its rows are (`person: none`): then `id360` is NULL. `where` leaves rows out.
    `timezone` is the zone of the table's naive timestamps. `changed_at` is a column that rises with every change, "" if none is known
    to. `places` says where each attribute's expression stands."""

    object: str
    source: str
    table: str
    key: tuple[str, ...]
    attributes: MappingOf[str, exp.Expr]
    link: Link | None = None
    where: exp.Expr | None = None
    space: str = ""
    timezone: str = "UTC"
    profile: bool = True
    changed_at: str = ""
    location: Location = Location("c360.yml")
    places: MappingOf[str, Location] = field(default_factory=dict, repr=False, compare=False)


class SurvivorshipRule(StrEnum):
    """How one value survives among those of a person's records. NULLs (and empty strings, which are NULL) never win."""

    LATEST = "latest"
    PRIORITY = "source_priority"
    FREQUENT = "most_frequent"
    LONGEST = "longest"
    MIN = "min"
    MAX = "max"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Survivorship:
    """The rules of one entity: per attribute a rule and a source order (most trusted first), else the defaults.

    `updated_at` is the attribute that dates a record. Ties: latest record, then source order, then key order.
    """

    entity: str
    default: SurvivorshipRule = SurvivorshipRule.LATEST
    source_order: tuple[str, ...] = ()
    updated_at: str = "updated_at"
    rules: MappingOf[str, SurvivorshipRule] = field(default_factory=dict)
    orders: MappingOf[str, tuple[str, ...]] = field(default_factory=dict)

    def rule(self, attribute: str) -> SurvivorshipRule:
        return self.rules.get(attribute, self.default)

    def order(self, attribute: str) -> tuple[str, ...]:
        return self.orders.get(attribute, self.source_order)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a principal may see of some objects. It binds everybody but the exempt: those with a role in `except_roles`, or a
    purpose in `except_purposes`; `roles` or `purposes`, if given, limit it to those (a session without a purpose is bound).

    `filter`: rows for which it is not true do not exist. `masks`: attribute → expression that replaces it before anything
    else sees it. `deny`: the objects may not be read at all.
    """

    name: str
    objects: tuple[str, ...]
    roles: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    except_roles: tuple[str, ...] = ()
    except_purposes: tuple[str, ...] = ()
    filter: exp.Expr | None = None
    masks: MappingOf[str, exp.Expr] = field(default_factory=dict)
    deny: bool = False
    location: Location = Location("c360.yml")

    def binds(self, roles: frozenset[str], purpose: str | None) -> bool:
        """Whether the policy holds for a principal with these roles and this purpose; in doubt it does."""
        if roles & set(self.except_roles) or (purpose is not None and purpose in self.except_purposes):
            return False
        if self.roles and not roles & set(self.roles):
            return False
        return not (self.purposes and purpose is not None and purpose not in self.purposes)


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """A source as written in the project. `options` are for its connector: a mapping that resolves `${…}` each time it is read
    (raising MissingSecret), and is never printed."""

    name: str
    kind: str
    options: MappingOf[str, object] = field(repr=False)
    timezone: str = "UTC"
    location: Location = Location("c360.yml")


@dataclass(frozen=True, slots=True)
class Model:
    """One project, whole. Everything in it refers only to things that exist; what needs a live source is checked by `check`."""

    name: str
    root: str
    state: str
    sources: MappingOf[str, SourceConfig]
    objects: MappingOf[str, ObjectType]
    mappings: tuple[Mapping, ...]
    survivorship: MappingOf[str, Survivorship]
    rules: MappingOf[str, tuple[MatchRule, ...]]
    policies: tuple[Policy, ...] = ()
    principals: MappingOf[str, tuple[str, ...]] = field(default_factory=dict)
    secret: Secret | None = field(default=None, repr=False)
    encryption_key: Secret | None = field(default=None, repr=False)
    former_encryption_key: Secret | None = field(default=None, repr=False)
    crosswalk: str | None = None
    decisions: str = "decisions.jsonl"
    incremental: bool = False
    keep_versions: int = 5
    max_shrink: float = 0.5
    models: MappingOf[str, MatchModel] = field(default_factory=dict)
    one_per_source: MappingOf[str, tuple[str, ...]] = field(default_factory=dict)
    at_most: MappingOf[str, tuple[AtMost, ...]] = field(default_factory=dict)
    households: MappingOf[str, Households] = field(default_factory=dict)
    settings: MappingOf[str, object] = field(default_factory=dict)
    unmatched: tuple[str, ...] = ()
    """The patterns of `include` that match no file."""

    def object_named(self, name: str) -> ObjectType | None:
        """The object of that name or alias, whether mapped or not; None if there is none."""
        return object_named(self.objects, name)

    @property
    def resolved(self) -> tuple[Mapping, ...]:
        """The mappings whose records are resolved: those of entities."""
        return tuple(m for m in self.mappings if self.is_resolved(m))

    def is_resolved(self, mapping: Mapping) -> bool:
        return bool(self.objects[mapping.object].entity)

    def mappings_of(self, object_: str) -> tuple[Mapping, ...]:
        return tuple(m for m in self.mappings if m.object == object_)


def object_named(objects: MappingOf[str, ObjectType], name: str) -> ObjectType | None:
    """The object of that name or alias; None if there is none."""
    return objects.get(name) or next((o for o in objects.values() if name in o.aliases), None)
