"""Pictures as inline SVG: one hue for what counts, grey for the rest, every mark with its number on hover. Colours follow the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from identity.evidence.waterfall import Waterfall
from identity.quality import Bin

WIDTH = 720


def waterfall_picture(fall: Waterfall) -> str:
    """A pair's evidence as steps: each bar begins where the one before ended; right of the line speaks for one person."""
    steps = fall.steps
    ends = [0.0, *(start + bits for _, start, bits in steps)]
    low, high = min(*ends, fall.odds, -1.0), max(*ends, fall.odds, 1.0)
    label, row = min(max(6.3 * len(name) for name, _, _ in steps) + 20, 410) if steps else 120, 24
    scale = (WIDTH - label - 70) / (high - low)

    def x(bits: float) -> float:
        return label + (bits - low) * scale

    height = row * (len(steps) + 1) + 8
    parts = [_line(x(0), 0, x(0), height - 4, "axis")]
    for i, (name, start, bits) in enumerate(steps):
        end, y = start + bits, 4 + i * row
        parts.append(_text(label - 10, y + 14, name, "end"))
        parts.append(
            _bar(x(min(start, end)), y + 3, abs(bits) * scale, row - 9, "plus" if bits >= 0 else "minus", f"{name}: {bits:+.1f} bits")
        )
        parts.append(_text(x(max(start, end)) + 6, y + 14, f"{bits:+.1f}", "start", "number"))
    y = 4 + len(steps) * row
    parts.append(_text(label - 10, y + 14, "together", "end", "strong"))
    parts.append(_bar(x(min(0, fall.odds)), y + 3, abs(fall.odds) * scale, row - 9, "sum", f"together: {fall.odds:+.1f} bits"))
    parts.append(_text(x(max(0, fall.odds)) + 6, y + 14, f"{fall.odds:+.1f} bits", "start", "strong"))
    return _svg(height, parts, f"Evidence of one pair, {fall.odds:+.1f} bits together")


def score_picture(first_bit: int, inside: Sequence[int], across: Sequence[int]) -> str:
    """How many pairs have which odds, on a logarithmic scale: of one cluster in colour, of two in grey."""
    used = [i for i, n in enumerate(zip(inside, across, strict=True)) if any(n)]
    if not used:
        return ""
    low, high = used[0], used[-1] + 1
    top = max(max(inside), max(across))
    plot = _Columns(high - low, top)
    parts = plot.grid()
    for i in range(low, high):
        name = f"{i + first_bit} to {i + first_bit + 1} bits"
        parts.append(plot.column(i - low, across[i], "rest", f"{name}: {_of(across[i], 'pair')} of two people"))
        parts.append(plot.column(i - low, inside[i], "sum half", f"{name}: {_of(inside[i], 'pair')} of one person"))
    parts += [plot.label(i - low, str(i + first_bit)) for i in range(low, high) if (i + first_bit) % 10 == 0]
    zero = -first_bit - low
    if 0 <= zero <= high - low:
        at = plot.x(zero)
        parts.append(_line(at, 8, at, plot.bottom, "axis"))
    parts.append(_text(WIDTH, plot.bottom + 34, "odds in bits; 0 is fifty-fifty", "end", "number"))
    return _svg(plot.bottom + 40, parts, "Pairs by their odds")


def size_picture(sizes: dict[int, int]) -> str:
    """How many clusters have how many records, on a logarithmic scale."""
    shown = sorted(sizes)[:20]
    rest = sum(n for size, n in sizes.items() if shown and size > shown[-1])
    names = [str(size) for size in shown] + ([f">{shown[-1]}"] if rest else [])
    counts = [sizes[size] for size in shown] + ([rest] if rest else [])
    plot = _Columns(len(counts), max(counts, default=1))
    parts = plot.grid()
    for i, (name, count) in enumerate(zip(names, counts, strict=True)):
        parts.append(plot.column(i, count, "sum", f"{_of(count, 'person', 'people')} of {name} record{'s' * (name != '1')}"))
        parts += [plot.label(i + 0.5, name), plot.above(i, count)]
    parts.append(_text(WIDTH, plot.bottom + 34, "records per person", "end", "number"))
    return _svg(plot.bottom + 40, parts, "Clusters by their number of records")


