"""An answer as a table for people: aligned by what a terminal shows, never wider than it, cut politely."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from federation.cli.values import plain

NARROWEST, WIDEST = 4, 60  # of a column, in cells, where there is not room for all of it
BELOW = 3  # rows that are shown as lists if their columns do not fit
GAP = "  "
NULL = "NULL"
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SHOWN = {"\n": "⏎", "\r": "", "\t": "→"}


def grid(schema: pa.Schema, rows: Sequence[Sequence[Any]], width: int | None, *, colours: bool = False, below: bool = True) -> list[str]:
    """Lines of a table at most `width` cells wide (None: as wide as it is). Columns that do not fit give way to ones below each
    other, if there are few rows, or are left out from the middle, which the last header says."""
    texts = [[_cell(value) for value in row] for row in rows]
    names = [_clean(name) for name in schema.names]
    natural = [max([_cells(n), *(_cells(t[i]) for t in texts)]) for i, n in enumerate(names)]
    if width is None:
        kept, widths = list(range(len(names))), natural
    else:
        if below and rows and len(rows) <= BELOW and sum(min(n, WIDEST) for n in natural) + len(GAP) * (len(names) - 1) > width:
            return _below(names, texts, rows, width, colours)
        kept, widths = _fitting(natural, width)
    right = [_is_number(schema.types[i]) for i in range(len(names))]
    return _lines(names, texts, rows, kept, widths, right, colours)


def hidden_columns(schema: pa.Schema, rows: Sequence[Sequence[Any]], width: int | None) -> int:
    """How many columns `grid` leaves out."""
    if width is None or (rows and len(rows) <= BELOW):
        return 0
    natural = [max([_cells(_clean(n)), *(_cells(_cell(r[i])) for r in rows)]) for i, n in enumerate(schema.names)]
    return len(natural) - sum(1 for i in _fitting(natural, width)[0] if i >= 0)


def _fitting(natural: Sequence[int], width: int) -> tuple[list[int], list[int]]:
    """Which columns to show and how wide; -1 stands for those left out. Wide ones shrink first, then the middle goes."""
    kept = list(range(len(natural)))
    while True:
        wanted = [1 if i < 0 else natural[i] for i in kept]
        room = width - len(GAP) * (len(kept) - 1)
        floor = [min(w, 12) for w in wanted]
        if sum(floor) <= room or sum(1 for i in kept if i >= 0) <= 1:
            return kept, _shrunk(wanted, max(room, NARROWEST))
        real = [i for i in kept if i >= 0]
        real.remove(real[len(real) // 2 + (len(real) > 2)] if len(real) > 1 else real[0])
        middle = next((n for n, i in enumerate(real) if n and i != real[n - 1] + 1), len(real))
        kept = [*real[:middle], -1, *real[middle:]]


def _shrunk(wanted: Sequence[int], room: int) -> list[int]:
    """Widths that fit: the widest columns share what has to go."""
    cap = max(wanted)
    while cap > NARROWEST and sum(min(w, cap) for w in wanted) > room:
        cap -= 1
    return [min(w, cap) for w in wanted]


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


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_decimal(type_) or pa.types.is_floating(type_))


def _bold(text: str, on: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if on else text


def _dim(text: str, on: bool) -> str:
    return f"\x1b[2m{text}\x1b[0m" if on else text
