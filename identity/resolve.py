"""Resolve: read the records, find who is who, keep or mint ids, publish the next version of the crosswalk.

Nothing is published unless all of it is; the same records, rules, secret and previous version give the same ids, whatever the
order of rows and the number of threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from connectors.spi.errors import InternalError
from identity.engines import Engines
from identity.errors import WeakSecret
from identity.incremental.indexing import Indexing, digests, expected
from identity.incremental.record_index import IndexWriter
from identity.loading import Progress
from identity.model import MatchKey, MatchRule, RecordSet
from identity.normalise import check_normal_form
from identity.report import ResolveReport
from identity.risk import RiskyMerge
from identity.run import Run
from identity.scratch import scratch
from identity.stewardship.binding import check_places
from identity.stewardship.contradictions import refuse_contradictions
from identity.stewardship.decisions import Decision
from identity.versions.models import note_models
from identity.versions.store import CrosswalkStore, Draft

MEMORY_LIMIT = "1200MiB"


def resolve(
    records: Sequence[RecordSet],
    rules: Mapping[str, tuple[MatchRule, ...]],
    store: CrosswalkStore,
    secret: bytes,
    *,
    identifiers: Mapping[str, Mapping[str, MatchKey]] | None = None,
    engines: Engines | None = None,
    progress: Progress | None = None,
    memory_limit: str = MEMORY_LIMIT,
    threads: int | None = None,
    decisions: Sequence[Decision] = (),
    instead: Callable[[Resolved, Path], None] | None = None,
    index: bool = False,
) -> ResolveReport:
    """Resolve all `records` by the `rules` of their entity and publish the result in `store`.

    Records link within one entity and space. The version published holds the tables given and no others; ids of the previous
    version whose records are all gone are retired. A record that agrees with nobody is a person of its own.
    `identifiers[entity][name]` are the identifiers to store: values in normal form, of the attribute named. `engines` say what matches
    each entity (default: exact rules). `progress(source.table, rows)` is called per batch read. `memory_limit` bounds DuckDB; nothing is
    spilled. `decisions` are those that hold (Decisions.active). With `index` an index is left, upon which `identity.incremental.resolving`
    builds. `instead` is handed what was resolved and the whole file of the version, on disk, which is then not published.

    Raises: UnknownNormalForm, WeakSecret, DuplicateKeys, KeyType, ResolveMemory, ResolveRunning, MissingEncryption,
    CrosswalkDamaged, CrosswalkVersion, CrosswalkKey, ContradictoryDecisions, DecisionTable, and what the sources raise.
    """
    stored = identifiers or {}
    check(records, rules, stored, secret)
    check_decisions(decisions, records)
    started = time.monotonic()
    engines = replace(engines or Engines(secret, {}, store.directory), index=index)
    if index and engines.only is not None:
        raise InternalError("one engine for all leaves no index")
    done: list[Resolved] = []

    def finish(file: Path, version: int) -> None:
        if instead is not None:
            instead(done[0], file)
            return
        store.publish(file, version)
        for other in store.directory.glob("index-*"):
            if other.with_suffix(".duckdb") != store.index_path(version):
                other.unlink(missing_ok=True)

    with scratch(memory_limit, threads) as con, store.write(con, finish=finish) as draft:
        run = Run(con, draft, secret, engines, progress or quiet, decisions, weigh=instead is not None)
        if index:
            writer = BesideIndex.begin(con, store, draft.version)
            run.indexing = Indexing(writer, engines, digests(decisions))
        run.resolve(records, rules, stored)
        note_models(con, store, engines.findings.used)
        if run.indexing is not None:
            run.indexing.close(expected(records, rules, stored, engines), records)
        done.append(Resolved(con, draft, run.close(started), tuple(run.risky)))
    return done[0].report


class BesideIndex(IndexWriter):
    """An index of a version that does not serve yet: that of the version which does stays beside it."""

    def close(self, meta: Mapping[str, str], keep: Sequence[Path] = ()) -> None:
        super().close(meta, [*keep, *self.path.parent.glob("index-*.duckdb")])


@dataclass(frozen=True, slots=True)
class Resolved:
    """A run that is done, while its DuckDB is still there: the version before attached as `old`, the new one no longer."""

    con: duckdb.DuckDBPyConnection
    draft: Draft
    report: ResolveReport
    risky: tuple[RiskyMerge, ...]


def check_decisions(decisions: Sequence[Decision], records: Sequence[RecordSet]) -> None:
    """Before anything is read. Raises: ContradictoryDecisions, DecisionTable."""
    refuse_contradictions(decisions)
    check_places(decisions, records)


def quiet(label: str, rows: int) -> None:
    """No progress shown."""


def check(
    records: Sequence[RecordSet],
    rules: Mapping[str, tuple[MatchRule, ...]],
    identifiers: Mapping[str, Mapping[str, MatchKey]],
    secret: bytes,
) -> None:
    """Before anything is read. Raises: WeakSecret, UnknownNormalForm."""
    check_secret(secret)
    for key in [p for some in rules.values() for rule in some for p in rule.parts] + [
        k for some in identifiers.values() for k in some.values()
    ]:
        check_normal_form(key.normal)
    if len({r.place for r in records}) < len(records):
        raise InternalError("a source table is given twice for one entity and space")


def check_secret(secret: bytes) -> None:
    """Raises: WeakSecret."""
    if len(secret) < 16:
        raise WeakSecret(
            f"the project's secret has {len(secret)} bytes; ids are minted under at least 16",
            hint="set `identity: secret` to more, such as what `openssl rand -hex 32` prints",
        )
