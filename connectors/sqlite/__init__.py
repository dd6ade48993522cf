"""SQLite files, read by the standard library: `path: support.db`."""

from connectors.sqlite.connector import SqliteConnector, connect

__all__ = ["SqliteConnector", "connect"]
