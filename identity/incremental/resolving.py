"""Resolving what changed: new, changed and deleted records, and whoever they could be one with.

Under a frozen model a pair's score depends on its two records alone, blocks are told by keys, and clusters never reach beyond the
part of the graph that their records are connected with. So the parts that a change touches are matched anew, with everything that a
whole resolve would know of them, and all others stay: the partition and the ids are those of a whole resolve.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import duckdb
import numpy as np
import pyarrow as pa

from identity.clustering import Ints, among, distinct, runs
from identity.engines import Engines
from identity.evidence.amending import Left, amend_evidence, leave_evidence
from identity.households.mates import amend_mates, has_mates, mates, pairs_among
from identity.incremental.amending import AmendedHistory, amend_identifiers, amend_links
from identity.incremental.changed_records import Changes, read_changes
from identity.incremental.indexing import JOINING, digests, expected, group_name, parts_of, resumed, watermarks
from identity.incremental.neighbourhood import Around, Matched, Neighbourhood
from identity.incremental.pool import Pool
from identity.incremental.record_index import IndexWriter, KeySum, NoIndex, RecordIndex
from identity.incremental.stored_rows import Stored
from identity.loading import Loaded, Progress
from identity.model import Households, MatchKey, MatchRule, RecordSet
from identity.probabilistic.nicknames import create_nicknames
from identity.report import ResolveReport, SourceCount, Touched
from identity.resolve import MEMORY_LIMIT, check, check_decisions, quiet
from identity.run import Run
from identity.scratch import each_beside, scratch
from identity.stewardship.decisions import Decision
from identity.versions.stable_ids import NO_ID
from identity.versions.store import CrosswalkStore


def incremental(
    records: Sequence[RecordSet],
    rules: Mapping[str, tuple[MatchRule, ...]],
    store: CrosswalkStore,
    secret: bytes,
    *,
    engines: Engines,
    identifiers: Mapping[str, Mapping[str, MatchKey]] | None = None,
    progress: Progress | None = None,
    memory_limit: str = MEMORY_LIMIT,
    threads: int | None = None,
    decisions: Sequence[Decision] = (),
) -> ResolveReport:
    """Resolve what changed since the version that serves, which `resolve(…, index=True)` or this wrote, and publish the next one.

    Arguments as for `identity.resolve`. Raises: NoIndex, if everything has to be resolved, with the reason; nothing was published
    then. Otherwise as `resolve`.
    """
    stored = identifiers or {}
    check(records, rules, stored, secret)
    check_decisions(decisions, records)
    started = time.monotonic()
    current = store.current()
    if current is None or current.key != store.encryption_key:
        raise NoIndex("there is no crosswalk yet" if current is None else "the crosswalk is to be under another key")
    with scratch(memory_limit, threads, few=True) as con, store.write(con, amend=True) as draft:
        assert draft.previous is not None
        agreed = expected(records, rules, stored, engines)
        index = RecordIndex.open(con, store, draft.previous.version, agreed)
        writer = IndexWriter.begin(con, store, draft.version, whole=False)
        run = Amending(con, draft, secret, engines, progress or quiet, decisions, index=index, writer=writer)
        records = resumed(records, index.meta.get("watermarks", "{}"))
        if not records:
            draft.opened()
        run.resolve(records, rules, stored)
        meta = {**agreed, "firsts": index.meta["firsts"], "base": str(index.base()), "decisions": digests(decisions)}
        meta |= {"watermarks": watermarks(records), "keys": json.dumps(run.keys)}
        with con.cursor() as own, ThreadPoolExecutor(1) as beside:
            kept = [store.index_path(version) for version in (index.base(), draft.previous.version)]
            finished = beside.submit(replace(writer, con=own).close, meta, kept)
            report = run.close(started)
            finished.result()
        con.execute("DETACH ix; DETACH dx")
    return report


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """The records of one (entity, space) after they were matched anew. `name` is what the index calls them; `clusters` are the ids
    that the version before has, and how many records each; `left` what stays of the evidence."""

    name: str
    pool: Pool
    near: Neighbourhood
    changes: Changes
    around: Around
    found: Matched
    clusters: tuple[Ints, Ints]
    left: Left | None

    @property
    def renewed(self) -> Ints:
        """The records that came, changed or went."""
        return _renewed(self.around, self.changes)


@dataclass(kw_only=True)
class Amending(Run):
    """An incremental resolve under way."""

    index: RecordIndex
    writer: IndexWriter
    before: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    keys: dict[str, KeySum | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.history = self.amended = AmendedHistory(self.con, self.draft.version, True)
        known = set(json.loads(self.index.meta["decisions"]))
        if known - {d.id for d in self.decisions}:
            raise NoIndex("a decision no longer holds")
        self.touched = Touched(0, 0, 0, 0, 0)

    def _resolve_group(
        self, entity: str, space: str, group: list[RecordSet], rules: Sequence[MatchRule], identifiers: Mapping[str, MatchKey]
    ) -> None:
        assert self.draft.previous is not None
        if has_mates(self.con, "old", entity, space) != bool(self.engines.households.get(entity)):
            raise NoIndex("households were not asked for before, or no longer are")
        wanted = dict.fromkeys([*self.engines.needs(rules, entity), *identifiers.values()])
        columns = {key: f"n{i}" for i, key in enumerate(wanted)}
        name = group_name(entity, space)
        with self.con.cursor() as own, ThreadPoolExecutor(1) as beside:
            stored = beside.submit(Stored, self.index, own, name).result
            if entity in self.engines.models:
                beside.submit(create_nicknames, own)  # what is compared asks for them: they are there by then
            pool = Pool(self.con, group, columns, self.draft.previous, self.index, stored, self.secret, self.progress)
            changes = read_changes(pool)
        here = [d for d in self.decisions if (d.entity, d.space) == (entity, space)]
        near = Neighbourhood(pool, self.engines, (entity, space), rules, identifiers, here)
        near.prepare(changes)
        with self.con.cursor() as own, ThreadPoolExecutor(1) as beside:  # from here on one core is idle now and then
            clusters = beside.submit(_clusters, own, pool).result
            opened = beside.submit(self.draft.opened).result
            around = near.find(changes)
            opened()
            beside.submit(self.amended.look_up, own, pool.borne(around.touched))
            left = beside.submit(leave_evidence, own, entity, space, around.touched, _renewed(around, changes)).result
            found = near.match(around, changes.gone)
            matched = _Group(name, pool, near, changes, around, found, clusters(), left())
        self._write(matched, identifiers)
        self.yields += found.matching.yields
        self.ignored += found.bound.ignored  # every record that is there and that a decision names was matched anew
        self.contradicted.update((entity, space, found.bound.cannot_by[refused.cannot], refused.rule) for refused in found.matching.refused)
        self.keys |= changes.keys
        self._tell(pool, group, changes, found)
        pool.drop()

    def _write(self, group: _Group, identifiers: Mapping[str, MatchKey]) -> None:
        with self.con.cursor() as own, ThreadPoolExecutor(1) as beside:
            others = beside.submit(self._write_evidence, own, group)
            self._write_ids(group, identifiers)
            others.result()
        if asked := self.engines.households.get(group.near.entity):
            self._write_households(group, asked)

    def _write_evidence(self, own: duckdb.DuckDBPyConnection, group: _Group) -> None:
        """Evidence and index, which ask nothing of ids."""
        pool, around, found, gone = group.pool, group.around, group.found, group.changes.gone
        if group.left is not None:
            following = pool.stored().next_rec + len(group.changes.new)
            amend_evidence(own, group.left, found.matching, found.gids, group.near.count, following)
        parts = found.gids[parts_of(len(found.gids), found.rows, found.hopeful, found.bound)]
        states = found.gids, pool.of(found.gids)[1], parts
        replace(self.index, con=own).carry_on(replace(self.writer, con=own), group.name, around.renewed, around.rows, gone, states)

    def _write_ids(self, group: _Group, identifiers: Mapping[str, MatchKey]) -> None:
        """Links, and stored identifiers."""
        pool, near, found, gone = group.pool, group.near, group.found, group.changes.gone
        self.before = pool.borne(found.gids)
        ids = self._identify(near.entity, near.space, found.loaded, found.matching, found.bound)
        touched = np.concatenate([self.before[self.before != NO_ID], pool.ids_before(gone)[1]])
        self.amended.touched = np.concatenate([self.amended.touched, touched])
        beyond = near.borne_beyond(found, gone)
        crowded = {name: beyond.rec[beyond.rule == JOINING + len(near.rules) + i] for i, name in enumerate(identifiers)}

        def stored(own: duckdb.DuckDBPyConnection) -> None:
            amend_identifiers(own, pool, near.entity, near.space, identifiers, ids, touched, crowded)

        def counted(_: duckdb.DuckDBPyConnection) -> None:
            owners, sizes = group.clusters
            others, (now, members) = ~among(owners, distinct(touched)), np.unique(ids, return_counts=True)
            Run._count(self, np.append(owners[others], now), np.append(sizes[others], members))

        each_beside(self.con, [*self._links(pool, found, ids, gone), stored, counted], lambda own, write: write(own))

    def _write_households(self, group: _Group, asked: Households) -> None:
        near, found, renewed = group.near, group.found, group.renewed
        left, right, weight = mates(found.matching.scored, found.bound.cannot)
        decided = pairs_among(left, right, found.bound.cannot)
        left, right = found.gids[left], found.gids[right]
        again = np.isin(left, renewed) | np.isin(right, renewed) | decided
        amend_mates(self.con, near.entity, near.space, renewed, (left[again], right[again], weight[again]), near.mates)
        self.amended.touched = np.concatenate([self.amended.touched, self._group(near.entity, near.space, asked).before])

    def _links(self, pool: Pool, found: Matched, ids: Ints, gone: Ints) -> list[Callable[[duckdb.DuckDBPyConnection], None]]:
        """What brings each link table up to date."""

        def amend(i: int) -> Callable[[duckdb.DuckDBPyConnection], None]:
            one = found.loaded[i]
            moved = one.first + np.flatnonzero(ids[one.first : one.first + one.count] != self.before[one.first : one.first + one.count])
            table = pa.table({"rec": moved, "gid": found.gids[moved], "id360": ids[moved]})

            def write(own: duckdb.DuckDBPyConnection) -> None:
                count, personal = amend_links(own, pool, i, one, table, gone), pool.personal(own, i, one)
                own.execute("UPDATE new.link_table SET links = ?, personal = ? WHERE name = ?", [count, personal, pool.links[i].name])

            return write

        return [amend(i) for i in range(len(pool.links))]

    def _ids_before(self, loaded: Sequence[Loaded], count: int) -> Ints:
        return self.before  # told by what was read

    def _count(self, ids: Ints, members: Ints) -> None:
        """Those matched anew are counted with all others."""

    def _tell(self, pool: Pool, group: Sequence[RecordSet], changes: Changes, found: Matched) -> None:
        for i, (records, link) in enumerate(zip(group, pool.links, strict=True)):
            ((count,),) = self.con.execute(f"SELECT count(*) FROM new.{link.name}").fetchall()
            self.sources.append(
                SourceCount(*records.place, count, changes.null_keys[records.place], pool.personal(self.con, i, found.loaded[i]))
            )
        clusters = len(np.unique(found.matching.labels))
        more = Touched(len(changes.new), len(changes.changed), len(changes.gone), len(found.gids), clusters)
        self.touched = self.touched.plus(more)

    def _report(self, seconds: float) -> ResolveReport:
        return replace(super()._report(seconds), touched=self.touched)


def _renewed(around: Around, changes: Changes) -> Ints:
    """The records that came, changed or went."""
    return np.concatenate([around.renewed, changes.gone])


def _clusters(con: duckdb.DuckDBPyConnection, pool: Pool) -> tuple[Ints, Ints]:
    """Every id of the version before, and how many records it has."""
    links = [con.execute(f"SELECT id360 FROM old.{link.name}").fetchnumpy()["id360"] for link in pool.links]
    owners = np.sort(np.concatenate(links), kind="stable")  # each table is nearly in order: little to do
    starts, sizes = runs(owners)
    return owners[starts], sizes
