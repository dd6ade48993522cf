"""Decimals made of whole numbers, by buffers: a decimal128 is that integer in 16 bytes, sign extended. No loop over rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def decimals(units: npt.NDArray[np.int64], missing: npt.NDArray[np.bool_] | None, type_: pa.Decimal128Type) -> pa.Array:
    """`units` of the type's smallest unit as decimals, NULL where `missing` says so (None: nowhere). They fit its precision.

    >>> decimals(np.array([150, -7]), np.array([False, True]), pa.decimal128(9, 2)).to_pylist()
    [Decimal('1.50'), None]
    """
    words = np.empty((len(units), 2), dtype="<i8")
    words[:, 0] = units
    words[:, 1] = units >> 63
    valid = None if missing is None or not missing.any() else pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.Array.from_buffers(type_, len(units), [valid, pa.py_buffer(words)])
