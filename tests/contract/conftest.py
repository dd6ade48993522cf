"""What several files of contract tests begin with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.spi import Connector
from tests.support.accounts_api import connected, serving_accounts
from tests.support.rest_server import RestServer


@pytest.fixture
def server() -> Iterator[RestServer]:
    """The API of accounts, served."""
    with serving_accounts() as server:
        yield server


@pytest.fixture
def api(server: RestServer) -> Connector:
    """The source `crm` over `server`."""
    return connected(server)
