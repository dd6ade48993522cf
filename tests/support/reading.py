"""What a source gives, read in a test without an engine around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.spi import Connector, Fragment
from connectors.testing.predicates import fetch


def rows_of(
    connector: Connector, fragment: Fragment, values: Mapping[str, object] | None = None, seconds: float = 10
) -> list[dict[str, Any]]:
    """The rows of one fragment, in a session of its own."""
    rows: list[dict[str, Any]] = fetch(connector, fragment, values, seconds=seconds).to_pylist()
    return rows