def yield_picture(rows: Sequence[tuple[str, int, int]]) -> str:
    """What each rule proposed (grey), and of that what no other rule did (in colour)."""
    top = max((pairs for _, pairs, _ in rows), default=1) or 1
    label, row = 270, 22
    scale = (WIDTH - label - 190) / top
    parts = []
    for i, (name, pairs, alone) in enumerate(rows):
        y = 4 + i * row
        said = f"{name}: {pairs:,} pairs, {alone:,} by no other rule"
        parts.append(_text(label - 10, y + 13, name, "end"))
        parts.append(_bar(label, y + 3, max(pairs * scale, 1 if pairs else 0), row - 9, "rest", said))
        parts.append(_bar(label, y + 3, alone * scale, row - 9, "sum", said))
        parts.append(_text(label + pairs * scale + 8, y + 13, f"{pairs:,}" + (f" ({alone:,} alone)" if alone else ""), "start", "number"))
    return _svg(row * len(rows) + 8, parts, "Pairs proposed by each rule")


def calibration_picture(bins: Sequence[Bin]) -> str:
    """What the scores say against what labels say; on the diagonal they are honest. Circles are as large as their bins."""
    size, left, top = 320, 60, 12
    most = max((b.count for b in bins), default=1)
    parts = [_line(left, top + size, left + size, top, "axis")]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = top + size * (1 - share)
        parts += [_line(left, y, left + size, y, "grid"), _text(left - 8, y + 4, f"{share:.0%}", "end", "number")]
        parts.append(_text(left + size * share, top + size + 18, f"{share:.0%}", "middle", "number"))
    for b in bins:
        radius = 4 + 8 * math.sqrt(b.count / most)
        said = f"{b.count:,} pairs scored {b.score:.2f} on average; {b.actual:.2f} of them are one person"
        at = f'cx="{left + b.score * size:.1f}" cy="{top + (1 - b.actual) * size:.1f}" r="{radius:.1f}"'
        parts.append(f'<circle {at} class="sum half"><title>{escape(said)}</title></circle>')
    parts.append(_text(left + size, top + size + 38, "score", "end", "number"))
    parts.append(_text(left + size + 14, top + 12, "share that is one person (up)", "start", "number"))
    return _svg(top + size + 44, parts, "Scores against labels")


class _Columns:
    """A frame of columns on a logarithmic scale from 1 to `top`."""

    def __init__(self, count: int, top: int) -> None:
        self.left, self.bottom, self.height = 84, 232, 216
        self.decades = max(math.ceil(math.log10(max(top, 2))), 1)
        self.width = (WIDTH - self.left) / max(count, 1)

    def x(self, place: float) -> float:
        return self.left + place * self.width

    def y(self, count: int) -> float:
        """One is a step above nothing."""
        return self.bottom - (math.log10(count) + 0.15) / (self.decades + 0.15) * self.height if count else self.bottom

    def grid(self) -> list[str]:
        found = []
        for decade in range(self.decades + 1):
            y = self.y(10**decade)
            found += [_line(self.left, y, WIDTH, y, "grid"), _text(self.left - 8, y + 4, f"{10**decade:,}", "end", "number")]
        return [*found, _line(self.left, self.bottom, WIDTH, self.bottom, "axis")]

    def column(self, place: int, count: int, kind: str, said: str) -> str:
        gap = min(2.0, self.width / 5)
        width = min(self.width - gap, 56)
        return (
            _bar(self.x(place) + (self.width - width) / 2, self.y(count), width, self.bottom - self.y(count), kind, said) if count else ""
        )

    def above(self, place: int, count: int) -> str:
        return _text(self.x(place + 0.5), self.y(count) - 5, f"{count:,}", "middle", "number")

    def label(self, place: float, name: str) -> str:
        return _text(self.x(place), self.bottom + 16, name, "middle", "number")


def _svg(height: float, parts: Sequence[str], name: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(name)}">{"".join(parts)}</svg>'


def _bar(x: float, y: float, width: float, height: float, kind: str, said: str) -> str:
    shape = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height:.1f}" rx="1.5"'
    return f'<rect {shape} class="{kind}"><title>{escape(said)}</title></rect>'


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _of(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
