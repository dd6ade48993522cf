"""What identity is told: match rules, and the records that they are held against.

Nothing here knows a project file or a view. Whoever calls compiles its mappings to `RecordSet`s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from identity.probabilistic.kinds import Field
from identity.watermark import Watermark


@dataclass(frozen=True, slots=True)
class MatchKey:
    """One part of a match rule: an attribute and the normal form under which it is compared (see identity.normalise)."""

    attribute: str
    normal: str


@dataclass(frozen=True, slots=True)
class MatchRule:
    """Records of an entity that agree on every part (none NULL) are one."""

    name: str
    parts: tuple[MatchKey, ...]


@dataclass(frozen=True, slots=True)
class AtMost:
    """One person has at most `most` different values of an attribute, in its normal form."""

    key: MatchKey
    most: int

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"at_most {self.key.attribute} {self.most}"


@dataclass(frozen=True, slots=True)
class MatchModel:
    """How the records of an entity are weighed against each other (identity.probabilistic).

    `fields` are the attributes compared and what each is; `normals` the normal form of some of them, where it is not the kind's
    own. `must_not`: attributes of which one person has one value. A pair joins from the probability `threshold` on; blocks have
    at most `block_cap` records, clusters at most `largest`.
    """

    fields: tuple[Field, ...]
    normals: Mapping[str, str] = field(default_factory=dict)
    must_not: tuple[MatchKey, ...] = ()
    threshold: float = 0.5
    block_cap: int = 100
    largest: int = 500


@dataclass(frozen=True, slots=True)
class Households:
    """How people are grouped into households: two belong together from the probability `threshold` on (0.5 or more, since less likely
    pairs are not kept); a household has at most `largest` people."""

    threshold: float = 0.5
    largest: int = 12


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """One column of a source table's key. `type` is the DuckDB type under which the crosswalk keeps it ("BIGINT", "VARCHAR", "DATE")."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class RecordSet:
    """The records of one mapped source table.

    `read()` opens a fresh Arrow stream with columns k0 … kn (the key, in the order of `key`) and `attributes`, by name; a row
    per record, in any order. `personal_key` says that the mapping declares a key column to be an identifier of a person.

    Where a source can tell what is new, an incremental resolve need not read it whole: `changed()` are the rows that may differ since
    the last resolve (or are new), `keys()` the keys of all rows, by which deletions are found, `some(keys)` the rows with some keys
    (columns k0 … kn), all with the columns that `read` gives (`keys` with the key alone). A `watermark` gives `changed`: it sees what
    `read` reads, an index keeps it, and the next resolve goes on from there.
    """

    entity: str
    space: str
    source: str
    table: str
    key: tuple[KeyColumn, ...]
    attributes: tuple[str, ...]
    read: Callable[[], pa.RecordBatchReader] = field(repr=False, compare=False)
    personal_key: bool = False
    changed: Callable[[], pa.RecordBatchReader] | None = field(default=None, repr=False, compare=False)
    keys: Callable[[], pa.RecordBatchReader] | None = field(default=None, repr=False, compare=False)
    some: Callable[[pa.Table], pa.RecordBatchReader] | None = field(default=None, repr=False, compare=False)
    watermark: Watermark | None = field(default=None, repr=False, compare=False)

    @property
    def label(self) -> str:
        """`source.table`, as messages and reports name it."""
        return f"{self.source}.{self.table}"

    @property
    def place(self) -> tuple[str, str, str, str]:
        """What tells record sets apart: (entity, space, source, table)."""
        return self.entity, self.space, self.source, self.table
