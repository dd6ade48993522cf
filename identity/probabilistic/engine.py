"""The probabilistic engine: a Matcher that weighs evidence, honours rules and decisions, and says what it saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from identity.cardinality import Limited, at_stake
from identity.clustering import Ints, components
from identity.errors import ModelMismatch
from identity.exact_rules import ExactRules
from identity.incremental.keyrows import KeyRows, KeyRule, key_rows
from identity.keyed import keyed, probe
from identity.matching import ONE_PER_SOURCE, Edges, FactorBits, Matching, Records, Scored
from identity.model import AtMost, MatchKey, MatchRule
from identity.model_use import BlockingYield
from identity.probabilistic.blocking import ALL_UP_TO, CAP, Candidates, candidates, refinements, rule_size, rules_for
from identity.probabilistic.chance import chance, count
from identity.probabilistic.compare import Histogram, histogram, levels
from identity.probabilistic.comparisons import factors_for
from identity.probabilistic.correlation import correlation_clusters
from identity.probabilistic.edges import Weighted, inside, refusals, refused, weighted
from identity.probabilistic.exclusion import doubled, every_pair
from identity.probabilistic.factors import Factor, Floats
from identity.probabilistic.hygiene import GenericValue, find_generic, known_by_hash, remove_generic, remove_known
from identity.probabilistic.kinds import Field, Kind
from identity.probabilistic.known import Known
from identity.probabilistic.model import Trained, described
from identity.probabilistic.nobodys import unlinked
from identity.probabilistic.persons import Persons, persons, recalled, shares
from identity.probabilistic.prepare import TABLE, months_first, normal_form, prepare, prepared_rows
from identity.probabilistic.training import Model, train
from identity.scratch import registered

UNLINKED = "unlinked"


@dataclass(frozen=True, slots=True)
class Use:
    """A field to compare, in the normal form in which it is read."""

    field: Field
    key: MatchKey


@dataclass(frozen=True, slots=True)
class Settings:
    """How one entity is matched. `must_not`: attributes of which one person has a single value (two that differ are two people).

    A pair joins from `threshold` (a probability) on; no cluster has more than `most` records. `trained` freezes the model.
    `once`: sources (or source.table) that hold each person once. `at_most`: attributes of which one person has so many values.
    """

    uses: tuple[Use, ...]
    must_not: tuple[MatchKey, ...] = ()
    threshold: float = 0.5
    most: int = 500
    cap: int = CAP
    trained: Trained | None = None
    once: tuple[str, ...] = ()
    at_most: tuple[AtMost, ...] = ()

    @property
    def limits(self) -> dict[str, AtMost]:
        """How many values one person has of what, by the name of the limit."""
        return {f"must_not {key.attribute}": AtMost(key, 1) for key in self.must_not} | {limit.name: limit for limit in self.at_most}


def uses(fields: Sequence[Field], normals: Mapping[str, str] = MappingProxyType({})) -> tuple[Use, ...]:
    """The fields with the normal forms that their kinds need; `normals` are those the attributes have of their own."""
    return tuple(Use(f, MatchKey(f.attribute, _form(f.kind, normals.get(f.attribute, "")))) for f in fields)


def _form(kind: Kind, own: str) -> str:
    """The form in which an attribute is read; a real date without what stands for "unknown"."""
    return own if kind is Kind.BIRTH_DATE and own == "date" else normal_form(kind, own)


@dataclass(slots=True)
class Probabilistic:
    """Fellegi–Sunter with a household class, blocking with a cap, correlation clustering. See the package's own words.

    After `match`, `trained` is the model that was used and `generic` the values that were found to be nobody's; `hopeful` are the pairs
    that something speaks for, and with `index`, `rows` the keys under which the records meet.
    """

    settings: Settings
    secret: bytes
    trained: Trained | None = None
    generic: list[GenericValue] = field(default_factory=list)
    suspect: list[GenericValue] = field(default_factory=list)
    index: bool = False
    rows: KeyRows | None = None
    hopeful: tuple[Ints, Ints] = (np.empty(0, np.int64), np.empty(0, np.int64))
    columns: tuple[str, ...] = ()

    def needs(self, rules: Sequence[MatchRule], entity: str = "") -> tuple[MatchKey, ...]:
        own = [use.key for use in self.settings.uses]
        return tuple(dict.fromkeys([*own, *(limit.key for limit in self.settings.limits.values()), *ExactRules(self.secret).needs(rules)]))

    def match(self, records: Records, rules: Sequence[MatchRule], entity: str, space: str) -> Matching:
        """Cluster the records. Raises: ModelMismatch, if the frozen model is one for other attributes."""
        frozen = self.settings.trained
        columns, month_first = self._read(records)
        known = frozen.known if frozen else self._learned(records.con, month_first)
        with registered(records.con, UNLINKED, self.unlinked(records, rules, known)):
            exact = ExactRules(self.secret, unlinked=UNLINKED, once=self.settings.once).match(records, rules, entity, space)
        records.release(limit.key for limit in self.settings.limits.values())
        self.suspect = find_generic(records.con, columns) if frozen else []
        size = rule_size(records.count, frozen.records if frozen else None)
        if self.index:
            self.rows = key_rows(records.con, self.key_rules(columns, size), self.secret)
        found = candidates(records.con, TABLE, columns, records.count, self.settings.cap, size)
        counted = shares(records.con, columns, self.secret, frozen.known if frozen else None)
        factors = factors_for(columns, len({source for source, _ in records.sources}))
        if frozen is not None:
            self._suit(frozen, factors, entity)
        counts = None if frozen else count(records.con, factors, records.count)
        people = persons(records.con, columns, drop=True)
        seen = histogram(levels(records.con, people, factors, found.left, found.right), factors)
        if counts is not None:
            model = train(factors, seen, chance(records.con, people, factors, counts, seen), records.count)
            frozen = Trained(described(factors), model, records.count, known=replace(known, shares=counted))
        assert frozen is not None
        self.trained = frozen
        del people
        pa.default_memory_pool().release_unused()
        return self._matched(records, exact, found, seen, factors, frozen, entity, space)

    def rematch(
        self, records: Records, exact: Matching, found: Candidates, ready: tuple[Persons, Ints], entity: str, space: str
    ) -> Matching:
        """Cluster by the frozen model when it is known already which pairs meet, and what exact rules make of the records. `ready` are
        people that are ready to be compared, and which of them each record is."""
        frozen = self.settings.trained
        assert frozen is not None
        factors = self._factors(records, frozen, entity)
        people, row = ready
        seen = histogram(levels(records.con, people, factors, row[found.left], row[found.right]), factors)
        self.trained = frozen
        return self._matched(records, exact, found, seen, factors, frozen, entity, space)

    def likely(self, records: Records, people: Persons, left: Ints, right: Ints, entity: str) -> npt.NDArray[np.bool_]:
        """Which pairs something speaks for by the frozen model."""
        frozen = self.settings.trained
        assert frozen is not None
        factors = self._factors(records, frozen, entity)
        seen = histogram(levels(records.con, people, factors, left, right), factors)
        weight = np.rint((frozen.model.logits(seen.patterns) - _logit(self.settings.threshold)) * 1000)
        return np.asarray(weight[seen.of] > 0)

    def scores(self, records: Records, people: Persons, left: Ints, right: Ints, entity: str) -> Scored:
        """Some pairs, as the frozen model scores them."""
        frozen = self.settings.trained
        assert frozen is not None
        factors = self._factors(records, frozen, entity)
        seen = histogram(levels(records.con, people, factors, left, right), factors)
        pairs = Candidates(left, right, np.zeros(len(left), np.uint64), ())
        return _scored(pairs, seen, frozen.model.logits(seen.patterns)[seen.of], factors, frozen.model)

    def unlinked(self, records: Records, rules: Sequence[MatchRule], known: Known | None = None) -> pa.Table:
        """(rule, rec): which records exact rules do not link, since their values are nobody's: by what is `known`, or what the frozen model
        knows."""
        known = known or self._known()
        compared, first = self._compared(records, known)
        return unlinked(records.con, compared, rules, self._fields(records), first, known.generic, self.secret)

    def people(self, records: Records) -> Persons:
        """Some records as the frozen model compares them, told by `columns`. Raises: ModelMismatch."""
        con, known = records.con, self._known()
        compared, first = self._compared(records, known)
        rows, self.columns = prepared_rows(con, compared, self._fields(records), first)
        return recalled(con, rows, self.columns, self.secret, known)

    def _factors(self, records: Records, frozen: Trained, entity: str) -> tuple[Factor, ...]:
        factors = factors_for(self.columns, len({source for source, _ in records.sources}))
        self._suit(frozen, factors, entity)
        return factors

    def key_rules(self, columns: Sequence[str], size: int) -> tuple[KeyRule, ...]:
        """How records meet, for an index; none where all are compared with all. `columns` are those of the prepared table."""
        if size <= ALL_UP_TO:
            return ()
        return tuple(
            KeyRule(
                rule.name,
                rule.rows(TABLE),
                rule.parts,
                tuple(sorted(rule.columns)),
                rule.cap or self.settings.cap,
                refinements(rule, columns),
                several=bool(rule.several),
            )
            for rule in rules_for(columns, size)
        )

    def _matched(
        self,
        records: Records,
        exact: Matching,
        found: Candidates,
        seen: Histogram,
        factors: Sequence[Factor],
        frozen: Trained,
        entity: str,
        space: str,
    ) -> Matching:
        odds = frozen.model.logits(seen.patterns)[seen.of]
        beyond = odds - _logit(self.settings.threshold)
        limits = records.limited(self.settings.limits)
        spoken = found.left, found.right, beyond, _in_full(records, limits, found, beyond, exact.edges)
        names = (*(limit.name for limit in limits), *(f"{ONE_PER_SOURCE} {name}" for name in self.settings.once))
        edges = weighted(records, *spoken, names, uncapped=bool(names))
        self.hopeful = edges.left[edges.weight > 0], edges.right[edges.weight > 0]
        labels, edges = self._cluster(records, edges, limits)
        return Matching(
            labels,
            exact.yields,
            exact.shared,
            inside(labels, edges),
            refused(labels, records, edges),
            refusals(labels, edges, *spoken, self.settings.most, limits),
            _scored(found, seen, odds, factors, frozen.model),
            blocking=tuple(
                BlockingYield(entity, space, y.rule, y.pairs, y.alone, y.oversize_blocks, y.left_out, self._named(y.rule, y.largest))
                for y in found.yields
            ),
        )

    def _named(self, rule: str, blocks: Sequence[tuple[int, int]]) -> tuple[tuple[str, int], ...]:
        """Blocks as reports may name them."""
        hashes = keyed(np.array([number for number, _ in blocks], np.uint64), self.secret, f"block\x1f{rule}")
        return tuple((f"{name:016x}", records) for name, (_, records) in zip(hashes.tolist(), blocks, strict=True))

    def _suit(self, frozen: Trained, factors: Sequence[Factor], entity: str) -> None:
        if frozen.fits(factors):
            frozen.refuse_unsound(factors, f"the model of {entity}")
            return
        now, hint = described(factors), "train it again: `c360 train`"
        if [name for name, _ in frozen.factors] == [name for name, _ in now]:
            other = ", ".join(name for (name, levels), (_, levels_now) in zip(frozen.factors, now, strict=True) if levels != levels_now)
            raise ModelMismatch(f"the model of {entity} was trained by a release of c360 that tells other levels of {other}", hint=hint)
        raise ModelMismatch(f"the model of {entity} was trained for {_names(frozen.factors)}; compared now: {_names(now)}", hint=hint)

    def _cluster(self, records: Records, edges: Weighted, limits: Sequence[Limited]) -> tuple[Ints, Weighted]:
        """Cluster until no cluster holds two records of a source that holds each person once. What a steward joins, it joins whole.

        Where there are limits, two records may both be as good as certain for a third that can have only one: then uncapped odds tell.
        """
        once = records.once(self.settings.once)
        while True:
            free = edges.undecided() if len(records.must) else edges
            labels = self._partition(free, limits)
            if len(records.must):
                bound = edges.joining_whole(labels)
                labels = self._partition(bound, limits)
            if once is None:
                return labels, edges
            left, right, number = doubled(labels, once)
            apart = edges.forbidding(left, right, number + len(limits))
            if apart is edges:
                return labels, edges
            edges = apart

    def _partition(self, edges: Weighted, limits: Sequence[Limited]) -> Ints:
        most = self.settings.most
        return correlation_clusters(edges.count, edges.left, edges.right, edges.weight, most=most, ties=edges.odds, limits=limits)

    def _read(self, records: Records) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """CREATE TABLE prepared. Returns its columns, and the sources that write dates month first.

        What is known of single values is as in training: then `suspect` are values that by now look like nobody's, and count all the same.
        """
        con, fields = records.con, self._fields(records)
        known = self._known() if self.settings.trained else None
        compared, first = self._compared(records, known)
        columns = prepare(con, compared, fields, first)
        if known is None:
            self.generic = remove_generic(con, columns)
        else:
            self.generic = remove_known(con, columns, self.secret, known.generic)
        starts = _sources(records)
        return columns, tuple(starts[i] for i in first)

    def _known(self) -> Known:
        """What the frozen model knows of single values. Raises: ModelMismatch, if that cannot be told here."""
        frozen = self.settings.trained
        assert frozen is not None
        if frozen.known.probe != probe(self.secret):
            raise ModelMismatch(
                "the model was trained under another secret, or by a release of DuckDB that hashes differently",
                hint="train it again: `c360 train`",
            )
        return frozen.known

    def _learned(self, con: duckdb.DuckDBPyConnection, month_first: tuple[str, ...]) -> Known:
        """What is known of single values before pairs are compared: which are nobody's, and how dates are written."""
        return Known(generic=known_by_hash(con, self.secret, self.generic), month_first=month_first, probe=probe(self.secret))

    def _fields(self, records: Records) -> list[tuple[Field, str]]:
        return [(use.field, records.columns[use.key]) for use in self.settings.uses]

    def _compared(self, records: Records, known: Known | None) -> tuple[str, tuple[int, ...]]:
        """A FROM clause: the records with the number of their source; and the sources whose dates have the month first."""
        starts = _sources(records)
        # the last of several that begin with one record: those before it are empty
        ordered = sorted(enumerate(records.sources), key=lambda s: (-s[1][1], -s[0]))
        whens = "".join(f"WHEN rec >= {first:d} THEN {starts.index(source):d} " for _, (source, first) in ordered)
        compared = f"(SELECT *, {f'CASE {whens}ELSE 0 END' if whens else '0'} AS source FROM {records.table})"
        if known is None:
            return compared, months_first(records.con, compared, self._fields(records))
        return compared, tuple(starts.index(name) for name in known.month_first if name in starts)


