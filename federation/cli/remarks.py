"""What a person wants to know besides the rows: how many, from where, at what cost, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from federation.report import Report
    from federation.result import Result


def said_gaps(report: Report) -> Iterator[str]:
    """One line if a source did not answer, none if all did."""
    if not report.complete:
        yield "incomplete: no answer from " + ", ".join(f"{source} ({code})" for source, code in report.missing.items())


def said_rows(result: Result, shown: int) -> str:
    """`3 rows`, or `the first 40 of 218 rows`; a `+` where the end was not looked for."""
    known, more = result.rows_read, result.streaming
    if known > shown or more:
        return f"the first {shown:,} of {known:,}{'+' if more else ''} rows (--output csv gives all)"
    return f"{shown:,} row{'' if shown == 1 else 's'}"


def said_cost(report: Report) -> str:
    """`12 ms · rows moved: crm 3, shop 40 · not asked: support`."""
    moved: dict[str, int] = {}
    for fragment in report.fragments:
        if fragment.asked:
            moved[fragment.source] = moved.get(fragment.source, 0) + fragment.rows
    spared = sorted({f.source for f in report.fragments} - set(moved))
    said = f"{report.total_ms:,.0f} ms · " + (
        f"rows moved: {', '.join(f'{s} {n:,}' for s, n in moved.items())}" if moved else "no source asked"
    )
    return said + (f" · not asked: {', '.join(spared)} (no keys there)" if spared else "")
