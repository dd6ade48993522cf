"""Pairs that cannot be one person, because they differ in what a person has one of."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from identity.clustering import Ints
from identity.matching import Records
from identity.scratch import registered


def conflicts(records: Records, labels: Ints, columns: Iterable[str]) -> tuple[Ints, Ints, Ints]:
    """All pairs (left, right) of records with one label that differ in a column in which neither is NULL; and which column of them."""
    left, right, nth = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    with registered(records.con, "labelled", pa.table({"rec": np.arange(len(labels)), "label": labels})):
        for i, column in enumerate(columns):
            found = records.con.execute(
                f"WITH known AS (SELECT label, rec, {column} AS value FROM {records.table} JOIN labelled USING (rec) "
                f"WHERE {column} IS NOT NULL), "
                f"mixed AS (SELECT label FROM known GROUP BY label HAVING count(DISTINCT value) > 1), "
                f"several AS (FROM known SEMI JOIN mixed USING (label)) "
                f"SELECT a.rec AS l, b.rec AS r FROM several a JOIN several b ON a.label = b.label AND a.rec < b.rec AND a.value <> b.value"
            ).fetchnumpy()
            left.append(np.asarray(found["l"], np.int64))
            right.append(np.asarray(found["r"], np.int64))
            nth.append(np.full(len(right[-1]), i, np.int64))
    return np.concatenate(left), np.concatenate(right), np.concatenate(nth)
