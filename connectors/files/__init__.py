"""Parquet, CSV and JSON files as tables (kind `files`): local, or wherever fsspec reaches (`memory://`, `s3://`, `https://`).

Options: `path` (a file, a glob, or a directory whose files and folders are its tables) or `tables`; `format`, `storage`,
`memory_limit`, `threads`, `timeout`. See `connectors.files.config`.
"""

from connectors.files.connector import Files, connect

__all__ = ["Files", "connect"]
