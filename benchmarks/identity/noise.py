"""What people and clerks do to text: slips of the finger, misread and misheard letters, dates with their parts exchanged. By the array."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Text = NDArray[np.str_]

NEIGHBOURS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890")


def _tables() -> tuple[Ints, Ints]:
    """For every code point below 128: a neighbour on the keyboard, what it is confused with."""
    slipped, confused = np.arange(128), np.arange(128)
    for row in NEIGHBOURS:
        for here, there in zip(row, row[1:] + row[-2], strict=True):
            slipped[ord(here)] = ord(there)
    for a, b in ("o0", "l1", "i1", "s5", "b8", "z2", "e3", "mn", "uv", "ck", "fv", "yi", "dt", "pb", "gq", "hn", "ae"):
        confused[ord(a)], confused[ord(b)] = ord(b), ord(a)
    for table in (slipped, confused):
        table[65:91] = np.where(table[97:123] >= 97, table[97:123] - 32, table[97:123])
    return slipped, confused


SLIPPED, CONFUSED_WITH = _tables()


def typo(values: Text, random: np.random.Generator) -> Text:
    """One slip in each value of two letters or more: a letter lost, added, exchanged with the next, mistyped or misread."""
    if not len(values):
        return values
    width = values.dtype.itemsize // 4 + 1
    letters = values.astype(f"U{width}").view(np.uint32).reshape(len(values), width).astype(np.int64)
    length = np.char.str_len(values)
    at = (random.random(len(values)) * length).astype(np.int64)[:, None]
    column = np.arange(width)[None, :]
    here = np.take_along_axis(letters, at, 1)
    ascii_here = here.clip(0, 127)
    lost = np.take_along_axis(letters, np.minimum(column + (column >= at), width - 1), 1)
    added = np.take_along_axis(letters, np.maximum(column - (column > at), 0), 1)
    strange = np.where(random.random((len(values), 1)) < 0.5, here, SLIPPED[ascii_here])
    added = np.where(column == at + 1, strange, added)
    swap_at = np.minimum(at, np.maximum(length[:, None] - 2, 0))
    swapped = np.take_along_axis(letters, column + (column == swap_at) - (column == swap_at + 1), 1)
    mistyped = np.where(column == at, np.where(here < 128, SLIPPED[ascii_here], here), letters)
    misread = np.where(column == at, np.where(here < 128, CONFUSED_WITH[ascii_here], here), letters)
    kind = random.choice(5, len(values), p=(0.22, 0.18, 0.2, 0.2, 0.2))[:, None]
    out = np.select([kind == k for k in range(4)], [lost, added, swapped, mistyped], misread)
    out = np.where(length[:, None] < 2, letters, out)
    return np.ascontiguousarray(out.astype(np.uint32)).view(f"U{width}").reshape(-1)


def with_typos(column: pa.Array, share: float, random: np.random.Generator) -> pa.Array:
    """The column with a slip in that share of its values; nulls stay."""
    hit = np.flatnonzero((random.random(len(column)) < share) & column.is_valid().to_numpy(zero_copy_only=False))
    return replace(column, hit, pa.array(typo(np.array(column.take(pa.array(hit)).to_pylist(), np.str_), random).tolist(), pa.string()))


def replace(column: pa.Array, at: Ints, values: pa.Array) -> pa.Array:
    """The column with `values` in the rows `at`."""
    source = np.arange(len(column))
    source[at] = len(column) + np.arange(len(at))
    return pa.chunked_array([column, values]).take(pa.array(source)).combine_chunks()


def dates(days: NDArray[np.datetime64], wrong: float, random: np.random.Generator) -> pa.Array:
    """ISO dates as text; that share of them with day and month exchanged, another day, another year, or any digit mistyped."""
    month = days.astype("M8[M]")
    y, m, d = month.astype("M8[Y]").astype(int) + 1970, month.astype(int) % 12 + 1, (days - month).astype(int) + 1
    kind = np.where(random.random(len(days)) < wrong, random.choice(4, len(days), p=(0.35, 0.3, 0.2, 0.15)), -1)
    exchange = (kind == 0) & (d <= 12)
    d, m = np.where(exchange, m, d), np.where(exchange, d, m)
    d = np.where(kind == 1, random.integers(1, 29, len(days)), d)
    y = np.where(kind == 2, y + random.choice([-10, -1, 1, 10], len(days)), y)
    digits = np.stack([y // 1000, y // 100 % 10, y // 10 % 10, y % 10, m // 10, m % 10, d // 10, d % 10], 1)
    rows = np.flatnonzero(kind == 3)
    digits[rows, random.integers(2, 8, len(rows))] = random.integers(0, 10, len(rows))
    text = np.full((len(days), 10), ord("-"), np.uint32)
    text[:, [0, 1, 2, 3, 5, 6, 8, 9]] = digits + ord("0")
    return pa.array(text.view("U10").reshape(-1).tolist(), pa.string())
