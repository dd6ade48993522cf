"""SQLite's errors as c360's: by error code, never by passing its text on."""

from __future__ import annotations

import re
import sqlite3

from connectors.spi.errors import SchemaDrift, SourceBroken, SourceBusy, SourceError, SourceLogin, SourceUnreachable, UnmappedType

_MISSING = re.compile(r"no such (table|column): (?:\w+\.)?([\w$]+)")


def translate(error: sqlite3.Error, source: str, table: str = "") -> SourceError:
    """The coded error for what the driver raised."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    text = str(error)
    where = f"`{source}.{table}`" if table else f"source `{source}`"
    missing = _MISSING.search(text)
    if missing or code == sqlite3.SQLITE_SCHEMA:
        what = f"{missing[1]} `{missing[2]}` is gone" if missing else "its schema changed"
        return SchemaDrift(source, f"{where}: {what}", hint="look the source over again (c360 debug) and correct the mapping")
    if "Could not decode to UTF-8" in text:
        return UnmappedType(source, f"{where} holds a text that is not UTF-8", hint="correct the value at the source")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return SourceBusy(source, f"{where} is locked by a writer", hint="try again; WAL mode lets readers and a writer work together")
    if code in (sqlite3.SQLITE_AUTH, sqlite3.SQLITE_PERM):
        return SourceLogin(source, f"reading {where} was refused", hint="check the file's permissions")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB):
        return SourceUnreachable(source, f"{where}: the file is no SQLite database that can be opened", hint="check `path`")
    return SourceBroken(source, f"{where} reported an error (SQLite code {code})", hint="check the file with PRAGMA integrity_check")
