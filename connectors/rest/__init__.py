"""A JSON-over-HTTP API as tables (kind `rest`): key look-ups, filters, paging. Options: see `connectors.rest.config`."""

from connectors.rest.config import connect
from connectors.rest.connector import Rest

__all__ = ["Rest", "connect"]
