"""Pairs that cannot be one person, because they differ in what a person has one of."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from identity.clustering import Ints
from identity.constraints import NOBODY
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


def doubled(labels: Ints, once: Ints) -> tuple[Ints, Ints, Ints]:
    """All pairs (left, right) of records with one label and one number in `once` (NOBODY for none); and that number."""
    told = np.flatnonzero(once != NOBODY)
    code = labels[told] * (int(once.max(initial=0)) + 1) + once[told]
    order = np.argsort(code, kind="stable")
    told, code = told[order], code[order]
    nth = np.arange(len(told))
    following = np.searchsorted(code, code, "right") - nth - 1
    step = np.arange(int(following.sum())) - np.repeat(np.cumsum(following) - following, following)
    return np.repeat(told, following), told[np.repeat(nth + 1, following) + step], np.repeat(once[told], following)
