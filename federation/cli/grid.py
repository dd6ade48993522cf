"""An answer as a table for people: aligned by what a terminal shows, never wider than it, cut politely."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from federation.cli.values import plain

NARROWEST, SHORT_TEXT, WIDEST = 4, 18, 60  # of a column of text, in cells, where there is not room for all of it
FEW_COLUMNS = 6  # up to so many are rather cut than left out
BELOW = 3  # rows that are shown as lists if their columns do not fit
GAP = "  "
NULL = "NULL"
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SHOWN = {"\n": "⏎", "\r": "", "\t": "→"}


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as lines. `left_out` columns did not fit; `empty` of them are NULL in every row that is shown."""

    lines: list[str]
    left_out: int = 0
    empty: int = 0


def grid(schema: pa.Schema, rows: Sequence[Sequence[Any]], width: int | None, *, colours: bool = False, below: bool = True) -> Grid:
    """A table at most `width` cells wide (None: as wide as it is). Where that is too narrow: a few rows are shown as lists (with
    `below`), else columns that are NULL throughout are left out, then texts are cut, then the last columns are left out."""
    names, texts = [_clean(name) for name in schema.names], [[_cell(value) for value in row] for row in rows]
    natural = [max([_cells(n), *(_cells(t[i]) for t in texts)]) for i, n in enumerate(names)]
    whole = [_is_whole(type_) for type_ in schema.types]
    everything = list(range(len(names)))
    least = sum(n if w else min(n, WIDEST) for n, w in zip(natural, whole, strict=True)) + len(GAP) * (len(names) - 1)
    if width is None or least <= width:
        kept, widths = everything, natural if width is None else _shrunk(natural, everything, whole, width)
    elif below and rows and len(rows) <= BELOW:
        return Grid(_below(names, texts, rows, width, colours))
    else:
        filled = [i for i in everything if not rows or any(row[i] is not None for row in rows)] or everything[:1]
        kept, widths = _fitting(natural, filled, whole, width)
    shown = [i for i in kept if i >= 0]
    left_out = [i for i in everything if i not in shown]
    empty = sum(1 for i in left_out if rows and all(row[i] is None for row in rows))
    right = [_is_number(type_) for type_ in schema.types]
    return Grid(_lines(names, texts, rows, kept, widths, right, colours), len(left_out), empty)


def _fitting(natural: Sequence[int], columns: Sequence[int], whole: Sequence[bool], width: int) -> tuple[list[int], list[int]]:
    """Which columns to show and how wide; -1 stands for those left out at the end."""
    kept = list(columns)
    short = SHORT_TEXT if len(columns) > FEW_COLUMNS else NARROWEST
    while True:
        least = [1 if i < 0 else natural[i] if whole[i] else min(natural[i], short) for i in kept]
        real = [i for i in kept if i >= 0]
        if sum(least) + len(GAP) * (len(kept) - 1) <= width or len(real) <= 1:
            return kept, _shrunk([1 if i < 0 else natural[i] for i in kept], kept, whole, width)
        kept = [*real[:-1], -1]


def _shrunk(wanted: Sequence[int], columns: Sequence[int], whole: Sequence[bool], width: int) -> list[int]:
    """Widths that fit: the widest texts share what has to go. A number or a moment is never cut: half of it would be another."""
    room, cap = width - len(GAP) * (len(wanted) - 1), max(wanted)

    def at(cap: int) -> list[int]:
        return [w if i >= 0 and whole[i] else min(w, cap) for w, i in zip(wanted, columns, strict=True)]

    while cap > NARROWEST and sum(at(cap)) > room:
        cap -= 1
    return at(cap)


def _lines(
    names: Sequence[str], texts: Sequence[Sequence[str]], rows: Sequence[Sequence[Any]], kept: Sequence[int], widths: Sequence[int],
    right: Sequence[bool], colours: bool,
) -> list[str]:  # fmt: skip
    head = [_fit("…" if i < 0 else names[i], w, i >= 0 and right[i]) for i, w in zip(kept, widths, strict=True)]
    lines = [_bold(GAP.join(head).rstrip(), colours), GAP.join("─" * w for w in widths)]
    for row, text in zip(rows, texts, strict=True):
        cells = [
            _dim(_fit(t, w, r), colours and null)
            for t, w, r, null in (
                ("…", w, False, True) if i < 0 else (text[i], w, right[i], row[i] is None) for i, w in zip(kept, widths, strict=True)
            )
        ]
        lines.append(GAP.join(cells).rstrip())
    return lines


def _below(names: Sequence[str], texts: Sequence[Sequence[str]], rows: Sequence[Sequence[Any]], width: int, colours: bool) -> list[str]:
    """Each row as a list of `name  value`, long values wrapped."""
    label = min(max(map(_cells, names)), width // 2)
    room = max(width - label - len(GAP), NARROWEST)
    lines: list[str] = []
    for number, (row, text) in enumerate(zip(rows, texts, strict=True), 1):
        if len(rows) > 1:
            lines.append(_dim(f"─ row {number} " + "─" * max(0, min(width, 40) - 7 - len(str(number))), colours))
        for name, value, raw in zip(names, text, row, strict=True):
            first, *rest = _wrapped(value, room)
            lines.append(f"{_bold(_fit(name, label, False), colours)}{GAP}{_dim(first, colours and raw is None)}".rstrip())
            lines += [f"{' ' * label}{GAP}{line}" for line in rest]
    return lines


def _wrapped(text: str, room: int) -> list[str]:
    lines, line, used = [], "", 0
    for character in text:
        size = _cells(character)
        if used + size > room:
            lines.append(line)
            line, used = "", 0
        line, used = line + character, used + size
    return [*lines, line]


def _cell(value: Any) -> str:
    if value is None:
        return NULL
    return _clean(value.isoformat(" ") if isinstance(value, dt.datetime) else plain(value))


def _clean(text: str) -> str:
    """Without what would move the cursor or turn the line around: a value is shown, it does not act."""
    return _UNPRINTABLE.sub(lambda m: _SHOWN.get(m[0], "�"), text)


def _fit(text: str, width: int, right: bool) -> str:
    size = _cells(text)
    if size > width:
        text = _cut(text, width - 1) + "…"
        size = _cells(text)
    pad = " " * (width - size)
    return pad + text if right else text + pad


def _cut(text: str, width: int) -> str:
    from rich.cells import set_cell_size

    return set_cell_size(text, max(width, 0))


def _cells(text: str) -> int:
    """How many cells a terminal gives the text: 2 for 寿, 0 for a combining accent."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _is_whole(type_: pa.DataType) -> bool:
    """Whether values are shown whole or not at all."""
    return _is_number(type_) or bool(pa.types.is_temporal(type_) or pa.types.is_boolean(type_))


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_decimal(type_) or pa.types.is_floating(type_))


def _bold(text: str, on: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if on else text


def _dim(text: str, on: bool) -> str:
    return f"\x1b[2m{text}\x1b[0m" if on else text
