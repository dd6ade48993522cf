"""Whether a crosswalk can be encrypted here: DuckDB encrypts files by its httpfs extension, which comes as a wheel for each version."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import duckdb
import pytest

_WHEEL = find_spec("duckdb_extension_httpfs")
CAN_ENCRYPT = _WHEEL is not None and any(
    Path(folder, "extensions", f"v{duckdb.__version__}").is_dir() for folder in _WHEEL.submodule_search_locations or []
)
needs_encryption = pytest.mark.skipif(not CAN_ENCRYPT, reason="no httpfs wheel for this DuckDB")
