"""PostgreSQL, read over ADBC: `uri: ${env:CRM_URI}`; the driver comes with `c360[postgres]`."""

from connectors.postgres.connector import PostgresConnector, connect

__all__ = ["PostgresConnector", "connect"]
