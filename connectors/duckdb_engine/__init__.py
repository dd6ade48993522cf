"""Reading through a DuckDB instance of one's own: what the DuckDB-file and the files connector share."""
