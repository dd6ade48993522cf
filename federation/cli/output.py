"""Answers in five formats, as streams: an answer of any length is written in constant memory."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

import click
import pyarrow as pa

from federation.cli.grid import grid
from federation.cli.shared import colour
from federation.cli.values import jsonable, plain, rows_of, unique

if TYPE_CHECKING:
    from federation.result import Result

FORMATS = ("table", "json", "csv", "parquet", "arrow")
BINARY = ("parquet", "arrow")
DATA = ("json", "csv")
SHOWN_ROWS = 40
PIPED_ROWS = 1000


def format_for(asked: str | None, out: Path | None) -> str:
    """The format asked for, else what the file's suffix says, else a table."""
    if asked:
        return asked
    suffix = out.suffix.lstrip(".").lower() if out else ""
    found = {"pq": "parquet", "feather": "arrow", "ipc": "arrow", "txt": "table", "": "table"}.get(suffix, suffix)
    if found not in FORMATS:
        raise click.UsageError(f"`.{suffix}` is no format that c360 writes: name one with -o ({', '.join(FORMATS)})")
    return found


def write(result: Result, format_: str, out: Path | None) -> int:
    """Write an answer to a file, or to stdout; the number of rows written. A file is there whole, or not at all."""
    if out is None:
        if format_ in BINARY and sys.stdout.isatty():
            raise click.UsageError(f"{format_} is no text for a terminal: give --out FILE, or pipe it on")
        if format_ in DATA and not sys.stdout.isatty() and isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="strict")  # as a file has it, whatever a terminal here would speak
        count = WRITERS[format_](result, sys.stdout.buffer if format_ in BINARY else sys.stdout, False)
        sys.stdout.flush()
        return count
    with _whole(out) as draft:
        binary = format_ in BINARY
        with draft.open("wb") if binary else draft.open("w", encoding="utf-8", newline="") as file:
            return WRITERS[format_](result, file, True)


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A draft beside the file that takes its place when the block ends well. Only its owner may read it: it holds people's data."""
    draft = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise click.UsageError(f"`{path}` cannot be written: {error.strerror}") from error
    try:
        yield draft
        draft.replace(path)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()


def _table(result: Result, file: IO[str], whole: bool) -> int:
    terminal = file is sys.stdout and file.isatty()
    most = None if whole else SHOWN_ROWS if terminal else PIPED_ROWS
    width = shutil.get_terminal_size().columns if terminal else None
    rows = list(islice(_rows(result), most))
    shown = grid(result.schema, rows, width, colours=terminal and colour(sys.stdout))
    for line in shown.lines:
        file.write(line + "\n")
    file.flush()
    if shown.left_out:
        why = f", {shown.empty} of them NULL in every row shown" if shown.empty else ""
        said = f"… {shown.left_out} of {len(result.schema)} columns left out{why}: name those you want, or use --output json"
        click.echo(said, err=True)
    return len(rows)


def _json(result: Result, file: IO[str], whole: bool) -> int:
    names, count = unique(result.schema.names), 0
    for row in _rows(result):
        text = json.dumps({n: jsonable(v) for n, v in zip(names, row, strict=True)}, ensure_ascii=False)
        file.write(("[\n" if not count else ",\n") + text)
        count += 1
    file.write("\n]\n" if count else "[]\n")
    return count


def _csv(result: Result, file: IO[str], whole: bool) -> int:
    """RFC 4180 with \\n: NULL is nothing, an empty string is nothing too."""
    writer, count = csv.writer(file, lineterminator="\n"), 0
    writer.writerow(result.schema.names)
    for row in _rows(result):
        writer.writerow(map(plain, row))
        count += 1
    return count


def _parquet(result: Result, file: IO[bytes], whole: bool) -> int:
    import pyarrow.parquet as pq

    return _batches(result, lambda schema: pq.ParquetWriter(file, schema))


def _arrow(result: Result, file: IO[bytes], whole: bool) -> int:
    """A file in Arrow's file format; to a pipe as an IPC stream."""
    return _batches(result, lambda schema: pa.ipc.new_file(file, schema) if whole else pa.ipc.new_stream(file, schema))


def _batches(result: Result, make: Callable[[pa.Schema], Any]) -> int:
    count = 0
    schema = pa.schema([f.with_name(n) for f, n in zip(result.schema, unique(result.schema.names), strict=True)])
    with make(schema) as writer:
        for batch in result:
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
            count += batch.num_rows
    return count


def _rows(result: Result) -> Iterator[tuple[Any, ...]]:
    for batch in result:
        yield from rows_of(batch)


WRITERS: dict[str, Callable[[Result, Any, bool], int]] = {
    "table": _table, "json": _json, "csv": _csv, "parquet": _parquet, "arrow": _arrow,
}  # fmt: skip
