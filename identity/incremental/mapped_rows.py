"""The rows of a whole index as plain arrays in a file beside it, which is mapped into memory: nothing of it is copied.

The file is Arrow IPC, a record batch for each (entity, space): its name, and each column as one list, which lies in the file as it lies in
memory. A seal for each, kept in the index, tells that the rows are its own and whole. Of an encrypted crosswalk there is no such file: its
rows are in the (encrypted) index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_TYPES = {
    "rule": pa.uint8(), "key": pa.uint64(), "rec": pa.int32(),  # the key rows, by key
    "state_rec": pa.int32(), "hash": pa.uint64(), "part": pa.int32(),  # the records
}  # fmt: skip
_SCHEMA = pa.schema([("name", pa.string()), *((name, pa.large_list(type_)) for name, type_ in _TYPES.items())])

Arrays = list[npt.NDArray[Any]]
"""Of a group: rule, key, rec of its key rows; rec, hash, part of its records."""


class MappedRowsWriter:
    """A file of rows being written, group by group."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = pa.ipc.new_file(str(path), _SCHEMA)
        self._seals: dict[str, str] = {}

    def add(self, name: str, columns: Sequence[pa.Array]) -> None:
        """The rows of a group: one array for each column."""
        columns = [column.cast(type_) for column, type_ in zip(columns, _TYPES.values(), strict=True)]
        self._seals[name] = seal([column.to_numpy() for column in columns])
        lists = [pa.LargeListArray.from_arrays(pa.array([0, len(column)], pa.int64()), column) for column in columns]
        self._writer.write_batch(pa.record_batch([pa.array([name]), *lists], schema=_SCHEMA))

    def close(self) -> Mapping[str, str]:
        """The whole file, though perhaps not on disk yet. Returns the seal of each group."""
        self._writer.close()
        return self._seals


def seal(arrays: Arrays) -> str:
    """What tells the rows of a group from any others, and from what a broken disk makes of them."""
    return " ".join(f"{len(array)}:{crc32(np.ascontiguousarray(array).data):08x}" for array in arrays)


def mapped_rows(path: Path) -> dict[str, Arrays]:
    """The rows of each group; hold them against their seals. Raises: OSError or pa.ArrowInvalid, if the file is not there or not whole."""
    with pa.ipc.open_file(pa.memory_map(str(path))) as reader:
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
    return {batch.column(0)[0].as_py(): [column.values.to_numpy() for column in batch.columns[1:]] for batch in batches}
