"""How every DuckDB of ours begins: it installs and loads nothing, keeps no secret, looks up no Python variable, and writes no file."""

from __future__ import annotations

from collections.abc import Mapping

LOCKED_DOWN: Mapping[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_unsigned_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
    "max_temp_directory_size": "0KiB",  # nothing spills: a spill file would hold source rows in the clear
    "temp_directory": "",
}
