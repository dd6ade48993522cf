"""From id360 to source keys and back: slices of the crosswalk, read when first needed, and rows matched with them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from connectors.spi import KeyFilter
from federation.answers import table
from federation.plan import Fetch, Lookup, QueryPlan
from federation.rooms import TrustedRoom

FEW = 1000
"""So many people's rows are few."""


class Lookups:
    """The slices of one run. Thread-safe: whoever needs a slice first reads it, on a cursor of its own."""

    def __init__(
        self,
        plan: QueryPlan,
        room: TrustedRoom,
        watch: Callable[[duckdb.DuckDBPyConnection], None],
        search: Callable[[str], pa.Table],
        unresolved: Mapping[str, pa.Table] | None = None,
    ) -> None:
        """`search` runs the plan's search of that name, for identifiers that the crosswalk does not store. `unresolved` are links by
        table that it does not have: they are added to every slice."""
        self._room, self._watch, self._search, self._unresolved = room, watch, search, unresolved or {}
        self._source = f"xw{plan.crosswalk_version}.main"
        self._wanted = {x.slot: x for x in plan.lookups}
        self._locks = {x.slot: threading.Lock() for x in plan.lookups}
        self._slices: dict[str, pa.Table] = {}
        self._ids: dict[str, list[int]] = {}

    def know(self, name: str, ids: list[int]) -> None:
        """From now on the id set `name` is known."""
        self._ids[name] = ids

    def few(self, slot: str) -> bool:
        """Whether the slot's ids are known, and few."""
        return len(self._ids.get(self._wanted[slot].ids, range(FEW + 1))) <= FEW

    def __contains__(self, slot: str) -> bool:
        return slot in self._wanted

    def slice(self, slot: str) -> pa.Table:
        """The links of the slot's ids: key columns, id360, and ord if it is a table of source keys. Raises duckdb.Error."""
        lookup = self._wanted[slot]
        with self._locks[slot]:
            if slot not in self._slices:
                self._slices[slot] = self._read(lookup)
            return self._slices[slot]

    def _read(self, lookup: Lookup) -> pa.Table:
        if lookup.search:
            found = self._search(lookup.search)
            return found.filter(pc.is_in(found.column("id360"), pa.array(self._ids[lookup.ids], pa.int64()))) if lookup.ids else found
        ids, cursor = self._ids[lookup.ids], self._room.own_cursor
        held = self._room.links.table(cursor, self._source, lookup.table, lookup.columns)
        links = held.of(ids) if held is not None else self._joined(lookup, ids)
        more = self._unresolved.get(lookup.table)
        return links if more is None else pa.concat_tables([links, more.select(links.column_names).cast(links.schema)])

    def _joined(self, lookup: Lookup, ids: list[int]) -> pa.Table:
        cursor = self._room.cursor()
        self._watch(cursor)
        try:
            cursor.register("c360_ids", pa.table({"id360": pa.array(ids, pa.int64())}))
            columns = ", ".join(lookup.columns)
            return table(cursor.execute(f"SELECT {columns} FROM {self._source}.{lookup.table} SEMI JOIN c360_ids USING (id360)"))
        finally:
            cursor.close()


def fitting(fetch: Fetch, keys: KeyFilter, links: pa.Table) -> pa.Table:
    """The links with their keys in the types of the columns they are for; the crosswalk's differ in width only. A key that is too
    large for a narrower column has no row there, and is left out."""
    for i, name in enumerate(keys.columns):
        type_ = fetch.schema.field(name).type
        if links.column(i).type != type_:
            if pa.types.is_integer(type_):
                links = links.filter(_within(links.column(i), type_))
            links = links.set_column(i, links.column_names[i], links.column(i).cast(type_))
    return links


def _within(numbers: pa.ChunkedArray, type_: pa.DataType) -> pa.ChunkedArray:
    (low, high), (least, most) = _range(type_), _range(numbers.type)
    low, high = pa.scalar(max(low, least), numbers.type), pa.scalar(min(high, most), numbers.type)
    return pc.and_(pc.greater_equal(numbers, low), pc.less_equal(numbers, high))


def _range(integer: pa.DataType) -> tuple[int, int]:
    bits = integer.bit_width
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if pa.types.is_signed_integer(integer) else (0, 2**bits - 1)


def key_arrays(keys: KeyFilter, links: pa.Table) -> tuple[pa.Array, ...]:
    """The keys of a slice that is `fitting`."""
    return tuple(_whole(links.column(i)) for i in range(len(keys.columns)))


def carry(fetch: Fetch, keys: KeyFilter, batch: pa.RecordBatch, links: pa.Table) -> pa.RecordBatch:
    """The rows with the id360 and rank of their keys; rows of other keys (a source that was read without keys) are left out."""
    if batch.num_rows == links.num_rows == 1 and all(batch.column(c).equals(_whole(links.column(i))) for i, c in enumerate(keys.columns)):
        return _carried_by_one(fetch, batch, links)  # by far the most frequent, and take and index_in cost more than all else here
    found = _positions([batch.column(c) for c in keys.columns], [links.column(i) for i in range(len(keys.columns))])
    if found.null_count:
        batch, found = batch.filter(found.is_valid()), found.drop_null()
    owners = _whole(links.column("id360")).take(found)
    ranked = "ord" in links.column_names
    ranks = _whole(links.column("ord")).take(found) if ranked else pa.nulls(len(found), pa.int32())
    return pa.RecordBatch.from_arrays([*batch.columns, owners, ranks], schema=fetch.schema)


def _carried_by_one(fetch: Fetch, row: pa.RecordBatch, link: pa.Table) -> pa.RecordBatch:
    carried = [link.column(c)[0].as_py() if c in link.column_names else None for c in ("id360", "ord")]
    arrays = [pa.array([value], type_) for value, type_ in zip(carried, (pa.int64(), pa.int32()), strict=True)]
    return pa.RecordBatch.from_arrays([*row.columns, *arrays], schema=fetch.schema)


def _positions(keys: Sequence[pa.Array], known: Sequence[pa.ChunkedArray]) -> pa.Array:
    """Where each key stands among the known ones, NULL if nowhere."""
    if len(keys) == 1:
        return pc.index_in(keys[0], value_set=_as(_whole(known[0]), keys[0].type))
    columns = [k.cast(a.type).to_pylist() for k, a in zip(known, keys, strict=True)]
    places = {key: i for i, key in enumerate(zip(*columns, strict=True))}
    return pa.array([places.get(key) for key in zip(*(k.to_pylist() for k in keys), strict=True)], pa.int32())


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _as(array: pa.Array, type_: pa.DataType) -> pa.Array:
    return array if array.type == type_ else array.cast(type_)
