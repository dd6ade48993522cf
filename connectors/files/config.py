"""The options of a files source, and which tables a path holds.

path: data/            every file is a table named after it, every folder one of all files below it
path: data/*.parquet   one table, named after the fixed part of the pattern (or its folder)
format: csv            where the suffix does not say it
tables:                instead of, or on top of, what `path` finds; only `path` is required
  event: {path: s3://lake/event/**/*.parquet, key: [event_id]}
  points: {path: points.csv, columns: {code: VARCHAR, points: "DECIMAL(12,2)"}, delimiter: ";", null: "-"}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from connectors.options import Options
from connectors.spi.errors import SourceConfig

SUFFIXES = {
    ".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json",
}  # fmt: skip
CSV_OPTIONS = {
    "delimiter": "delim", "header": "header", "quote": "quote", "escape": "escape", "null": "nullstr", "skip": "skip",
    "date_format": "dateformat", "timestamp_format": "timestampformat", "encoding": "encoding", "decimal": "decimal_separator",
}  # fmt: skip
_TYPE = re.compile(r"[A-Za-z][A-Za-z ]*(\(\d+(, ?\d+)?\))?")
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class FileTable:
    """One table: where it lies (absolute, or a URL), how it is read. `columns` are types by name that the user insists on."""

    name: str
    path: str
    format: str
    columns: Mapping[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    csv: Mapping[str, object] = field(default_factory=dict)


def protocol(path: str) -> str:
    """
    >>> protocol("s3://lake/x"), protocol("file:///x"), protocol("/x")
    ('s3', '', '')
    """
    found = re.match(r"([a-z][a-z0-9+.-]*)://", path, re.I)
    return "" if found is None or found[1].lower() in ("file", "local") else found[1].lower()


def located(path: str) -> str:
    """A local path made absolute, a URL as it is."""
    return path if protocol(path) else str(Path(re.sub(r"^(file|local)://", "", path)).expanduser().absolute())


def shown(path: str) -> str:
    """A path for messages: without credentials and without a query, which may hold a signature.

    >>> shown("https://me:pw@host/x.csv?token=t")
    'https://host/x.csv'
    """
    return re.sub(r"//[^/@]*@", "//", path.partition("?")[0]) if protocol(path) else path


def read_table(source: str, name: str, entry: object, format_: str) -> FileTable:
    """One entry of `tables`. Raises SourceConfig."""
    where = f"{source}.{name}"
    if isinstance(entry, str):
        entry = {"path": entry}
    if not isinstance(entry, Mapping) or "." in name:
        raise SourceConfig(f"`tables.{name}` of source `{source}` must be a path or a mapping with one, its name without a dot")
    taken = Options(where, entry)
    path = located(taken.require("path", str))
    columns = taken.take("columns", dict, {})
    if not all(isinstance(t, str) and _TYPE.fullmatch(t) for t in columns.values()):
        raise SourceConfig(f"`{where}`: `columns` must give a DuckDB type for each name", hint="columns: {code: VARCHAR}")
    key, required = taken.take("key", list, []), taken.take("required", list, [])
    table = FileTable(
        name, path, format_of(where, path, taken.take("format", str, format_)), columns, tuple(map(str, key)), tuple(map(str, required)),
        {duck: value for ours, duck in CSV_OPTIONS.items() if (value := taken.take(ours, object, None)) is not None},
    )  # fmt: skip
    taken.done()
    return table


def format_of(where: str, path: str, given: str = "") -> str:
    """The format of a path: as given, or by its suffix. Raises SourceConfig."""
    found = given or suffix_format(path)
    if found not in ("parquet", "csv", "json"):
        raise SourceConfig(f"`{where}`: the format cannot be told from the path", hint="add `format: parquet`, `csv` or `json`")
    return found


def suffix_format(path: str) -> str:
    """'' if the suffix says nothing.

    >>> suffix_format("a/b.csv.gz"), suffix_format("a/b.txt"), suffix_format("a/2026-??.parquet"), suffix_format("https://host/x.csv?t=1")
    ('csv', '', 'parquet', 'csv')
    """
    name = PurePosixPath(_without_query(path).lower().removesuffix(".gz").removesuffix(".zst"))
    return SUFFIXES.get(name.suffix, "")


def is_pattern(path: str) -> bool:
    """Whether a path names any number of files."""
    return _WILD.search(_without_query(path)) is not None


def _without_query(path: str) -> str:
    """In an address `?` begins the query, and is no wildcard; elsewhere it is one."""
    return path.partition("?")[0] if protocol(path).startswith("http") else path


def table_name(path: str) -> str:
    """The name of the table in a file or pattern.

    >>> [table_name(p) for p in ("/d/event.parquet", "/d/event/*.parquet", "/d/event_*.csv.gz", "/d/event/**/*.json", "/d/event_??.csv")]
    ['event', 'event', 'event', 'event', 'event']
    """
    parts = [p for p in _without_query(path).split("/") if p]
    for part in reversed(parts):
        stem = _WILD.split(part.split(".")[0])[0].strip("_-. ")
        if stem:
            return stem
    return "files"


def tables_below(source: str, root: str, files: Iterable[str], format_: str) -> dict[str, FileTable]:
    """The tables of a directory `root` that holds `files` (full paths): a table per file, and per folder. Raises SourceConfig."""
    found: dict[str, FileTable] = {}
    for file in sorted(files):
        first, _, rest = file.removeprefix(root).strip("/").partition("/")
        if first.startswith((".", "_")) or not (kind := suffix_format(file)) or (format_ and kind != format_):
            continue
        suffix = "".join(PurePosixPath(file).suffixes[-2:] if file.endswith((".gz", ".zst")) else PurePosixPath(file).suffixes[-1:])
        path = f"{root.rstrip('/')}/{first}" + (f"/**/*{suffix}" if rest else "")
        name = first.split(".")[0]
        if name in found and found[name].path != path:
            hint = "name both under `tables:`"
            raise SourceConfig(
                f"source `{source}`: `{shown(found[name].path)}` and `{shown(path)}` would both be table `{name}`", hint=hint
            )
        found[name] = FileTable(name, path, kind)
    return found
