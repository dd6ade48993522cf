"""The crosswalk as a reader sees it: one DuckDB file per version, opened read-only.

    meta(key, value)                            format, version, base (built upon), restores (of a rollback: the version it brings back),
                                                models (JSON: the digest of each model that it was made with), decisions (JSON: the
                                                id of each that it was made with)
    link_table(name, …)                         which mapped table is in which link table
      link_<…>(k0, …, kn, id360, ord)           a source key, natively typed, and whose it is; `ord` its rank among the table's keys;
                                                of households the keys are people's id360s (see identity.households.grouping)
    identifier_table(name, …)                   which stored identifier is in which table
      ident_<…>(value, id360)                   an identifier in normal form; values of more than one id360 are left out
    redirect(entity, space, old_id, new_id, run)           where a merged id went, path-compressed
    id_history(entity, space, id360, minted_run, retired_run)  every id there ever was
    id_event(entity, space, run, event, id360, other_id, records)  what became of ids besides: see identity.versions.lineage
    foreign_id(entity, space, foreign_id, id360)           ids of an imported crosswalk that were texts
    run(run, finished_at, links, ids, minted, merged, retired, seconds, base, restores)

Link tables are sorted by id360, identifiers by value: DuckDB keeps the least and the greatest value of each block, so that few blocks are
read for one id. No table has an index: an index is larger than what it is of, is written anew with every version, and whoever
asks often is answered from memory (identity.held_links).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from connectors.lockdown import LOCKED_DOWN
from identity.errors import CrosswalkDamaged, CrosswalkKey, CrosswalkVersion
from identity.held_links import HeldLinks, HeldRedirects, Key, holdable
from identity.scratch import identifier, literal

FORMAT = "2"

OFTEN = 200
"""After so many look-ups the links of a version are held in memory,"""
MOST_HELD = 20_000_000
"""if they are no more than this."""
HOUSEHOLD_OF = "household of "
"""What the entity of a household is called, before the name of the entity that lives there."""


@dataclass(frozen=True, slots=True)
class LinkTable:
    """The links of one mapped source table: table `name` with columns k0 … kn (types `key_types`), id360, ord.

    `personal` says what a key gives away: "" nothing known, "email" or "phone" by its form, "declared" by the mapping.
    """

    name: str
    entity: str
    space: str
    source: str
    table: str
    key_columns: tuple[str, ...]
    key_types: tuple[str, ...]
    links: int
    personal: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the key columns in the link table: k0 … kn."""
        return tuple(f"k{i}" for i in range(len(self.key_columns)))


@dataclass(frozen=True, slots=True)
class IdentifierTable:
    """The stored values of one identifier: table `name` with columns value (in the form `normal`) and id360.

    `ambiguous` counts the values that records of several id360 carry: they are not in the table.
    """

    name: str
    entity: str
    space: str
    identifier: str
    normal: str
    values: int
    ambiguous: int


@dataclass(frozen=True, slots=True)
class SourceKey:
    """One record behind an id360."""

    entity: str
    space: str
    source: str
    table: str
    key: Key


