"""The fields of a project file: the one definition from which the checker and the published JSON Schema are made.

A class is a YAML mapping with exactly these fields; one with a REST entry below takes further entries of that type. What a
value may *refer* to (attributes, tables, sources) is checked where the model is built.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from identity.probabilistic.kinds import Kind
from views.model import SurvivorshipRule

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$", description="a name of lower case letters, digits and _")]
Expression = Annotated[
    str,
    Meta(description="a scalar SQL expression in DuckDB's dialect; '' in text is NULL, timestamps become UTC, amounts are not converted"),
]
TypeName = Annotated[
    str,
    Meta(
        pattern=r"^(text|integer|double|boolean|date|timestamp|json|decimal\([1-9][0-9]?, ?[0-9]{1,2}\))$",
        description="text, integer, double, decimal(18,2), boolean, date, timestamp (UTC) or json",
    ),
]
Text = Annotated[str, Meta(min_length=1)]
Described = Annotated[str, Meta(min_length=1, description="one plain sentence, shown in the catalog and to BI tools")]
Roles = Annotated[list[str], Meta(description="names of roles (see principals)")]
Purposes = Annotated[list[str], Meta(description="names of purposes that a session states")]


class AttributeFields(Struct, forbid_unknown_fields=True):
    type: TypeName
    description: Described
    references: Annotated[str, Meta(description="object.attribute: a foreign key")] = ""
    identifier: Annotated[str, Meta(description="the kind of identifier it is, for matching: email, phone, or a word of your own")] = ""
    normal: Annotated[str, Meta(description="how it is written for matching unless a rule says otherwise: lower, name, postcode, …")] = ""


class TimelineFields(Struct, forbid_unknown_fields=True):
    at: Annotated[Name, Meta(description="the attribute that says when")]
    kind: Annotated[Text, Meta(description="the word for such an entry: order, case, …")]
    summary: Annotated[Text, Meta(description="a scalar SQL expression over the object's attributes")]
    details: Annotated[list[Name], Meta(description="attributes shown as a JSON object")] = field(default_factory=list)


class ObjectFields(Struct, forbid_unknown_fields=True):
    area: Annotated[str, Meta(description="the subject area under which it is listed")] = ""
    description: Annotated[str, Meta(description="one plain sentence")] = ""
    of: Annotated[str | UnsetType, Meta(description="the entity its rows belong to; '' for objects of nobody")] = UNSET
    entity: Annotated[str, Meta(description="set to the object's own name if its records are themselves resolved, as `individual` is")] = ""
    key: Annotated[str, Meta(description="the attribute that tells its rows apart within one source")] = ""
    aliases: Annotated[list[Name], Meta(description="other names for it in SQL")] = field(default_factory=list)
    attributes: dict[Name, AttributeFields] = field(default_factory=dict)
    timeline: TimelineFields | None = None


class SourceFields(Struct):
    kind: Annotated[Text, Meta(description="the connector: postgres, sqlite, duckdb, files, rest or an installed one")]
    timezone: Annotated[str, Meta(description="the zone in which its naive timestamps are to be read")] = "UTC"


class PersonFields(Struct, forbid_unknown_fields=True):
    table: Annotated[str, Meta(description="a resolved table of the same source that `key` points to")] = ""
    key: Annotated[str | list[str], Meta(description="the column or columns that hold that table's key")] = ""
    identifier: Annotated[str, Meta(description="a kind of identifier that the records of a person carry: email")] = ""
    value: Annotated[str, Meta(description="a scalar SQL expression: the identifier's value")] = ""
    store: Annotated[
        Literal["crosswalk", "never"], Meta(description="never: identifiers are not kept in the crosswalk but looked up live")
    ] = "crosswalk"
    normalised: Annotated[bool, Meta(description="the source holds the identifier in its normal form already (lower case, trimmed)")] = (
        False
    )


class MappingFields(Struct, forbid_unknown_fields=True):
    object: Name
    source: Name
    table: Annotated[Text, Meta(description="table or schema.table of the source")]
    key: Annotated[str | list[str], Meta(description="the column or columns that tell its rows apart")]
    attributes: dict[Name, Expression | int | float | bool]
    person: Annotated[
        PersonFields | Literal["none"] | None,
        Meta(description="how its rows belong to a person: a foreign key, an identifier, or `none` if the table cannot tell"),
    ] = None
    where: Annotated[str, Meta(description="a scalar SQL expression; rows for which it is not true are left out")] = ""
    space: Annotated[str, Meta(description="the brand or region within which people are resolved")] = ""
    timezone: Annotated[str, Meta(description="the zone of this table's naive timestamps, instead of the source's")] = ""
    profile: Annotated[bool, Meta(description="false: too slow for a profile window")] = True
    changed_at: Annotated[
        str, Meta(description="the column that its source raises with every change of a row: an incremental resolve reads only later rows")
    ] = ""


class NamedRuleFields(Struct, forbid_unknown_fields=True):
    name: Text
    match: Annotated[str | list[str] | dict[str, str], Meta(description="an attribute, several, or attribute: normal form")]


class ModelFields(Struct, forbid_unknown_fields=True):
    attributes: Annotated[
        dict[Name, str],
        Meta(description=f"what an attribute is, where its name does not say it: {', '.join(Kind)}; phone(DE) with a form's option"),
    ] = field(default_factory=dict)
    threshold: Annotated[float, Meta(gt=0, lt=1, description="how probable it must be that two records are one person")] = 0.5
    block_cap: Annotated[int, Meta(ge=2, description="the most records that are compared because they have one thing in common")] = 100
    largest_cluster: Annotated[int, Meta(ge=2, description="no person has more records")] = 500
    must_not: Annotated[
        list[str], Meta(description="attributes of which a person has one value: records with two different ones are two people")
    ] = field(default_factory=list)


class HouseholdFields(Struct, forbid_unknown_fields=True):
    threshold: Annotated[float, Meta(ge=0.5, lt=1, description="how probable it must be that two people are of one household")] = 0.5
    largest: Annotated[int, Meta(ge=2, description="no household has more people")] = 12


class EntityFields(Struct, forbid_unknown_fields=True):
    rules: Annotated[
        list[str | list[str] | NamedRuleFields],
        Meta(description="records that agree on every attribute of a rule are one; a rule is an attribute, a list of them, or named"),
    ] = field(default_factory=list)
    model: Annotated[
        Literal["standard"] | ModelFields | None,
        Meta(description="weigh all that records have in common: names, addresses, dates, misspelt or not; `standard` or settings"),
    ] = None
    one_per_source: Annotated[
        bool | list[str],
        Meta(
            description="sources (or source.table) that hold each person once: two of its records are never one person; true: every source"
        ),
    ] = False
    at_most: Annotated[
        dict[Name, Annotated[int, Meta(ge=1)]],
        Meta(description="attribute: how many different values of it a person has at most; what would be one more is not joined"),
    ] = field(default_factory=dict)
    households: Annotated[
        bool | HouseholdFields,
        Meta(description="group the people that the model finds into households, with ids and a view of their own; `true` or settings"),
    ] = False


class IdentityFields(Struct):
    secret: Annotated[str, Meta(description="${env:NAME}: the key under which ids are minted")] = ""
    encryption_key: Annotated[str, Meta(description="${env:NAME}: encrypts the crosswalk file")] = ""
    former_encryption_key: Annotated[str, Meta(description="${env:NAME}: opens the crosswalk that was written under the key before")] = ""
    import_: Annotated[str, Meta(description="an existing crosswalk to use instead of resolving")] = field(default="", name="import")
    incremental: Annotated[bool, Meta(description="leave an index, so that the next resolve need only look at what changed")] = False
    keep_versions: Annotated[int, Meta(ge=1, description="as many versions of the crosswalk stay, for rollback and a look back")] = 5
    max_shrink: Annotated[
        float,
        Meta(gt=0, le=1, description="the share of a table's records that one resolve may lose; beyond, it stops. 1: it never does"),
    ] = 0.5
    decisions: Annotated[Text, Meta(description="file of what stewards decided: same, different, pin; it belongs in git")] = (
        "decisions.jsonl"
    )


class WinnerFields(Struct, forbid_unknown_fields=True):
    rule: SurvivorshipRule
    sources: Annotated[list[str], Meta(description="most trusted first")] = field(default_factory=list)


class SurvivorshipFields(Struct, forbid_unknown_fields=True):
    default: SurvivorshipRule = SurvivorshipRule.LATEST
    source_order: Annotated[list[str], Meta(description="most trusted first")] = field(default_factory=list)
    updated_at: Annotated[Name, Meta(description="the attribute that dates a record")] = "updated_at"
    attributes: dict[Name, SurvivorshipRule | WinnerFields] = field(default_factory=dict)


class PolicyFields(Struct, forbid_unknown_fields=True):
    name: Text
    objects: Annotated[
        list[str], Meta(min_length=1, description="objects or views; with `deny` also raw, raw.<source>[.<table>] and crosswalk")
    ]
    roles: Roles = field(default_factory=list)
    purposes: Purposes = field(default_factory=list)
    except_roles: Roles = field(default_factory=list)
    except_purposes: Purposes = field(default_factory=list)
    filter: Annotated[str, Meta(description="a scalar SQL expression over attributes: rows for which it is not true do not exist")] = ""
    mask: Annotated[
        dict[Name, Expression | int | float | bool | None], Meta(description="attribute: the expression that replaces it (null: NULL)")
    ] = field(default_factory=dict)
    deny: Annotated[bool, Meta(description="the objects may not be read at all")] = False


class SettingsFields(Struct, forbid_unknown_fields=True):
    timeout: Annotated[str | int | float, Meta(description="of a query: 30s, 500ms, 2m, or seconds")] = ""
    max_rows: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="a query that returns more is refused")] = None
    memory: Annotated[str | int, Meta(description="of a query's room: 512MiB, 1GiB, or bytes")] = ""


class ProjectFields(Struct, forbid_unknown_fields=True):
    version: Annotated[int, Meta(description="of this format: 1", ge=1, le=1)]
    name: Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", description="the project's name")]
    state: Annotated[Text, Meta(description="directory of the crosswalk and its history")] = ".c360"
    include: Annotated[str | list[str], Meta(description="further files, or globs, relative to this one")] = field(default_factory=list)
    sources: Annotated[dict[Name, SourceFields], Meta(description="live systems")] = field(default_factory=dict)
    objects: Annotated[dict[Name, ObjectFields], Meta(description="objects of your own, and attributes added to standard ones")] = field(
        default_factory=dict
    )
    mappings: Annotated[list[MappingFields], Meta(description="source tables as objects")] = field(default_factory=list)
    identity: Annotated[IdentityFields, Meta(description="who is who: per entity its match rules")] = field(default_factory=IdentityFields)
    survivorship: Annotated[dict[Name, SurvivorshipFields], Meta(description="which value survives, per entity")] = field(
        default_factory=dict
    )
    policies: Annotated[list[PolicyFields], Meta(description="who may see what")] = field(default_factory=list)
    principals: Annotated[dict[Text, Roles], Meta(description="who has which roles")] = field(default_factory=dict)
    settings: SettingsFields = field(default_factory=SettingsFields)


REST: dict[type[Struct], Any] = {SourceFields: Any, IdentityFields: EntityFields}
"""What the entries of a class may be that are not its fields: a source's are options of its connector, identity's are entities."""
