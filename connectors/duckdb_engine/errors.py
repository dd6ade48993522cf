"""DuckDB's exceptions as coded errors. Its text quotes row values: only the exception's class, and schema names, get through."""

from __future__ import annotations

import re

from connectors.spi.errors import C360Error, SchemaDrift, SourceBroken, SourceBusy, SourceLogin, SourceUnreachable, UnmappedType
from connectors.spi.schema import Table

_VALUE_MISFIT = re.compile(r"transform error|could not convert|unable to (cast|transform)|cannot be cast|type .* does not fit", re.I)
_UNREACHABLE = re.compile(r"\b\w*Connect(ion|or|Timeout)\w*Error\b")
_NO_CREDENTIALS = re.compile(r"\b(No|Partial)CredentialsError\b")
"""What the drivers of object stores raise, by class: it reaches us as it is, or named in DuckDB's text."""
_NAMED = re.compile(r"(?:converting|in|for) column \"?([^\"\n]+?)\"?[.\s]")


def kind_of(error: BaseException) -> str:
    """DuckDB's name for the failure: "Conversion", "IO", "Binder", ... ; a streamed error has it only at the start of its text."""
    name = type(error).__name__
    if name.endswith("Exception"):
        return name.removesuffix("Exception")
    streamed = re.match(r"(?:Invalid: |IOError: )?([A-Za-z ]+?) Error: ", str(error))
    if streamed:
        return "".join(word.capitalize() if word.isupper() and len(word) > 2 else word for word in streamed[1].split())
    return name


def translate(error: Exception, source: str, table: Table | None, where: str = "") -> C360Error:
    """The coded error for a failed DuckDB call. `where` names the place read, if that is no secret."""
    if isinstance(error, C360Error):
        return error
    kind, text = kind_of(error), str(error)
    what = f"{source}.{table.name}" if table is not None else f"source `{source}`"
    place = f" ({where})" if where else ""
    if kind in ("Conversion", "OutOfRange") or _VALUE_MISFIT.search(text):
        found = _NAMED.search(text)
        known = table.column(found[1]) if found and table is not None else None
        column = f"{what}.{known.name}: a value does not fit {known.native}" if known else f"{what}: a value does not fit its column's type"
        return UnmappedType(source, column, hint="declare the column wider under `columns:` (VARCHAR takes anything), or mend the data")
    if "Could not set lock" in text or kind == "ResourceInUse" or "Unique file handle conflict" in text:
        hint = "close the writer (DuckDB is one writer or many readers), or point `path` at a copy that it publishes"
        return SourceBusy(source, f"{what}: another connection holds the database for writing{place}", hint=hint)
    if kind in ("Binder", "Catalog") or "schema mismatch in glob" in text:
        return SchemaDrift(
            source, f"{what}: the schema is no longer the one that was discovered", hint="ask again: it is discovered afresh"
        )
    if kind == "FileNotFoundError" or "No files found" in text or "FileNotFoundError" in text or "does not exist" in text:
        if table is not None:  # it was there when the table was discovered
            return SchemaDrift(source, f"{what}: its file is gone", hint="ask again, or check what else writes there")
        return SourceUnreachable(source, f"{what}: no file is there{place}", hint="check the path, and that this user may list it")
    if kind in ("PermissionError", "Permission") or "Permission denied" in text or "PermissionError" in text:
        return SourceLogin(source, f"{what}: reading is not permitted{place}", hint="grant this user read access to the file")
    raised = f"{type(error).__name__} {text}"
    if _UNREACHABLE.search(raised):
        return SourceUnreachable(
            source, f"{what}: the store cannot be reached{place}", hint="check that it runs, and the address in `storage`"
        )
    if _NO_CREDENTIALS.search(raised):
        return SourceLogin(source, f"{what}: no credentials are known{place}", hint="give them in the environment, or in `storage`")
    if kind == "OutOfMemory":
        return SourceBroken(source, f"{what}: reading exceeds the memory limit", hint="raise the source's `memory_limit`")
    if "magic bytes" in text or "not a valid DuckDB" in text:
        return SourceBroken(source, f"{what}: the file is not of its format, or is damaged{place}", hint="check `path` and `format`")
    if "range requests" in text:
        return SourceBroken(
            source, f"{what}: the HTTP server gives files only whole{place}", hint="serve it with range requests, or copy it"
        )
    if "CSV Error" in text or "Malformed JSON" in text or "malformed" in text:
        return SourceBroken(source, f"{what}: the file is not well-formed{place}", hint="mend the file, or set its options under `tables:`")
    return SourceBroken(source, f"{what}: reading failed ({kind} error){place}", hint="the cause is attached to this error")
