"""The rows of a whole index as plain arrays in a file beside it, which is mapped into memory: what is not looked at is not read.

The file is Arrow IPC, a record batch for each (entity, space): its name, and each column as one list, which lies in the file as it lies in
memory. A last, empty one has the `seal` for its name, which tells that the file belongs to an index. Of an encrypted crosswalk there is no
such file: its rows are in the (encrypted) index.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
        self._digest = hashlib.sha256()

    def add(self, name: str, columns: Sequence[pa.Array]) -> None:
        """The rows of a group: one array for each column."""
        lists = []
        for column, type_ in zip(columns, _TYPES.values(), strict=True):
            column = column.cast(type_)
            self._digest.update(f"{name} {len(column)} {column.to_numpy().sum(dtype=np.uint64)}\n".encode())
            lists.append(pa.LargeListArray.from_arrays(pa.array([0, len(column)], pa.int64()), column))
        self._writer.write_batch(pa.record_batch([pa.array([name]), *lists], schema=_SCHEMA))

    def close(self) -> str:
        """The whole file, though perhaps not on disk yet. Returns its seal: files with other rows have another."""
        seal = self._digest.hexdigest()
        self.add(seal, [pa.array([], type_) for type_ in _TYPES.values()])
        self._writer.close()
        return seal


def mapped_rows(path: Path, seal: str) -> dict[str, Arrays]:
    """The rows of each group. Raises: OSError or pa.ArrowInvalid, if the file is not there or not whole; ValueError, if it is another's."""
    with pa.ipc.open_file(pa.memory_map(str(path))) as reader:
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
    found = {batch.column(0)[0].as_py(): [column.values.to_numpy() for column in batch.columns[1:]] for batch in batches}
    if seal not in found:
        raise ValueError(f"{path.name} belongs to another index")
    return found
