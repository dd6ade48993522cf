"""Resolve: read the records, find who is who, keep or mint ids, publish the next version of the crosswalk.

Nothing is published unless all of it is; the same records, rules, secret and previous version give the same ids, whatever the
order of rows and the number of threads.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import duckdb
import numpy as np
import pyarrow as pa

from connectors.spi.errors import InternalError
from identity.clustering import Ints
from identity.errors import WeakSecret
from identity.loading import Loaded, Progress, load
from identity.matching import ExactRules, Matcher, Records, RuleYield, SharedValue
from identity.model import MatchKey, MatchRule, RecordSet
from identity.normalise import check_normal_form
from identity.publishing import write_identifiers, write_links
from identity.report import ResolveReport, SourceCount
from identity.scratch import registered, scratch
from identity.stable_ids import NO_ID, Registry, keep, mint
from identity.store import CrosswalkStore, Draft

MEMORY_LIMIT = "1200MiB"


def resolve(
    records: Sequence[RecordSet],
    rules: Mapping[str, tuple[MatchRule, ...]],
    store: CrosswalkStore,
    secret: bytes,
    *,
    identifiers: Mapping[str, Mapping[str, MatchKey]] | None = None,
    matcher: Matcher | None = None,
    cap: int = 100,
    progress: Progress | None = None,
    memory_limit: str = MEMORY_LIMIT,
    threads: int | None = None,
) -> ResolveReport:
    """Resolve all `records` by the `rules` of their entity and publish the result in `store`.

    Records link within one entity and space. The version published holds the tables given and no others; ids of the previous
    version whose records are all gone are retired. A record that agrees with nobody is a person of its own.
    `identifiers[entity][name]` are the identifiers to store: values in normal form, of the attribute named. `matcher` replaces
    the engine (default: ExactRules, with `cap` the most records that a value may link). `progress(source.table, rows)` is
    called per batch read. `memory_limit` bounds DuckDB; nothing is spilled.

    Raises: UnknownNormalForm, WeakSecret, DuplicateKeys, KeyType, ResolveMemory, ResolveRunning, MissingEncryption,
    CrosswalkDamaged, CrosswalkVersion, CrosswalkKey, and what the sources raise.
    """
    stored = identifiers or {}
    _check(records, rules, stored, secret)
    started = time.monotonic()
    engine = matcher or ExactRules(secret, cap)
    with scratch(memory_limit, threads) as con, store.write(con) as draft:
        run = _Run(con, draft, secret, engine, progress or (lambda label, rows: None))
        ordered = sorted(records, key=lambda r: r.place)
        for (entity, space), group in groupby(ordered, key=lambda r: (r.entity, r.space)):
            run.resolve_group(entity, space, list(group), rules.get(entity, ()), stored.get(entity, {}))
        run.close_history()
        report = run.report(time.monotonic() - started)
        con.execute(
            "INSERT INTO new.run VALUES (?, now(), ?, ?, ?, ?, ?, ?, ?)",
            [report.run, report.links, report.links, report.ids, report.minted, report.merged, report.retired, report.seconds],
        )
    return report


def _check(
    records: Sequence[RecordSet],
    rules: Mapping[str, tuple[MatchRule, ...]],
    identifiers: Mapping[str, Mapping[str, MatchKey]],
    secret: bytes,
) -> None:
    if len(secret) < 16:
        raise WeakSecret(f"the project's secret has {len(secret)} bytes; ids are minted under at least 16", hint="run `c360 init --secret`")
    for key in [p for some in rules.values() for rule in some for p in rule.parts] + [
        k for some in identifiers.values() for k in some.values()
    ]:
        check_normal_form(key.normal)
    if len({r.place for r in records}) < len(records):
        raise InternalError("a source table is given twice for one entity and space")


@dataclass
class _Run:
    """One resolve under way: what has been read and decided so far."""

    con: duckdb.DuckDBPyConnection
    draft: Draft
    secret: bytes
    engine: Matcher
    progress: Progress
    sources: list[SourceCount] = field(default_factory=list)
    yields: list[RuleYield] = field(default_factory=list)
    shared: list[SharedValue] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=lambda: {"ids": 0, "minted": 0, "merged": 0, "singletons": 0, "ambiguous": 0})
    largest: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Read every id there ever was, and start this version's history of ids with it."""
        ids = minted = np.empty(0, np.int64)
        if self.draft.previous:
            past = self.con.execute("SELECT id360, minted_run FROM old.id_history ORDER BY id360").fetchnumpy()
            ids, minted = np.asarray(past["id360"], np.int64), np.asarray(past["minted_run"], np.int64)
        self.registry = Registry(ids, minted)
        self.new_ids: list[Ints] = []
        self.con.execute("CREATE TEMP TABLE living (id360 BIGINT)")
        self.con.execute("CREATE TEMP TABLE ended (entity VARCHAR, space VARCHAR, old_id BIGINT, new_id BIGINT)")

    def resolve_group(
        self, entity: str, space: str, group: list[RecordSet], rules: Sequence[MatchRule], identifiers: Mapping[str, MatchKey]
    ) -> None:
        """Resolve the records of one (entity, space) and write their tables."""
        wanted = dict.fromkeys([*self.engine.needs(rules), *identifiers.values()])
        columns = {key: f"n{i}" for i, key in enumerate(wanted)}
        loaded: list[Loaded] = []
        for records in group:
            first = loaded[-1].first + loaded[-1].count if loaded else 0
            loaded.append(load(self.con, records, f"records_{len(loaded)}", first, columns, self.progress))
        count = loaded[-1].first + loaded[-1].count
        everything = " UNION ALL ".join(f"SELECT {', '.join(['rec', *columns.values()])} FROM {one.table}" for one in loaded)
        self.con.execute(f"CREATE OR REPLACE TEMP VIEW record AS {everything}")

        found = self.engine.match(Records(self.con, "record", count, columns), rules, entity, space)
        ids = self._identify(entity, space, loaded, found.labels)

        for one in loaded:
            write_links(self.con, one, ids[one.first : one.first + one.count])
            self.sources.append(SourceCount(*one.records.place, one.count, one.null_keys, one.personal))
        self.sizes["ambiguous"] += write_identifiers(
            self.con, entity, space, "record", ids, {name: (key, columns[key]) for name, key in identifiers.items()}
        )
        self.yields += found.yields
        self.shared += found.shared
        self.con.execute("DROP VIEW record")
        for one in loaded:
            self.con.execute(f"DROP TABLE {one.table}")

    def _identify(self, entity: str, space: str, loaded: Sequence[Loaded], labels: Ints) -> Ints:
        """The id360 of each record: kept from the previous version or minted."""
        anchors, clusters, members = np.unique(labels, return_inverse=True, return_counts=True)
        kept = keep(clusters, self._ids_before(loaded, len(labels)), len(anchors), self.registry)
        fresh = kept.by_cluster == NO_ID
        taken = np.concatenate([self.registry.ids, *self.new_ids])
        minted = mint(self.con, self.secret, self._anchor_texts(loaded, anchors[fresh]), taken)
        by_cluster = kept.by_cluster.copy()
        by_cluster[fresh] = minted
        self.new_ids.append(minted)

        self._record(entity, space, minted, by_cluster, kept.ended, by_cluster[kept.heir])
        self.sizes["ids"] += len(by_cluster)
        self.sizes["minted"] += len(minted)
        self.sizes["merged"] += len(kept.ended)
        self.sizes["singletons"] += int((members == 1).sum())
        top = np.lexsort((by_cluster, -members))[:10]
        self.largest = sorted(
            [*self.largest, *zip(by_cluster[top].tolist(), members[top].tolist(), strict=True)], key=lambda c: (-c[1], c[0])
        )[:10]
        return np.asarray(by_cluster[clusters], np.int64)

    def _ids_before(self, loaded: Sequence[Loaded], count: int) -> Ints:
        """The id360 that each record has in the previous version, by source key; NO_ID for new records."""
        before = np.full(count, NO_ID, np.int64)
        for one in loaded:
            link = self.draft.previous.link_of(*one.records.place) if self.draft.previous else None
            if link is None or len(link.columns) != len(one.keys):
                continue
            # A key column may have changed its type since: its values are then compared as text.
            same = " AND ".join(
                f"o.{k} = n.{k}" if was == is_ else f"o.{k}::VARCHAR = n.{k}::VARCHAR"
                for k, was, is_ in zip(one.keys, link.key_types, one.key_types, strict=True)
            )
            found = self.con.execute(f"SELECT n.rec, o.id360 FROM {one.table} n JOIN old.{link.name} o ON {same}").fetchnumpy()
            before[np.asarray(found["rec"], np.int64)] = np.asarray(found["id360"], np.int64)
        return before

    def _anchor_texts(self, loaded: Sequence[Loaded], anchors: Ints) -> pa.Array:
        """What an id is minted from: place and key of the cluster's first record, each part with its length, so that no two agree."""
        with registered(self.con, "anchor", pa.table({"rec": pa.array(anchors)})):
            texts = [
                f"SELECT rec, ? || {' || '.join(_measured(f'{key}::VARCHAR') for key in one.keys)} AS text "
                f"FROM {one.table} SEMI JOIN anchor USING (rec)"
                for one in loaded
            ]
            places = ["".join(f"{len(part.encode())}:{part}" for part in one.records.place) for one in loaded]
            found = self.con.execute(f"SELECT text FROM ({' UNION ALL '.join(texts)}) ORDER BY rec", places).to_arrow_table()
        return found.column(0).combine_chunks()

    def _record(self, entity: str, space: str, minted: Ints, living: Ints, ended: Ints, heirs: Ints) -> None:
        """Note what this group did to the ids: born, alive, merged into another."""
        run = str(self.draft.version)
        with registered(self.con, "minted", pa.table({"id360": pa.array(minted)})):
            self.con.execute(f"INSERT INTO new.id_history SELECT ?, ?, id360, {run}, NULL FROM minted ORDER BY id360", [entity, space])
        with registered(self.con, "alive", pa.table({"id360": pa.array(living)})):
            self.con.execute("INSERT INTO living SELECT id360 FROM alive")
        with registered(self.con, "merged", pa.table({"old_id": pa.array(ended), "new_id": pa.array(heirs)})):
            self.con.execute("INSERT INTO ended SELECT ?, ?, old_id, new_id FROM merged", [entity, space])

    def close_history(self) -> None:
        """Carry the history of ids on: earlier ids, retired where nobody bears them now; redirects, compressed; foreign ids."""
        run = str(self.draft.version)
        redirects = f"SELECT entity, space, old_id, new_id, {run} AS run FROM ended"
        if self.draft.previous:
            self.con.execute(
                f"INSERT INTO new.id_history SELECT h.entity, h.space, h.id360, h.minted_run, CASE WHEN l.id360 IS NULL THEN "
                f"coalesce(h.retired_run, {run}) END FROM old.id_history h LEFT JOIN living l USING (id360) ORDER BY h.id360"
            )
            redirects += (
                " UNION ALL SELECT o.entity, o.space, o.old_id, coalesce(e.new_id, o.new_id), o.run "
                "FROM old.redirect o LEFT JOIN ended e ON e.old_id = o.new_id"
            )
            self.con.execute("INSERT INTO new.foreign_id SELECT * FROM old.foreign_id ORDER BY ALL")
            self.con.execute("INSERT INTO new.run SELECT * FROM old.run ORDER BY run")
        self.con.execute(f"INSERT INTO new.redirect SELECT * FROM ({redirects}) ORDER BY old_id")

    def report(self, seconds: float) -> ResolveReport:
        retired = self.con.execute(f"SELECT count(*) FROM new.id_history WHERE retired_run = {self.draft.version:d}").fetchall()[0][0]
        return ResolveReport(
            run=self.draft.version,
            version=self.draft.version,
            sources=tuple(self.sources),
            links=sum(source.records for source in self.sources),
            ids=self.sizes["ids"],
            minted=self.sizes["minted"],
            merged=self.sizes["merged"],
            retired=retired,
            singletons=self.sizes["singletons"],
            rules=tuple(self.yields),
            shared=tuple(self.shared),
            largest=tuple(self.largest),
            ambiguous_identifiers=self.sizes["ambiguous"],
            seconds=seconds,
        )


def _measured(text: str) -> str:
    return f"strlen({text}) || ':' || {text}"