class Crosswalk:
    """One published version. Immutable; safe to use from many threads; `lookup` and `canonical` use a connection of its own."""

    def __init__(self, path: Path, *keys: str) -> None:
        """`keys`: an encrypted file is under one of them. Raises: CrosswalkDamaged, CrosswalkVersion, CrosswalkKey."""
        self.path = path
        self._keys: tuple[str | None, ...] = keys or (None,)
        self._opening = threading.Lock()
        self._cursors = threading.local()
        self._asked, self._holding = 0, threading.Lock()
        self._held: Mapping[str, HeldLinks] = {}
        self._redirects: HeldRedirects | None = None
        self.remembered: dict[object, Any] = {}
        """What others read of this version once and keep with it."""
        self._own = con = self._connect()
        try:
            meta = dict(con.execute("SELECT key, value FROM xw.meta").fetchall())
            if (found := meta.get("format")) != FORMAT:
                raise CrosswalkVersion(
                    f"the crosswalk {path.name} has format {found}; this c360 reads format {FORMAT}",
                    hint="use the c360 that wrote it; or move its directory away and run `c360 resolve`, which starts ids anew",
                )
            self.version = int(meta["version"])
            self.models: dict[str, str] = json.loads(meta.get("models") or "{}")
            self.decisions: frozenset[str] = frozenset(json.loads(meta.get("decisions") or "[]"))
            self.base, self.restores = (int(meta[name]) if meta[name] else None for name in ("base", "restores"))
            tables = tuple(_link_table(*row) for row in _rows(con, "link_table"))
            self.links = tuple(t for t in tables if not t.entity.startswith(HOUSEHOLD_OF))
            self.households = tuple(t for t in tables if t.entity.startswith(HOUSEHOLD_OF))
            self.identifiers = tuple(IdentifierTable(*row) for row in _rows(con, "identifier_table"))
        except BaseException as cause:
            con.close()
            if isinstance(cause, (duckdb.Error, KeyError, ValueError)):
                raise damaged(path) from cause
            raise

    def __repr__(self) -> str:
        return f"<Crosswalk {self.path.name}: {len(self.links)} link tables>"

    @cached_property
    def _by_place(self) -> dict[tuple[str, str, str, str], LinkTable]:
        return {(t.entity, t.space, t.source, t.table): t for t in self.links}

    def link_of(self, entity: str, space: str, source: str, table: str) -> LinkTable | None:
        """The link table of a mapped source table, None if it was never resolved."""
        return self._by_place.get((entity, space, source, table))

    def households_of(self, entity: str, space: str) -> LinkTable | None:
        """Which people (id360, column k0) are of which household (id360); None if there are none."""
        found = (t for t in self.households if (t.entity, t.space) == (HOUSEHOLD_OF + entity, space))
        return next(found, None)

    def identifier_of(self, entity: str, space: str, identifier: str) -> IdentifierTable | None:
        """The table of a stored identifier ("email"), None if it is not stored."""
        found = (t for t in self.identifiers if (t.entity, t.space, t.identifier) == (entity, space, identifier))
        return next(found, None)

    def attach(self, con: duckdb.DuckDBPyConnection, alias: str) -> None:
        """ATTACH the file to `con`, read-only, as `alias`. Raises: CrosswalkDamaged, CrosswalkKey."""
        refused: duckdb.Error | None = None
        for key in self._keys if self.encrypted else (None,):
            option = f", ENCRYPTION_KEY {literal(key)}" if key else ""
            try:
                con.execute(f"ATTACH {literal(str(self.path))} AS {identifier(alias)} (READ_ONLY{option})")
            except duckdb.Error as cause:
                refused = cause.with_traceback(None)  # which would keep this version in use
            else:
                self._keys = (key,)
                return
        if self.encrypted:
            said = "is encrypted, and no key is given" if self._keys == (None,) else "does not open with the key given"
            raise CrosswalkKey(
                f"the crosswalk {self.path.name} {said}",
                hint="set `encryption_key` to the key it was written with, or `former_encryption_key` if there is a new one",
            ) from refused
        raise damaged(self.path) from refused

    @cached_property
    def encrypted(self) -> bool:
        """Whether the file is encrypted."""
        return is_encrypted(self.path)

    @property
    def key(self) -> str | None:
        """The key that the file is under; None if it is not encrypted."""
        return self._keys[0]

    @cached_property
    def resolved_at(self) -> datetime | None:
        """When its sources were read (UTC): the beginning of its run, or of the run whose links a rollback brought back; None if no
        run is noted."""
        rows = self.reader.execute("SELECT run, epoch(finished_at) - coalesce(seconds, 0), restores FROM xw.run").fetchall()
        runs = {int(run): (began, restores) for run, began, restores in rows}
        run = self.version
        while run in runs and runs[run][1] is not None and int(runs[run][1]) < run:
            run = int(runs[run][1])
        return datetime.fromtimestamp(runs[run][0], UTC) if run in runs and runs[run][0] is not None else None

    def members(self, household: int) -> tuple[int, ...]:
        """The people of a household, by an id that is valid now or once was; () if there are none."""
        household = self.canonical(household)
        return tuple(
            int(person)
            for t in self.households
            for (person,) in self.reader.execute(f"SELECT k0 FROM xw.{t.name} WHERE id360 = ? ORDER BY k0", [household]).fetchall()
        )

    def lookup(self, id360: int) -> tuple[SourceKey, ...]:
        """The records of a person, by an id that is valid now or once was; () if there are none."""
        held, id360 = self._often(), self.canonical(id360)
        found: list[SourceKey] = []
        for t in self.links:
            if (own := held.get(t.name)) is not None:
                keys = own.keys_of(id360)
            else:
                sql = f"SELECT {', '.join(t.columns)} FROM xw.{t.name} WHERE id360 = ? ORDER BY ord"
                keys = self.reader.execute(sql, [id360]).fetchall()
            found += [SourceKey(t.entity, t.space, t.source, t.table, key) for key in keys]
        return tuple(found)

    def id_of(self, entity: str, space: str, source: str, table: str, key: Key) -> int | None:
        """The id360 of a record; None if the record, or its table, was not there at the resolve."""
        link = self.link_of(entity, space, source, table)
        if link is None or len(key) != len(link.columns):
            return None
        held = self._often().get(link.name)
        if held is not None and held.fits(key):
            return held.id_of(key)
        same = " AND ".join(f"{k} = ?" for k in link.columns)
        rows = self.reader.execute(f"SELECT id360 FROM xw.{link.name} WHERE {same}", list(key)).fetchall()
        return int(rows[0][0]) if rows else None

    def canonical(self, id360: int) -> int:
        """The id that stands for `id360` now: itself, unless it was merged into another."""
        if self._redirects is not None:
            return self._redirects.canonical(id360)
        rows = self.reader.execute("SELECT new_id FROM xw.redirect WHERE old_id = ?", [id360]).fetchall()
        return int(rows[0][0]) if rows else id360

    def _often(self) -> Mapping[str, HeldLinks]:
        """The tables that are held. They are read, beside what goes on, once enough has been asked: one look-up would not be worth it."""
        self._asked += 1
        if self._asked == OFTEN and sum(t.links for t in self.links) <= MOST_HELD:
            threading.Thread(target=self.hold, name="c360-links").start()
        return self._held

    def hold(self) -> None:
        """Hold the links in memory, some 30 bytes each and the length of a text key: for many look-ups. Safe to call twice."""
        with self._holding, suppress(duckdb.Error):
            if self._redirects is None:
                self._held = {
                    t.name: HeldLinks(self.reader, f"xw.{t.name}", t.columns, t.key_types) for t in self.links if holdable(t.key_types)
                }
                self._redirects = HeldRedirects(self.reader, "xw.redirect")

    @property
    def reader(self) -> duckdb.DuckDBPyConnection:
        """This thread's cursor, on which this version is `xw`: a new one costs as much as several look-ups."""
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._cursors, "own", None)
        if cursor is None:
            with self._opening:
                cursor = self._cursors.own = self._own.cursor()
        return cursor

    def _connect(self) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect(":memory:", config={**LOCKED_DOWN, "memory_limit": "256MiB", "threads": 1})
        try:
            self.attach(con, "xw")
        except BaseException:
            con.close()
            raise
        return con


def damaged(path: Path) -> CrosswalkDamaged:
    """What is told of a file that cannot be read as a version."""
    return CrosswalkDamaged(
        f"the crosswalk {path.name} is missing, incomplete or corrupt",
        hint="go back to the version before (`c360 rollback --to N`; `c360 crosswalk` lists those kept), then run `c360 resolve`",
    )


def is_encrypted(path: Path) -> bool:
    """Whether a DuckDB file is encrypted: a flag of its main header, which itself stays in the clear. Raises: CrosswalkDamaged."""
    try:
        with path.open("rb") as file:
            header = file.read(32)
    except OSError as cause:
        raise damaged(path) from cause
    if header[8:12] != b"DUCK":
        raise damaged(path)
    return bool(header[20] & 1)


def _link_table(
    name: str, entity: str, space: str, source: str, table: str, columns: list[str], types: list[str], links: int, personal: str
) -> LinkTable:
    return LinkTable(name, entity, space, source, table, tuple(columns), tuple(types), links, personal)


def _rows(con: duckdb.DuckDBPyConnection, table: str) -> list[tuple[Any, ...]]:
    return con.execute(f"SELECT * FROM xw.{table} ORDER BY entity, space, name").fetchall()
