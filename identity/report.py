"""What a resolve did, for people and for `c360 resolve --output json`. It holds no value of a source row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from identity.column_fit import ColumnFit
from identity.matching import RuleYield, SharedValue
from identity.model_use import BlockingYield, ModelUse


@dataclass(frozen=True, slots=True)
class SourceCount:
    """Records of one mapped table: read, left out for a NULL in their key, linked. `personal` as in LinkTable."""

    entity: str
    space: str
    source: str
    table: str
    records: int
    null_keys: int
    personal: str


@dataclass(frozen=True, slots=True)
class ContradictedDecision:
    """The data now says otherwise than decision `decision`: `rule` would have joined what it keeps apart, `times` over."""

    entity: str
    space: str
    decision: str
    rule: str
    times: int


@dataclass(frozen=True, slots=True)
class HouseholdCount:
    """The households of two and more people of one (entity, space): how many, of how many people, the people of the largest, and how
    many are new."""

    entity: str
    space: str
    households: int
    people: int
    largest: int
    minted: int


@dataclass(frozen=True, slots=True)
class Touched:
    """What an incremental resolve looked at: `new`, `changed` and `gone` records; all those matched anew, and the clusters they make."""

    new: int
    changed: int
    gone: int
    records: int
    clusters: int

    def plus(self, other: Touched) -> Touched:
        """Both together."""
        return Touched(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A table that has lost most of its records since the version before: a source that is half written or empty looks like this."""

    entity: str
    space: str
    source: str
    table: str
    before: int
    now: int


FEW = 20
"""Of so few records most may go, but not all."""


MOST = 0.5
"""The share of a table's records that may go without a word."""

Place = tuple[str, str, str, str]
"""A table: entity, space, source, table."""


def shrunk(now: Mapping[Place, int], before: Mapping[Place, int], most: float = MOST) -> tuple[Shrunk, ...]:
    """The tables of `now` that have lost more than the share `most` of the records that they had `before`; of few records all."""
    counts = [(place, count, before.get(place, 0)) for place, count in sorted(now.items())]
    return tuple(Shrunk(*place, had, count) for place, count, had in counts if had - count > most * had and (had > FEW or not count))


@dataclass(frozen=True, slots=True)
class ResolveReport:
    """One run. `merged` ids redirect to another; `retired` counts them and the ids whose records are all gone; `minted` are new.

    `largest` are the ten largest clusters as (id360, records). `shared` are values on more records than the cap: they link nobody.
    `blocking` and `models` are of entities that are matched by a model. `ignored_decisions` are those on records that are not there (now).
    `touched` is given by an incremental resolve; `rules`, `blocking` and `models` then tell of the records touched, or nothing.
    `whole_because` says why a resolve that was to be incremental was none. `households` are of entities that have them; ids of theirs
    are in no other figure. `fits`: of each attribute of each table, whether it holds what it is matched as; of whole resolves.
    `shrunk`: tables that lost most of their records, where the project is resolved.
    """

    run: int
    version: int
    sources: tuple[SourceCount, ...]
    links: int
    ids: int
    minted: int
    merged: int
    retired: int
    singletons: int
    rules: tuple[RuleYield, ...]
    shared: tuple[SharedValue, ...]
    largest: tuple[tuple[int, int], ...]
    ambiguous_identifiers: int
    seconds: float
    contradicted: tuple[ContradictedDecision, ...] = ()
    ignored_decisions: tuple[str, ...] = ()
    blocking: tuple[BlockingYield, ...] = ()
    models: tuple[ModelUse, ...] = ()
    touched: Touched | None = None
    whole_because: str = ""
    households: tuple[HouseholdCount, ...] = ()
    fits: tuple[ColumnFit, ...] = ()
    unchanged: bool = False
    shrunk: tuple[Shrunk, ...] = ()

    @property
    def odd_columns(self) -> tuple[ColumnFit, ...]:
        """The attributes without any value, and those of which many values are not what they are matched as."""
        return tuple(fit for fit in self.fits if fit.told)

    @property
    def personal_keys(self) -> tuple[SourceCount, ...]:
        """The tables whose keys, now in the crosswalk, are personal."""
        return tuple(source for source in self.sources if source.personal)
