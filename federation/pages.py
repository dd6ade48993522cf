"""A page of HTML that is one file: no script, no network, readable in light and dark, on paper too."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --muted: #5c6b7a; --line: #dfe5ea; --paper: #fff; --sum: #1f6f8b; --plus: #2f855a;
  --minus: #b7473a; --rest: #b8c4ce; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e9ee; --muted: #94a3b0; --line: #33404b; --paper: #14191e; --sum: #56b3d1;
  --plus: #5fbf8f; --minus: #e08577; --rest: #4c5a66; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 860px; margin: 2.5rem auto;
  padding: 0 1.25rem; }
h1 { font-size: 1.5rem; margin-bottom: .25rem; } h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
p.note, figcaption { color: var(--muted); } figure { margin: .5rem 0 1rem; } svg { width: 100%; height: auto; display: block; }
svg text { font-size: 12px; fill: var(--ink); } svg .number { fill: var(--muted); font-variant-numeric: tabular-nums; }
svg .strong { font-weight: 600; } .sum { fill: var(--sum); } .plus { fill: var(--plus); } .minus { fill: var(--minus); }
.rest { fill: var(--rest); } .half { fill-opacity: .75; } .axis { stroke: var(--muted); } .grid { stroke: var(--line); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { padding-right: 1.75rem; }
th { color: var(--muted); font-weight: 500; } td.n, th.n { text-align: right; } code { font-size: .9em; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .75rem 1.5rem; margin: 1rem 0; }
dt { color: var(--muted); font-size: .85rem; } dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
@media (max-width: 640px) { .scroll svg { min-width: 36rem; } .scroll td, .scroll th { white-space: nowrap; }
  figcaption { max-width: 85vw; } }
@media print { body { margin: 0; max-width: none; } figure, tr { break-inside: avoid; } h2, h3 { break-after: avoid; } }
"""


def page(title: str, parts: Sequence[str]) -> str:
    """A whole document."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
    body = "\n".join(filter(None, parts))
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n'


def section(title: str, *parts: str, note: str = "") -> str:
    """A heading, a remark, and what follows; nothing if nothing follows."""
    held = [part for part in parts if part]
    return "\n".join([f"<h2>{escape(title)}</h2>", f'<p class="note">{_prose(note)}</p>' if note else "", *held]) if held else ""


def _prose(text: str) -> str:
    """A remark; what stands in `backticks` is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def figure(picture: str, caption: str = "") -> str:
    """A picture, nothing if there is none."""
    return f'<figure class="scroll">{picture}{f"<figcaption>{escape(caption)}</figcaption>" if caption else ""}</figure>' if picture else ""


def numbers(told: Sequence[tuple[str, str]]) -> str:
    """A few figures that matter."""
    return "<dl>" + "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in told) + "</dl>"


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows of texts and numbers; nothing without rows."""
    if not rows:
        return ""
    right = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(columns))]
    head = "".join(f"<th{' class=n' * r}>{escape(c)}</th>" for c, r in zip(columns, right, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{' class=n' * r}>{_cell(v)}</td>" for v, r in zip(row, right, strict=True)) + "</tr>" for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


def write_page(path: Path, text: str) -> None:
    """Write a page for its owner's eyes: whole, or not at all."""
    draft = path.with_name(f".{path.name}.part")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
