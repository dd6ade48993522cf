"""One resolve under way, group by group: load, match, identify, write."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import groupby

import duckdb
import numpy as np
import pyarrow as pa

from identity.clustering import Ints, among
from identity.column_fit import ColumnFit, column_fits
from identity.crosswalk import HOUSEHOLD_OF
from identity.engines import Engines
from identity.evidence.gathering import gather_evidence
from identity.evidence.writing import write_evidence
from identity.households.grouping import Grouped, make_households
from identity.households.mates import mates, write_mates
from identity.incremental.indexing import Indexing
from identity.loading import RECORD, Loaded, Progress, drop_all, keep_only, load_all
from identity.matching import Matching, Records, RuleYield, SharedValue
from identity.model import Households, MatchKey, MatchRule, RecordSet
from identity.model_use import BlockingYield, ModelUse
from identity.report import ContradictedDecision, HouseholdCount, ResolveReport, SourceCount
from identity.risk import MOST, Merging, RiskyMerge, riskiest
from identity.scratch import registered
from identity.stewardship.binding import Bound, bind
from identity.stewardship.decisions import Decision
from identity.versions.history import History
from identity.versions.leading import ids_in, leading
from identity.versions.publishing import table_name, write_identifiers, write_links
from identity.versions.stable_ids import NO_ID, heirs, keep, measured, measured_sql, mint, overlaps, parents
from identity.versions.store import Draft

OF_RECORDS = f"NOT starts_with(entity, '{HOUSEHOLD_OF}')"
"""SQL: not an id of a household."""
LARGEST = 10
"""So many clusters are told one by one."""


@dataclass
class Run:
    """One resolve under way: what has been read and decided so far. With `weigh` it looks for the riskiest merges."""

    con: duckdb.DuckDBPyConnection
    draft: Draft
    secret: bytes
    engines: Engines
    progress: Progress
    decisions: Sequence[Decision] = ()
    weigh: bool = False
    indexing: Indexing | None = None
    sources: list[SourceCount] = field(default_factory=list)
    yields: list[RuleYield] = field(default_factory=list)
    shared: list[SharedValue] = field(default_factory=list)
    blocking: list[BlockingYield] = field(default_factory=list)
    models: list[ModelUse] = field(default_factory=list)
    sizes: Counter[str] = field(default_factory=Counter)
    largest: list[tuple[int, int]] = field(default_factory=list)
    contradicted: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    ignored: list[str] = field(default_factory=list)
    risky: list[RiskyMerge] = field(default_factory=list)
    households: list[HouseholdCount] = field(default_factory=list)
    fits: list[ColumnFit] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start this version's history of ids with that of the version before."""
        self.history = History(self.con, self.draft.version, self.draft.previous is not None)

    def resolve(
        self,
        records: Sequence[RecordSet],
        rules: Mapping[str, tuple[MatchRule, ...]],
        identifiers: Mapping[str, Mapping[str, MatchKey]],
    ) -> None:
        """Resolve all records, one (entity, space) after the other."""
        ordered = sorted(records, key=lambda r: r.place)
        for (entity, space), group in groupby(ordered, key=lambda r: (r.entity, r.space)):
            self._resolve_group(entity, space, list(group), rules.get(entity, ()), identifiers.get(entity, {}))

    def _resolve_group(
        self, entity: str, space: str, group: list[RecordSet], rules: Sequence[MatchRule], identifiers: Mapping[str, MatchKey]
    ) -> None:
        """Resolve the records of one (entity, space) and write their tables."""
        wanted = dict.fromkeys([*self.engines.needs(rules, entity), *identifiers.values()])
        columns = {key: f"n{i}" for i, key in enumerate(wanted)}
        loaded = load_all(self.con, group, columns, self.progress)
        fits = column_fits(self.con, loaded, columns, self.engines.kinds(entity))
        here = [d for d in self.decisions if (d.entity, d.space) == (entity, space)]
        bound = bind(self.con, here, loaded, self.secret)

        def release(needed: Iterable[MatchKey]) -> None:
            if self.indexing is None:  # the index holds hashes of them all
                keep_only(self.con, loaded, columns, {*identifiers.values(), *needed})

        records = replace(Records.of(self.con, loaded, columns), must=bound.must, cannot=bound.cannot, release=release)
        found = self.engines.match(records, rules, entity, space)
        with ThreadPoolExecutor(1) as beside:  # evidence is gathered by one core, and asks nothing of the database
            evidence = beside.submit(gather_evidence, found)
            ids = self._identify(entity, space, loaded, found, bound)

            for one in loaded:
                write_links(self.con, one, ids[one.first : one.first + one.count])
                self.sources.append(SourceCount(*one.records.place, one.count, one.null_keys, one.personal))
            self.sizes["ambiguous"] += write_identifiers(
                self.con, entity, space, RECORD, ids, {name: (key, columns[key]) for name, key in identifiers.items()}
            )
        if gathered := evidence.result():
            write_evidence(self.con, entity, space, gathered, fits)
        if asked := self.engines.households.get(entity):
            write_mates(self.con, entity, space, mates(found.scored, bound.cannot))
            self._group(entity, space, asked)
        if self.indexing is not None:
            firsts = {table_name("link", *one.records.place): one.first for one in loaded}
            self.indexing.add(entity, space, RECORD, columns, rules, identifiers, bound, firsts)
        self.yields += found.yields
        self.shared += found.shared
        self.blocking += found.blocking
        self.models += [found.model] if found.model else []
        self.fits += fits
        self.ignored += bound.ignored
        self.contradicted.update((entity, space, bound.cannot_by[refused.cannot], refused.rule) for refused in found.refused)
        drop_all(self.con, loaded)

    def _group(self, entity: str, space: str, asked: Households) -> Grouped:
        """Make the households of the people that were found."""
        previous = self.draft.previous.households_of(entity, space) if self.draft.previous else None
        found = make_households(self.con, self.history, previous, self.secret, entity, space, asked)
        self.households.append(found.count)
        return found

    def _identify(self, entity: str, space: str, loaded: Sequence[Loaded], found: Matching, bound: Bound) -> Ints:
        """The id360 of each record: pinned, kept from the previous version, or minted."""
        anchors, clusters, members = np.unique(found.labels, return_inverse=True, return_counts=True)
        before = self._ids_before(loaded, len(clusters))
        self.history.refuse_pins_of_others(entity, space, bound.pins)
        common = overlaps(clusters, before, self.history.registry(np.unique(before)))
        by_cluster = np.full(len(anchors), NO_ID, np.int64)
        by_cluster[clusters[bound.pinned]] = bound.pins
        by_cluster = keep(common, by_cluster)
        ended, parts = leading(self.con, self.draft.before, loaded, clusters, common, by_cluster)
        by_cluster, minted = self._assign(entity, space, loaded, anchors, by_cluster)
        merged = heirs(common, by_cluster)
        self.history.record(entity, space, minted, by_cluster, merged, parents(common, by_cluster, minted))
        self.history.lead(ended, by_cluster[parts])
        self.sizes.update(minted=len(minted), merged=len(merged[0]))
        self._count(by_cluster, members)
        if self.weigh and found.edges is not None:
            firsts = np.array([one.first for one in loaded], np.int64)
            merging = Merging(entity, space, before, np.asarray(by_cluster[clusters], np.int64), firsts, found.edges)
            self.risky = sorted([*self.risky, *riskiest(merging)], key=lambda m: (-m.risk, m.id360))[:MOST]
        ids = np.asarray(by_cluster[clusters], np.int64)
        self.sizes["moved"] += int((ids != before).sum())
        return ids

    def _count(self, ids: Ints, members: Ints) -> None:
        """`members[i]` records have `ids[i]`."""
        self.sizes.update(ids=len(ids), singletons=int((members == 1).sum()))
        as_large = np.bincount(members)[::-1].cumsum()[::-1]  # how many have at least so many records
        least = max(int((as_large >= min(LARGEST, len(members))).sum()) - 1, 0)
        found = [(id360, int(least)) for id360 in np.sort(ids[members == least])[:LARGEST].tolist()]  # not all of equals are put in order
        above = members > least
        found += zip(ids[above].tolist(), members[above].tolist(), strict=True)
        self.largest = sorted([*self.largest, *found], key=lambda c: (-c[1], c[0]))[:LARGEST]

    def _assign(self, entity: str, space: str, loaded: Sequence[Loaded], anchors: Ints, by_cluster: Ints) -> tuple[Ints, Ints]:
        """The id of each cluster (`anchors[c]` is its first record; `by_cluster[c]` NO_ID if it keeps none), and which are new to
        the world: those minted, and pins that no version knew."""
        fresh = by_cluster == NO_ID
        known = by_cluster[~fresh]
        adopted = known[~among(known, self.history.registry(known).ids)]
        texts = self._anchor_texts(loaded, anchors[fresh])
        minted = mint(self.secret, texts, lambda ids: self.history.taken(ids) | np.isin(ids, adopted))
        by_cluster[fresh] = minted
        return by_cluster, np.concatenate([minted, adopted])

    def _ids_before(self, loaded: Sequence[Loaded], count: int) -> Ints:
        """The id360 that each record has in the previous version, by source key; NO_ID for new records."""
        before = np.full(count, NO_ID, np.int64)
        if self.draft.previous is not None:
            for one in loaded:
                recs, ids = ids_in(self.con, "old", self.draft.previous, one)
                before[recs] = ids
        return before

    def _anchor_texts(self, loaded: Sequence[Loaded], anchors: Ints) -> pa.Array:
        """What an id is minted from: place and key of the cluster's first record, each part with its length, so that no two agree."""
        with registered(self.con, "anchor", pa.table({"rec": pa.array(anchors)})):
            texts = [f"SELECT rec, ? || {measured_sql(*one.keys)} AS text FROM {one.table} SEMI JOIN anchor USING (rec)" for one in loaded]
            places = [measured(*one.records.place) for one in loaded]
            found = self.con.sql(f"SELECT text FROM ({' UNION ALL '.join(texts)}) ORDER BY rec", params=places).to_arrow_table()
        return found.column(0).combine_chunks()

    def close(self, started: float) -> ResolveReport:
        """Note in its version what the run did, and report it. `started` is the monotonic time of its beginning, in seconds."""
        self.history.close()
        report = self._report(time.monotonic() - started)
        base = self.draft.previous.version if self.draft.previous else None
        counts = [report.run, report.links, report.ids, report.minted, report.merged, report.retired, report.seconds]
        self.con.execute("INSERT INTO new.run VALUES (?, now(), ?, ?, ?, ?, ?, ?, ?, NULL)", [*counts, base])
        self.con.execute("INSERT OR REPLACE INTO new.meta VALUES ('decisions', ?)", [json.dumps(sorted(d.id for d in self.decisions))])
        return report

    def _report(self, seconds: float) -> ResolveReport:
        retired = self.con.execute(
            f"SELECT count(*) FROM new.id_history WHERE retired_run = {self.draft.version:d} AND {OF_RECORDS}"
        ).fetchall()[0][0]
        links = sum(source.records for source in self.sources)
        before = sum(link.links for link in self.draft.previous.links) if self.draft.previous else NO_ID
        return ResolveReport(
            run=self.draft.version,
            version=self.draft.version,
            sources=tuple(self.sources),
            links=links,
            ids=self.sizes["ids"],
            minted=self.sizes["minted"],
            merged=self.sizes["merged"],
            retired=retired,
            singletons=self.sizes["singletons"],
            rules=tuple(self.yields),
            shared=tuple(self.shared),
            largest=tuple(self.largest),
            ambiguous_identifiers=self.sizes["ambiguous"],
            contradicted=tuple(ContradictedDecision(*what, count) for what, count in sorted(self.contradicted.items())),
            ignored_decisions=tuple(sorted(self.ignored)),
            seconds=seconds,
            blocking=tuple(self.blocking),
            models=tuple(self.models),
            households=tuple(self.households),
            fits=tuple(self.fits),
            unchanged=links == before and not self.sizes["moved"],
        )
