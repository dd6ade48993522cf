"""Decisions name records by key, engines know them by number: bind the ones to the others."""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import duckdb
import numpy as np
import pyarrow as pa

from identity.clustering import Ints
from identity.constraints import Pairs
from identity.errors import DecisionTable
from identity.loading import Loaded
from identity.model import RecordSet
from identity.scratch import registered
from identity.stewardship.contradictions import refuse_contradictions
from identity.stewardship.decisions import DIFFERENT, PIN, SAME, Decision, RecordName
from identity.versions.stable_ids import HMAC, hmac_keys, measured, measured_sql

_DOMAIN = "decision"


@dataclass(frozen=True, slots=True)
class Bound:
    """Decisions on the records of one (entity, space): pairs of recs, and which decision each pair of `cannot` comes from.

    `pinned` are recs and `pins` the ids that their clusters keep. `ignored` are decisions on records that are not there (now).
    """

    must: Pairs
    cannot: Pairs
    cannot_by: tuple[str, ...]
    pinned: Ints
    pins: Ints
    ignored: tuple[str, ...]


def check_places(active: Iterable[Decision], records: Sequence[RecordSet]) -> None:
    """Raises: DecisionTable, if a decision is about a table that is not resolved, or by a key of other columns."""
    keys = {one.place: one.key for one in records}
    for decision in active:
        for record in decision.records:
            key = keys.get((decision.entity, decision.space, record.source, record.table))
            if key is None:
                where = f"{record.source}.{record.table} of {decision.entity}" + (f" in {decision.space}" if decision.space else "")
                raise DecisionTable(
                    f"decision {decision.id} names a record of {where}, which is not resolved",
                    hint=f"map the table, or withdraw the decision: `c360 decide undo {decision.id}`",
                )
            if not record.hashed and len(record.key) != len(key):
                raise DecisionTable(
                    f"decision {decision.id} names {record}, but the key of {record.source}.{record.table} is "
                    + ", ".join(column.name for column in key),
                    hint=f"decide anew by that key, and withdraw this one: `c360 decide undo {decision.id}`",
                )


def bind(con: duckdb.DuckDBPyConnection, active: Sequence[Decision], loaded: Sequence[Loaded], secret: bytes) -> Bound:
    """The decisions (all of one entity and space) as pairs of recs. Pins to one id make their records one, to two ids two.

    Raises: ContradictoryDecisions, also where two spellings of a key turn out to be one record.
    """
    recs = _find(con, active, loaded, secret)
    refuse_contradictions(active, lambda _, record: recs.get(record))
    must: list[tuple[int, int]] = []
    cannot: dict[tuple[int, int], str] = {}
    pinned: dict[int, int] = {}
    ignored = []
    for decision in active:
        found = [recs.get(record) for record in decision.records]
        known = [rec for rec in found if rec is not None]
        if len(known) < len(found):
            ignored.append(decision.id)
        elif decision.verdict == SAME:
            must.append((min(known), max(known)))
        elif decision.verdict == DIFFERENT:
            cannot.setdefault((min(known), max(known)), decision.id)
        elif decision.verdict == PIN and decision.id360 is not None:
            first = pinned.setdefault(decision.id360, known[0])
            must += [(first, known[0])] if first != known[0] else []
    for (one, rec), (other, second) in combinations(pinned.items(), 2):
        cannot.setdefault((min(rec, second), max(rec, second)), f"pins of {one} and {other}")
    return Bound(
        _pairs(must), _pairs(list(cannot)), tuple(cannot.values()),
        np.array(list(pinned.values()), np.int64), np.array(list(pinned), np.int64), tuple(ignored),
    )  # fmt: skip


def named(con: duckdb.DuckDBPyConnection, active: Sequence[Decision], loaded: Sequence[Loaded], secret: bytes) -> Ints:
    """Every rec that a decision names, ordered, also where the other record that it names is not there."""
    return np.unique(np.array(list(_find(con, active, loaded, secret).values()), np.int64))


def key_hash(secret: bytes, source: str, table: str, key: Sequence[str]) -> str:
    """What stands in a decision instead of a personal key; `key` in the form that DuckDB gives the key's values as text."""
    return hmac.digest(secret, measured(_DOMAIN, source, table, *key).encode(), "sha256").hex()


def _find(con: duckdb.DuckDBPyConnection, active: Sequence[Decision], loaded: Sequence[Loaded], secret: bytes) -> dict[RecordName, int]:
    """The rec of each record that is there."""
    by_table: dict[tuple[str, str, bool], list[RecordName]] = defaultdict(list)
    for record in dict.fromkeys(r for decision in active for r in decision.records):
        by_table[record.source, record.table, record.hashed].append(record)
    found: dict[RecordName, int] = {}
    for one in loaded:
        for hashed in (False, True):
            names = by_table.get((one.records.source, one.records.table, hashed))
            if names:
                look = _by_hash if hashed else _by_value
                found |= {names[nth]: rec for nth, rec in look(con, one, names, secret)}
    return found


def _by_value(con: duckdb.DuckDBPyConnection, one: Loaded, names: Sequence[RecordName], secret: bytes) -> list[tuple[int, int]]:
    """(nth of the names, rec), where the key is there; a text that is no value of the key's type is no key."""
    columns = {k: pa.array([name.key[i] for name in names], pa.string()) for i, k in enumerate(one.keys)}
    same = " AND ".join(f"r.{k} = TRY_CAST(n.{k} AS {kind})" for k, kind in zip(one.keys, one.key_types, strict=True))
    with registered(con, "named", pa.table({"nth": pa.array(range(len(names)), pa.int64()), **columns})):
        return con.execute(f"SELECT nth, rec FROM {one.table} r JOIN named n ON {same}").fetchall()


def _by_hash(con: duckdb.DuckDBPyConnection, one: Loaded, names: Sequence[RecordName], secret: bytes) -> list[tuple[int, int]]:
    place = measured(_DOMAIN, one.records.source, one.records.table)
    text = f"? || {measured_sql(*one.keys)}"
    hashes = pa.table({"nth": pa.array(range(len(names)), pa.int64()), "hash": pa.array([name.key[0] for name in names], pa.string())})
    with registered(con, "named", hashes):
        sql = f"SELECT nth, rec FROM (SELECT rec, {HMAC.format(text=text)} AS hash FROM {one.table}) JOIN named USING (hash)"
        return con.execute(sql, [*hmac_keys(secret), place]).fetchall()


def _pairs(found: Sequence[tuple[int, int]]) -> Pairs:
    return np.array(found, np.int64).reshape(-1, 2)
