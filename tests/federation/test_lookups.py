"""Keys from the crosswalk in the types of the columns they are compared with."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from connectors.spi import KeyFilter
from federation.lookups import carry, fitting, key_arrays

KEYS = KeyFilter(("owner", "tenant"), "k")
LINKS = pa.table(
    {"k0": [1, 3_000_000_000, -1, 2], "k1": ["a", "b", "c", "d"], "id360": [10, 11, 12, 13], "ord": pa.array([0, 1, 2, 3], pa.int32())}
)


def _fetch(owner: pa.DataType) -> Any:
    class Fetch:
        schema = pa.schema([("owner", owner), ("tenant", pa.string()), ("c360_id360", pa.int64()), ("c360_ord", pa.int32())])

    return Fetch


@pytest.mark.parametrize(
    ("type_", "fit"), [(pa.int64(), [10, 11, 12, 13]), (pa.int32(), [10, 12, 13]), (pa.uint64(), [10, 11, 13]), (pa.uint8(), [10, 13])]
)
def test_a_key_that_a_narrower_column_cannot_hold_has_no_row(type_: pa.DataType, fit: list[int]) -> None:
    links = fitting(_fetch(type_), KEYS, LINKS)
    assert links.column("id360").to_pylist() == fit
    assert key_arrays(KEYS, links)[0].type == type_


def test_rows_get_the_id_of_their_whole_key() -> None:
    fetch = _fetch(pa.int32())
    batch = pa.RecordBatch.from_pydict({"owner": pa.array([2, 1, 1, None], pa.int32()), "tenant": ["d", "b", "a", "a"]})
    carried = carry(fetch, KEYS, batch, fitting(fetch, KEYS, LINKS))
    assert carried.column("c360_id360").to_pylist() == [13, 10]
