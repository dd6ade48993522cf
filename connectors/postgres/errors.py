"""PostgreSQL's errors as c360's: by SQLSTATE, never by passing the server's text on (it quotes values)."""

from __future__ import annotations

import re

from connectors.spi.errors import (
    SchemaDrift,
    SourceBroken,
    SourceBusy,
    SourceError,
    SourceLogin,
    SourceTimeout,
    SourceUnreachable,
    UnmappedType,
)

_NAMED = re.compile(r'(?:column|relation) (?:c360_t\.)?"?([^\s"]+)"?')
_NETWORK = re.compile(
    r"refused|timeout expired|timed out|could not translate|name resolution|no route|unreachable|no such file|reset by peer"
    r"|closed the connection|starting up|shutting down|not accept|in recovery|server on socket .* failed: (?!FATAL)",
    re.IGNORECASE,
)
_FULL = re.compile(r"too many (clients|connections)|connection slots|pool.*(full|exhausted)", re.IGNORECASE)
_REFUSED = re.compile(r"FATAL|password|authentication|role|pg_hba|SSL|certificate", re.IGNORECASE)
_DRIFT = frozenset({"42703", "42P01", "42804", "42883", "42846", "3F000", "42809"})
_MISFIT = frozenset({"22003", "22007", "22008", "22P02", "22P03", "0A000"})
_IO = 10  # ADBC: input or output failed
_LATE = frozenset({"57014", "55P03", "25P03", "25P04"})


def lost(error: Exception) -> bool:
    """Whether the connection itself is gone (the server restarted, a proxy cut it)."""
    state = getattr(error, "sqlstate", None) or ""
    return state.startswith(("08", "57P")) or (not state and int(getattr(error, "status_code", 0)) == _IO)


def refused(error: Exception, source: str) -> SourceError:
    """The coded error for a connection that could not be made. The server gives no SQLSTATE here, only words."""
    text = str(error)
    if _FULL.search(text):
        return SourceBusy(source, f"source `{source}` accepts no more connections", hint="lower `connections`, or raise the server's limit")
    if not _NETWORK.search(text) and _REFUSED.search(text):
        return SourceLogin(source, f"source `{source}` refused the login", hint="check user, password, database and TLS settings in `uri`")
    return SourceUnreachable(source, f"source `{source}` cannot be reached", hint="check host and port in `uri`, and that the server is up")


def translate(error: Exception, source: str, table: str = "", columns: tuple[str, ...] = ()) -> SourceError:
    """The coded error for what a statement raised. `columns` are those that may hold a value without an exact place in Arrow."""
    state = getattr(error, "sqlstate", None) or ""
    where = f"`{source}.{table}`" if table else f"source `{source}`"
    if state in _DRIFT:
        named = _NAMED.search(str(error))
        what = f"`{named[1]}` is gone or changed" if named else "a table or column is gone or changed its type"
        return SchemaDrift(source, f"{where}: {what}", hint="look the source over again (c360 debug) and correct the mapping")
    if state in _MISFIT:
        return misfit(source, table, columns)
    if state in _LATE:
        return SourceTimeout(source, f"{where}: the server ended the statement for its time", hint="allow more time or ask for less")
    if state.startswith("53"):
        return SourceBusy(source, f"{where}: the server is out of connections, memory or disk", hint="try again later")
    if state.startswith("28") or state == "42501":
        return SourceLogin(source, f"reading {where} was refused: a privilege is missing", hint="GRANT SELECT on it to the role in `uri`")
    if lost(error):
        return SourceBroken(
            source, f"the connection to {where} was lost while reading", hint="try again; if it goes on, check the server's log"
        )
    return SourceBroken(source, f"{where} reported an error (SQLSTATE {state or 'unknown'})", hint="the server's log has its text")


def misfit(source: str, table: str, columns: tuple[str, ...]) -> UnmappedType:
    """A value that Arrow's type cannot hold: NaN in a decimal, infinity in a date."""
    which = "column " + " or ".join(f"`{c}`" for c in columns) if columns else "a column"
    return UnmappedType(
        source,
        f"{which} of `{source}.{table}` holds a value that does not fit its type (NaN, infinity, or a year outside 1 to 9999)",
        hint="correct the value at the source, or read the column through a view that casts it to text",
    )