def _sources(records: Records) -> list[str]:
    """The sources, each by its number."""
    return sorted({source for source, _ in records.sources})


def _in_full(records: Records, limits: Sequence[Limited], found: Candidates, odds: Floats, exact: Edges | None) -> Edges | None:
    """The edges of exact rules: all pairs that agree where a limit may keep the records of a block apart, else enough to connect them."""
    if exact is None or not limits:
        return exact
    likely = np.rint(odds * 1000) > 0
    pairs = [(found.left[likely], found.right[likely]), (exact.left, exact.right), (records.must[:, 0], records.must[:, 1])]
    together = components(records.count, *(np.concatenate([pair[side] for pair in pairs]) for side in (0, 1)))
    torn = at_stake(limits, together)
    return every_pair(exact, np.logical_or.reduce([among for _, among in torn])) if torn else exact


def _logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def _names(factors: Sequence[tuple[str, tuple[str, ...]]]) -> str:
    return ", ".join(name for name, _ in factors)


def _scored(found: Candidates, seen: Histogram, odds: Floats, factors: Sequence[Factor], model: Model) -> Scored:
    bits, mates = (
        [tuple(map(float, np.log2(own) - np.log2(by_chance))) for own, by_chance in zip(of, model.random, strict=True)]
        for of in (model.match, model.household)
    )
    return Scored(
        found.left,
        found.right,
        odds / np.log(2),
        seen.patterns[seen.of],
        found.rules,
        tuple(FactorBits(factor.name, factor.levels, b, h) for factor, b, h in zip(factors, bits, mates, strict=True)),
        tuple(y.rule for y in found.yields),
        float(np.log2(max(model.shares[0], 1e-300) / model.shares[2])),
        float(np.log2(max(model.shares[1], 1e-300) / model.shares[2])),
    )
