"""The answer to a query: an Arrow stream with its report."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from federation.errors import OverRows
from federation.python_values import values_of
from federation.report import Report

if TYPE_CHECKING:
    import pandas
    import polars

EAGER_ROWS = 50_000
"""An answer up to so long is read at once, so that everything it holds is given back before it is returned."""


class Result:
    """Rows as Arrow. Read once as a stream (`for batch in result`), or whole (`arrow()`, `df()`, `pl()`, `fetchall()`).

    `report` is complete when the last row was read. Close it, or use it in a `with`, if not all of it is read.
    """

    def __init__(
        self,
        schema: pa.Schema,
        batches: Iterator[pa.RecordBatch],
        report: Report,
        close: Callable[[BaseException | None], None],
        max_rows: int | None,
    ) -> None:
        self.schema, self.report = schema, report
        self._batches, self._close, self._max_rows = batches, close, max_rows
        self._rows = 0
        self._head: list[pa.RecordBatch] = []
        self._table: pa.Table | None = None
        self._fetched = 0
        self._open = True
        while self._open and self._rows < EAGER_ROWS:
            self._pull()

    def _pull(self) -> None:
        try:
            batch = next(self._batches, None)
            if batch is None:
                self.close()
                return
            self._rows += batch.num_rows
            if self._max_rows is not None and self._rows > self._max_rows:
                raise OverRows(f"the answer has more than {self._max_rows:,} rows", hint="add a LIMIT, aggregate, or raise max_rows")
        except BaseException as error:
            self.close(error)
            raise
        if batch.num_rows:
            self._head.append(batch)

    @property
    def query_id(self) -> str:
        return self.report.query_id

    @property
    def rows_read(self) -> int:
        """How many rows have come so far; all of them once the result is not `streaming`."""
        return self._rows

    @property
    def streaming(self) -> bool:
        """Whether there may be more rows than have come."""
        return self._open

    @property
    def columns(self) -> list[str]:
        return list(self.schema.names)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Batches in order. What was handed out is gone."""
        while self._head or self._open:
            if self._head:
                yield self._head.pop(0)
            else:
                self._pull()

    def arrow(self) -> pa.Table:
        """Everything (that was not streamed before) as one table; the same again when asked again."""
        if self._table is None:
            self._table = pa.Table.from_batches(list(self), self.schema)
        return self._table

    def df(self) -> pandas.DataFrame:
        """As pandas. Needs c360[pandas]."""
        return self.arrow().to_pandas()

    def pl(self) -> polars.DataFrame:
        """As polars. Needs c360[polars]."""
        try:
            import polars
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("polars is not installed: pip install 'c360[polars]'", name="polars") from error

        return polars.from_arrow(self.arrow())  # type: ignore[return-value]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """As Python tuples. A date or moment that Python cannot hold (before Christ, 'infinity') comes as text."""
        columns = [values_of(c) for c in self.arrow().columns]
        return list(zip(*columns, strict=True)) if columns else []

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, or None after the last."""
        columns = [values_of(c) for c in self.arrow().slice(self._fetched, 1).columns]  # by position: two may have one name
        self._fetched += 1
        return next(zip(*columns, strict=True), None)

    def close(self, error: BaseException | None = None) -> None:
        """Stop what still runs and give everything back; `error` is why, for the log. Safe to call twice."""
        if self._open:
            self._open = False
            self._close(error)

    def __enter__(self) -> Result:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_open", False):
            self.close()

    def __repr__(self) -> str:
        done = f"{self._rows:,} rows" if not self._open else f"{self._rows:,}+ rows"
        gap = "" if self.report.complete else f", incomplete: {', '.join(self.report.missing)}"
        return f"<Result {self.query_id}: {done}, {len(self.schema)} columns{gap}>"

    def _repr_html_(self) -> str:
        """The first rows for a notebook, with what it cost."""
        shown = self.arrow().slice(0, 20)
        rows = zip(*(values_of(column) for column in shown.columns), strict=True)  # by position: two may have one name
        head = "".join(f"<th>{html.escape(n)}</th>" for n in shown.column_names)
        body = "".join("<tr>" + "".join(f"<td>{_cell(v)}</td>" for v in row) + "</tr>" for row in rows)
        sources = ", ".join(f"{html.escape(f.source)} {f.rows:,} rows" for f in self.report.fragments if f.asked)
        gap = "" if self.report.complete else f" <b>incomplete: {html.escape(', '.join(self.report.missing))}</b>"
        foot = f"{self.arrow().num_rows:,} rows in {self.report.total_ms:.0f} ms; from {sources or 'the crosswalk'}.{gap}"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{foot}</p>"


def _cell(value: object) -> str:
    return "<i>NULL</i>" if value is None else html.escape(str(value))
