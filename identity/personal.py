"""Which tables are keyed by something personal: their keys would be written to the crosswalk, so `c360 check` lists them."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from identity.model import RecordSet
from identity.scratch import key_type, registered, scratch

# Text only: a plain number is a number, whatever its length.
_FORMS = {
    "email": r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
    "phone": r"^(\+[0-9 ().-]{7,}|\(?0?[0-9]{2,4}\)?[ .-][0-9]{3,4}[ .-]?[0-9]{3,4})$",
}


def personal_kind(records: RecordSet, *, sample: int = 1000) -> str:
    """What the key of a record set says of who it is: "email" or "phone" by the form of its values, "declared" by its mapping, "" nothing
    that is known. Reads the keys of up to `sample` rows, as `read()` yields them."""
    with scratch("256MiB", 1) as con, registered(con, "read", _first_rows(records, sample)):
        keys = ", ".join(f"k{i}::{key_type(column.type)} AS k{i}" for i, column in enumerate(records.key))
        con.execute(f"CREATE TABLE sampled AS SELECT {keys} FROM read")
        return kind_of_keys(con, "sampled", records)


def _first_rows(records: RecordSet, count: int) -> pa.Table:
    """The keys of the first rows that the source yields; the stream is closed early."""
    batches: list[pa.RecordBatch] = []
    with records.read() as stream:
        schema = stream.schema
        for batch in stream:
            batches.append(batch)
            if sum(b.num_rows for b in batches) >= count:
                break
    return pa.Table.from_batches(batches, schema).slice(0, count).select([f"k{i}" for i in range(len(records.key))])


def kind_of_keys(con: duckdb.DuckDBPyConnection, table: str, records: RecordSet) -> str:
    """What the key columns k0 … kn of `table` give away; "" if nothing is known. A form counts if over half the values have it."""
    if records.personal_key:
        return "declared"
    for i, column in enumerate(records.key):
        if key_type(column.type) != "VARCHAR":
            continue
        shares = ", ".join(f"avg(regexp_full_match(k{i}, ?)::INT)" for _ in _FORMS)
        (found,) = con.execute(f"SELECT {shares} FROM (FROM {table} LIMIT 1000)", [*_FORMS.values()]).fetchall()
        for kind, share in zip(_FORMS, found, strict=True):
            if (share or 0) > 0.5:
                return kind
    return ""
