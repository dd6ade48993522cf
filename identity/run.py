"""One resolve under way, group by group: load, match, identify, write; and the history of ids at its end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import duckdb
import numpy as np
import pyarrow as pa

from identity.clustering import Ints
from identity.loading import Loaded, Progress, load
from identity.matching import Matcher, Records, RuleYield, SharedValue
from identity.model import MatchKey, MatchRule, RecordSet
from identity.publishing import write_identifiers, write_links
from identity.report import ResolveReport, SourceCount
from identity.scratch import registered
from identity.stable_ids import NO_ID, Registry, heirs, keep, mint
from identity.store import Draft


@dataclass
class Run:
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
        self.minted: list[Ints] = []
        self.con.execute("CREATE TEMP TABLE living (id360 BIGINT)")
        self.con.execute("CREATE TEMP TABLE ended (entity VARCHAR, space VARCHAR, old_id BIGINT, new_id BIGINT)")

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
        self._close_history()

    def _resolve_group(
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
        before = self._ids_before(loaded, len(labels))
        by_cluster, minted = self._assign(entity, space, loaded, anchors, clusters, before)
        ended, heir = heirs(clusters, before, by_cluster, self.registry)
        self._record(entity, space, minted, by_cluster, ended, heir)
        self.minted.append(minted)
        self.sizes["ids"] += len(by_cluster)
        self.sizes["minted"] += len(minted)
        self.sizes["merged"] += len(ended)
        self.sizes["singletons"] += int((members == 1).sum())
        top = np.lexsort((by_cluster, -members))[:10]
        largest = zip(by_cluster[top].tolist(), members[top].tolist(), strict=True)
        self.largest = sorted([*self.largest, *largest], key=lambda c: (-c[1], c[0]))[:10]
        return np.asarray(by_cluster[clusters], np.int64)

    def _assign(self, entity: str, space: str, loaded: Sequence[Loaded], anchors: Ints, clusters: Ints, before: Ints) -> tuple[Ints, Ints]:
        """The id of each cluster (`anchors[c]` is its first record), and which of them are new to the world."""
        by_cluster = keep(clusters, before, len(anchors), self.registry)
        fresh = by_cluster == NO_ID
        taken = np.concatenate([self.registry.ids, *self.minted])
        minted = mint(self.con, self.secret, self._anchor_texts(loaded, anchors[fresh]), taken)
        by_cluster[fresh] = minted
        return by_cluster, minted

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
            found = self.con.sql(f"SELECT text FROM ({' UNION ALL '.join(texts)}) ORDER BY rec", params=places).to_arrow_table()
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

    def _close_history(self) -> None:
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
                "FROM old.redirect o LEFT JOIN ended e ON e.old_id = o.new_id WHERE o.old_id NOT IN (FROM living)"
            )
            self.con.execute("INSERT INTO new.foreign_id SELECT * FROM old.foreign_id ORDER BY ALL")
            self.con.execute("INSERT INTO new.run SELECT * FROM old.run ORDER BY run")
        self.con.execute(f"INSERT INTO new.redirect SELECT * FROM ({redirects}) ORDER BY old_id")

    def close(self, started: float) -> ResolveReport:
        """Note the run in its version, and report it. `started` is the monotonic time of its beginning, in seconds."""
        report = self._report(time.monotonic() - started)
        self.con.execute(
            "INSERT INTO new.run VALUES (?, now(), ?, ?, ?, ?, ?, ?)",
            [report.run, report.links, report.ids, report.minted, report.merged, report.retired, report.seconds],
        )
        return report

    def _report(self, seconds: float) -> ResolveReport:
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
