"""Reading a source's options: what is missing, unknown or malformed becomes a SourceConfig that names it."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

from connectors.spi.errors import SourceConfig

T = TypeVar("T")


class Options:
    """One source's options, taken out one by one; `done()` refuses what nobody took.

    >>> options = Options("crm", {"path": "x.db"})
    >>> options.require("path", str), options.take("connections", int, 4)
    ('x.db', 4)
    >>> options.done()
    """

    def __init__(self, source: str, options: Mapping[str, object]) -> None:
        self.source = source
        self._left = dict(options)
        self._known = ["kind", "timezone"]  # of every source: taken before its options come here

    def take(self, name: str, type_: type[T], default: T) -> T:
        """The option, or `default`. Integers are taken where a float is asked for."""
        self._known.append(name)
        value = self._left.pop(name, None)
        if value is None:
            return default
        if type_ is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, type_) or (type_ is int and isinstance(value, bool)):
            raise SourceConfig(f"source `{self.source}`: option `{name}` must be a {type_.__name__}, not a {type(value).__name__}")
        return value

    def require(self, name: str, type_: type[T]) -> T:
        """The option; SourceConfig if it is missing."""
        if self._left.get(name) is None:
            raise SourceConfig(f"source `{self.source}`: option `{name}` is missing", hint=f"add `{name}:` under the source")
        return self.take(name, type_, type_())

    def done(self) -> None:
        """Raise SourceConfig for the first option that no one asked for."""
        for name in self._left:
            near = get_close_matches(name, self._known, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"known options: {', '.join(sorted(self._known))}"
            raise SourceConfig(f"source `{self.source}`: unknown option `{name}`", hint=hint)


def required_columns(source: str, tables: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """The `required` columns of each table under the option `tables` ({contact: {required: [id]}})."""
    required: dict[str, tuple[str, ...]] = {}
    for table, entry in tables.items():
        columns = entry.get("required") if isinstance(entry, Mapping) and set(entry) <= {"required"} else None
        if not isinstance(columns, list) or not all(isinstance(c, str) for c in columns):
            raise SourceConfig(f"source `{source}`: `tables.{table}` must be a mapping with a list `required`", hint="required: [id]")
        required[table] = tuple(columns)
    return required
