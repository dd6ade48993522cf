"""DuckDB's exceptions as coded errors. Its text quotes row values: only the exception's class, and schema names, get through."""

from __future__ import annotations

import re
from dataclasses import dataclass

from connectors.spi.errors import (
    C360Error,
    SchemaDrift,
    SourceBroken,
    SourceBusy,
    SourceError,
    SourceLogin,
    SourceUnreachable,
    UnmappedType,
)
from connectors.spi.schema import Table

_VALUE_MISFIT = re.compile(r"transform error|could not convert|unable to (cast|transform)|cannot be cast|type .* does not fit", re.I)
_NAMED = re.compile(r"(?:converting|in|for) column \"?([^\"\n]+?)\"?[.\s]")


def kind_of(error: BaseException) -> str:
    """DuckDB's name for the failure: "Conversion", "IO", "Binder", ... ; a streamed error has it only at the start of its text.

    >>> kind_of(OSError("Invalid: Out of Memory Error: could not allocate"))
    'OutOfMemory'
    >>> kind_of(OSError("IO Error: no such file")), kind_of(OSError("HTTP Error: 404"))
    ('IO', 'Http')
    """
    name = type(error).__name__
    if name.endswith("Exception"):
        return name.removesuffix("Exception")
    streamed = re.match(r"(?:Invalid: |IOError: )?([A-Za-z ]+?) Error: ", str(error))
    if streamed:
        return "".join(word.capitalize() if word.islower() or (word.isupper() and len(word) > 2) else word for word in streamed[1].split())
    return name


@dataclass(frozen=True, slots=True)
class _Failure:
    """One way to fail: what is said of it, and how it is told from others: by what the exception's class and text hold (`text`), or by
    DuckDB's name for it (`kinds`). `placed`: the place that was read is named too."""

    error: type[SourceError]
    said: str
    hint: str
    text: str = ""
    kinds: frozenset[str] = frozenset()
    placed: bool = True

    def is_that(self, kind: str, raised: str) -> bool:
        return kind in self.kinds or (self.text != "" and re.search(self.text, raised) is not None)


# In this order: the first that fits. What the drivers of object stores raise reaches us as it is, or named in DuckDB's text.
_NO_FILE = r"No files found|FileNotFoundError|does not exist"
_FAILURES = (
    _Failure(
        SourceBusy,
        "another connection holds the database for writing",
        "close the writer (DuckDB is one writer or many readers), or point `path` at a copy that it publishes",
        r"Could not set lock|Unique file handle conflict",
        frozenset({"ResourceInUse"}),
    ),
    _Failure(
        SchemaDrift,
        "the schema is no longer the one that was discovered",
        "ask again: it is discovered afresh",
        r"schema mismatch in glob",
        frozenset({"Binder", "Catalog"}),
        placed=False,
    ),
    _Failure(SourceUnreachable, "no file is there", "check the path, and that this user may list it", _NO_FILE),
    _Failure(
        SourceLogin,
        "reading is not permitted",
        "grant this user read access to the file",
        r"Permission denied|PermissionError",
        frozenset({"Permission"}),
    ),
    _Failure(
        SourceUnreachable,
        "the store cannot be reached",
        "check that it runs, and the address in `storage`",
        r"\b\w*Connect(ion|or|Timeout)\w*Error\b",
    ),
    _Failure(SourceLogin, "no credentials are known", "give them in the environment, or in `storage`", r"\b(No|Partial)CredentialsError\b"),
    _Failure(
        SourceBroken,
        "reading exceeds the memory limit",
        "raise the source's `memory_limit`",
        kinds=frozenset({"OutOfMemory"}),
        placed=False,
    ),
    _Failure(SourceBroken, "the file is not of its format, or is damaged", "check `path` and `format`", r"magic bytes|not a valid DuckDB"),
    _Failure(SourceBroken, "the HTTP server gives files only whole", "serve it with range requests, or copy it", r"range requests"),
    _Failure(
        SourceBroken,
        "the file is not well-formed",
        "mend the file, or set its options under `tables:`",
        r"CSV Error|sniffing file|Malformed JSON|malformed",
    ),
)


def translate(error: Exception, source: str, table: Table | None, where: str = "") -> C360Error:
    """The coded error for a failed DuckDB call. `where` names the place read, if that is no secret."""
    if isinstance(error, C360Error):
        return error
    kind, text = kind_of(error), str(error)
    what = f"{source}.{table.name}" if table is not None else f"source `{source}`"
    if kind in ("Conversion", "OutOfRange") or _VALUE_MISFIT.search(text):
        return _misfit(source, what, table, text)
    place = f" ({where})" if where else ""
    raised = f"{type(error).__name__} {text}"
    failure = next((f for f in _FAILURES if f.is_that(kind, raised)), None)
    if failure is None:
        return SourceBroken(source, f"{what}: reading failed ({kind} error){place}", hint="`c360 --debug` prints its cause")
    if failure.text == _NO_FILE and table is not None:  # it was there when the table was discovered
        return SchemaDrift(source, f"{what}: its file is gone", hint="ask again, or check what else writes there")
    return failure.error(source, f"{what}: {failure.said}{place if failure.placed else ''}", hint=failure.hint)


def _misfit(source: str, what: str, table: Table | None, text: str) -> UnmappedType:
    """A value that does not fit; of the text only the name of a column that the table has gets through."""
    found = _NAMED.search(text)
    known = table.column(found[1]) if found and table is not None else None
    said = f"{what}.{known.name}: a value does not fit {known.native}" if known else f"{what}: a value does not fit its column's type"
    return UnmappedType(source, said, hint="declare the column wider under `columns:` (VARCHAR takes anything), or mend the data")
