"""Who has to be looked at when some records changed, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from identity.clustering import Ints, among, distinct, places, without
from identity.engines import Engines
from identity.exact_rules import ExactRules
from identity.households.mates import NO_MATES
from identity.incremental.changed_records import Changes
from identity.incremental.comparing import Comparing
from identity.incremental.indexing import JOINING, exact_cap, joining_rules, no_rows, together
from identity.incremental.keyrows import KeyRows, both, joined_by_key, key_rows, meetings_by_rule
from identity.incremental.pool import Pool
from identity.incremental.record_index import NoIndex
from identity.incremental.stored_rows import counted
from identity.keyed import UInts
from identity.loading import RECORD, Loaded
from identity.matching import Matching
from identity.model import MatchKey, MatchRule
from identity.probabilistic.blocking import ALL_UP_TO, Candidates, every_pair, rule_size
from identity.probabilistic.prepare import TABLE
from identity.scratch import registered
from identity.stewardship.binding import Bound, bind, named
from identity.stewardship.decisions import Decision

MOST = 0.2
"""If more than this share of the records changed since the last whole resolve, all are resolved."""
NONE: Ints = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Around:
    """By their numbers in the index: the `renewed` records, which have new keys (`rows`), and all that are `touched`."""

    renewed: Ints
    rows: KeyRows
    touched: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """The touched records, rec 0 …: their numbers in the index, how they meet, what was found."""

    loaded: list[Loaded]
    gids: Ints
    rows: KeyRows
    matching: Matching
    hopeful: tuple[Ints, Ints]
    bound: Bound


class Neighbourhood:
    """The changed records of one (entity, space), and who is around them. `where` is its entity and space."""

    def __init__(
        self,
        pool: Pool,
        engines: Engines,
        where: tuple[str, str],
        rules: Sequence[MatchRule],
        identifiers: Mapping[str, MatchKey],
        decisions: Sequence[Decision],
    ) -> None:
        """Raises: NoIndex, if the model of the entity is yet to be trained."""
        self.pool, self.con, self.secret = pool, pool.con, pool.secret
        self.entity, self.space = where
        self.rules, self.decisions = rules, decisions
        self.cap, self.once = exact_cap(engines, self.entity), engines.once.get(self.entity, ())
        self.at_most = () if self.entity in engines.models else engines.at_most.get(self.entity, ())
        self.joining = joining_rules(RECORD, rules, identifiers, pool.columns, self.cap)
        engine = engines.local(self.entity, self.space)
        self.comparing = Comparing(pool, engine, self.entity) if engine is not None else None
        self.count = self.size = sum(link.links for link in pool.links)
        self.few = False
        """Whether all records are compared with all: then none of them is left as it is."""
        self.caps = np.full(256, self.cap, np.int64)
        self.stored = pool.stored()
        self.households, self.mates = self.entity in engines.households, NO_MATES
        """`mates`: household pairs of a renewed record and one that is not, by their numbers in the index."""
        if self.entity in engines.models and self.comparing is None:
            raise NoIndex("the model is not trained yet")

    def prepare(self, changes: Changes) -> None:
        """Have the records ready that came or changed: `find` would do it."""
        if self.comparing is not None:
            self.comparing.prepare(distinct(changes.new, changes.changed))

    def find(self, changes: Changes) -> Around:
        """All records whose cluster may be another one now. Raises: NoIndex, if a whole resolve would go by other blocking rules, or
        if so much changed that it takes no longer."""
        after = self.count + len(changes.new) - len(changes.gone)
        if self.comparing is not None and (frozen := self.comparing.engine.settings.trained) is not None:
            trained = frozen.records
            self.size = rule_size(after, trained)
            self.few = self.size <= ALL_UP_TO
            if self.size != rule_size(self.count, trained):
                raise NoIndex("there are by far more records than before")
        if not self.few and max(changes.count / max(self.count, 1), self.stored.differing) > MOST:
            raise NoIndex("more than a fifth of the records changed since the last whole resolve")
        self.count = after
        changed = changes.changed
        while True:
            around = self._around(changes.new, changed, changes.gone)
            unlike = without(self.pool.changed_unsaid, np.concatenate([changed, changes.gone]))
            if not len(unlike):
                return around
            changed = distinct(changed, unlike)  # a neighbour changed too, and its source did not say so

    def _around(self, new: Ints, changed: Ints, gone: Ints) -> Around:
        void, renewed = distinct(changed, gone), distinct(new, changed)
        self.pool.fetch(changed)
        left = self.stored.of(void)
        rows = self._rows(renewed, left)
        crossing, crossed = self._crossing(rows, left, void)
        if len(crossing):
            void, renewed = distinct(void, crossing), distinct(renewed, crossing)
            leaving = self.stored.of(crossing)
            left = both(left, leaving)
            again = distinct(crossing, rows.rec[among(rows.key, crossed)])
            kept = rows.where(~among(rows.rec, again))
            rows = both(kept, self._rows(again, left, kept, self._expected(rows, leaving, void)))
        met = rows.where(rows.meets)
        others = self.stored.sharing(distinct(met.key), void)
        joined = others.rec[others.rule >= JOINING]
        alike = self._alike(met.where(met.rule < JOINING), others.where(others.rule < JOINING))
        known = np.concatenate([void, joined, alike, self._decided(), self._sole_bearers(rows, left, void)])
        connected = self.stored.everybody() if self.few else self.stored.connected(without(known, new))
        touched = without(distinct(connected, renewed), gone)
        self.pool.fetch(touched)
        return Around(renewed, rows, touched)

    def _rows(self, gids: Ints, left: KeyRows, beside: KeyRows | None = None, expected: Ints = NONE) -> KeyRows:
        """The keys of some records; what else is in a block is in the index, but for the rows `left`, or among those `beside`.

        `expected` are others that will be compared: to make many ready costs little more than a few.
        """
        outside = self.stored.outside(left, beside or no_rows())
        blocking = no_rows()
        if self.comparing is not None:
            self.comparing.prepare(np.concatenate([gids, expected]))
            engine, people = self.comparing.engine, self.comparing.people.table.take(pa.array(self.comparing.rows(gids)))
            rules = engine.key_rules(engine.columns, self.size)
            self.caps[: len(rules)] = [rule.cap for rule in rules]
            with registered(self.con, TABLE, people.append_column("rec", pa.array(gids))):
                blocking = key_rows(self.con, rules, self.secret, outside)
        joining = no_rows()
        if self.joining:
            self.pool.fetch(gids)
            _, numbers = self.pool.record(gids)
            joining = key_rows(self.con, self.joining, self.secret, outside)
            joining = replace(joining, rec=numbers[joining.rec])
        return together(blocking, joining)

    def _expected(self, rows: KeyRows, leaving: KeyRows, void: Ints) -> Ints:
        """Whom records with `rows` meet, and those that had the rows `leaving`, as far as the index can tell."""
        if self.comparing is None:
            return NONE
        keys, at = np.unique(leaving.key, return_index=True)
        small = self.stored.count(keys) <= self.caps[leaving.rule[at]]
        there = self.stored.sharing(distinct(keys[small], rows.key[rows.meets]), void)
        return distinct(there.rec[there.rule < JOINING])

    def _crossing(self, rows: KeyRows, left: KeyRows, void: Ints) -> tuple[Ints, UInts]:
        """The other records of blocks that were within their cap and no longer are, or the other way round; the keys of those."""
        keys, at = np.unique(np.concatenate([rows.key, left.key]), return_index=True)
        cap = self.caps[np.concatenate([rows.rule, left.rule])[at]]
        before = self.stored.count(keys)
        after = before - counted(keys, left.key) + counted(keys, rows.key)
        crossed = keys[(before > 0) & ((before > cap) != (after > cap))]
        return without(self.stored.sharing(crossed, NONE).rec, np.concatenate([void, rows.rec])), crossed

    def _alike(self, met: KeyRows, others: KeyRows) -> Ints:
        """Of the records that renewed ones meet, those that something speaks for being one with them."""
        self.mates = NO_MATES
        left, right = joined_by_key(met.key, met.rec, others.key, others.rec)
        if self.comparing is None or not len(left):
            return NONE
        self.comparing.prepare(np.concatenate([left, right]))
        pairs = distinct((left << 32) | right)
        left, right = pairs >> 32, pairs & 0xFFFFFFFF
        likely = self.comparing.likely(left, right)
        if self.households:
            self.mates = self.comparing.mates(left, right)
        return distinct(right[likely])

    def _sole_bearers(self, rows: KeyRows, gone: KeyRows, void: Ints) -> Ints:
        """Whoever alone had an identifier that is on too many records to link them, and that renewed records have now or had."""
        if len(self.joining) == len(self.rules):  # no identifier is stored
            return NONE
        came, left = (keys.key[keys.rule >= JOINING + len(self.rules)] for keys in (rows, gone))
        keys = distinct(came, left)
        crowded = keys[self.stored.count(keys) > self.cap]  # of fewer, all are joined
        there = self.stored.sharing(crowded, void)
        gids, ids = self.pool.ids_before(there.rec)
        id360 = ids[np.searchsorted(gids, there.rec)]
        least, most = np.full(len(crowded), np.iinfo(np.int64).max), np.full(len(crowded), -1)
        at = np.searchsorted(crowded, there.key)
        np.minimum.at(least, at, id360)
        np.maximum.at(most, at, id360)
        return np.asarray(there.rec[(least == most)[at]], np.int64)

    def _decided(self) -> Ints:
        """Every record that a decision names, also beside one that is new; and whoever has an id to which others are pinned."""
        if not self.decisions:
            return NONE
        pins = np.array([d.id360 for d in self.decisions if d.id360 is not None], np.int64)
        everybody = [
            Loaded(records, f"(SELECT ord + {first:d} AS rec, {self.pool.keys(i)} FROM old.{link.name})", first, link.links, 0, "")
            for i, (records, link, first) in enumerate(zip(self.pool.group, self.pool.links, self.pool.firsts, strict=True))
        ]
        return np.concatenate([named(self.con, self.decisions, everybody, self.secret), self.pool.bearing(pins) if len(pins) else pins])

    def match(self, around: Around, gone: Ints) -> Matched:
        """Match the touched records anew, with everything that a whole resolve would know of them."""
        with ThreadPoolExecutor(1) as beside:
            rows_by_number = beside.submit(self._rows_of_touched, around, gone).result
            loaded, records, numbers = self.pool.load(around.touched)
            meeting = beside.submit(lambda: self._meeting(rows_by_number(), numbers)).result
            if self.comparing is not None:
                self.comparing.prepare(around.touched)
            rows, met = meeting()
        bound = bind(self.con, self.decisions, loaded, self.secret)
        records = replace(records, must=bound.must, cannot=bound.cannot)
        crowd = rows.where((rows.rule >= JOINING) & (rows.rule < JOINING + len(self.rules)) & ~rows.meets)
        names = pa.array([self.rules[number].name for number in crowd.rule - JOINING], pa.string())
        unlinked = [pa.table({"rule": names, "rec": crowd.rec})]
        if self.comparing is not None:
            unlinked.append(self.comparing.engine.unlinked(records, self.rules))
        with registered(self.con, "unlinked", pa.concat_tables(unlinked)):
            rules = ExactRules(self.secret, self.cap, "unlinked", self.count, self.once, self.at_most)
            exact = rules.match(records, self.rules, self.entity, self.space)
        if self.comparing is None:
            return Matched(loaded, numbers, rows, exact, (NONE, NONE), bound)
        engine, ready = self.comparing.engine, (self.comparing.people, self.comparing.rows(numbers))
        found = engine.rematch(records, exact, met, ready, self.entity, self.space)
        return Matched(loaded, numbers, rows, found, engine.hopeful, bound)

    def borne_beyond(self, found: Matched, gone: Ints) -> KeyRows:
        """The rows of identifiers that others have too, who were not matched anew: people of their own."""
        rows = found.rows.where((found.rows.rule >= JOINING + len(self.rules)) & ~found.rows.meets)
        others = self.stored.sharing(distinct(rows.key), distinct(found.gids, gone))
        return rows.where(among(rows.key, distinct(others.key)))

    def _meeting(self, rows: KeyRows, numbers: Ints) -> tuple[KeyRows, Candidates]:
        """The rows of records that are now told by their places among `numbers`, and who meets whom by them."""
        rows = KeyRows(rows.rule, rows.key, places(numbers, rows.rec), rows.meets)
        return rows, every_pair(len(numbers)) if self.few else Candidates(*meetings_by_rule(rows.where(rows.rule < JOINING)), ())

    def _rows_of_touched(self, around: Around, gone: Ints) -> KeyRows:
        """All rows of the touched records."""
        others = without(around.touched, around.renewed)
        void = distinct(around.renewed, gone)
        found = self.stored.of(distinct(others, void))
        leaves = among(found.rec, void)
        old, left = found.where(~leaves), found.where(leaves)
        every = np.sort(np.concatenate([old.key, around.rows.key]))
        # a blocking key that only one of them has makes no pair; how large its block is does not matter
        asked = among(old.key, every[1:][every[1:] == every[:-1]]) | (old.rule >= JOINING)
        keys = distinct(old.key[asked])
        size = self.stored.outside(left, around.rows)(keys)
        meets = np.ones(len(old.key), np.bool_)
        meets[asked] = size[np.searchsorted(keys, old.key[asked])] <= self.caps[old.rule[asked]]
        return both(around.rows, KeyRows(old.rule, old.key, old.rec, meets))
