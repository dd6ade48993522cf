"""A fragment as the requests that answer it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast
from urllib.parse import quote

import pyarrow as pa
from sqlglot import exp

from connectors.rest.table import Lookup, RestTable, parameter
from connectors.rest.values import written
from connectors.spi.errors import MissingKey, SourceConfig
from connectors.spi.fragment import Fragment
from connectors.spi.session import Values

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One question to the API, before paging. `keys` are the rows it is about (None: all), `lone` that it names one object."""

    path: str
    params: tuple[tuple[str, str], ...]
    keys: frozenset[Key] | None = None
    lone: bool = False


def requests(source: str, fragment: Fragment, table: RestTable, values: Values) -> tuple[str, list[Request]]:
    """What is asked, values shown as placeholders, and the requests. Raises MissingKey, SourceConfig."""
    carried = _parameters(fragment, table)
    params = tuple((name, written(values[value])) for name, value in carried.items() if values[value] is not None)
    shown = [f"{name}=${value}" for name, value in carried.items()]
    lookup = _lookup(fragment, table)
    if lookup is None and table.table.required and not _given(fragment, table):
        columns = " or ".join(table.table.required)
        message = f"{source}.{table.table.name} is read by {columns} only"
        raise MissingKey(message, hint=f"add WHERE {table.table.required[0]} = ..., or join it by a key")
    if fragment.keys is None:
        return _shown(table.path, shown, table), [Request(table.path, params)]
    keys = _keys(fragment, values)
    if lookup is None:  # the API cannot be asked for these keys: they are picked from all rows
        return _shown(table.path, shown, table), [Request(table.path, params, frozenset(keys))]
    if lookup.path:
        return _shown(lookup.path, shown, None), [
            Request(_filled(lookup, key), params, frozenset([key]), True) for key in keys if _nameable(key)
        ]
    asked = [Request(table.path, (*params, *_batch(source, lookup, batch)), frozenset(batch)) for batch in _batches(keys, lookup.batch)]
    return _shown(table.path, [*shown, f"{lookup.param}=$keys"], table), asked


def _parameters(fragment: Fragment, table: RestTable) -> dict[str, str]:
    """Query parameter → name of the bound value. A second condition on the same parameter is left to the engine, which checks all."""
    found: dict[str, str] = {}
    for conjunct in fragment.conjuncts:
        for atom in conjunct.flatten() if isinstance(conjunct, exp.And) else (conjunct,):
            atom = atom.unnest()
            if isinstance(atom, exp.And):
                found = {**_parameters(replace(fragment, conjuncts=(atom,)), table), **found}
            elif (name := parameter(atom, table.column(atom.this.name))) is not None:
                found.setdefault(name, atom.expression.name)
    return found


def _lookup(fragment: Fragment, table: RestTable) -> Lookup | None:
    if fragment.keys is None:
        return None
    columns = fragment.keys.columns
    equal = table.column(columns[0]).parameters.get("=") if len(columns) == 1 else None
    return table.lookup(columns) or (Lookup(columns, equal) if equal else None)


def _given(fragment: Fragment, table: RestTable) -> bool:
    equal = {table.column(name).parameters.get("=") for name in table.table.required}
    return bool(equal & set(_parameters(fragment, table)))


def _keys(fragment: Fragment, values: Values) -> list[Key]:
    assert fragment.keys is not None
    arrays = cast(Sequence[pa.Array], values[fragment.keys.slot])
    return list(zip(*(array.to_pylist() for array in arrays), strict=True))


def _batches(keys: list[Key], size: int) -> Iterator[list[Key]]:
    for i in range(0, len(keys), size):
        yield keys[i : i + size]


def _batch(source: str, lookup: Lookup, keys: list[Key]) -> tuple[tuple[str, str], ...]:
    texts = [written(key[0]) for key in keys]
    if lookup.separator == "repeat" or lookup.batch == 1:
        return tuple((lookup.param, text) for text in texts)
    if any(lookup.separator in text for text in texts):  # it would be taken for two keys, and its row be missing
        hint = "set another `separator`, or `separator: repeat`"
        raise SourceConfig(f"source `{source}`: a key of `{lookup.columns[0]}` holds the separator of its `lookup`", hint=hint)
    return ((lookup.param, lookup.separator.join(texts)),)


def _filled(lookup: Lookup, key: Key) -> str:
    path = lookup.path
    for name, value in zip(lookup.columns, key, strict=True):
        path = path.replace("{" + name + "}", quote(written(value), safe=""))
    return path


def _nameable(key: Key) -> bool:
    """'', '.' and '..' cannot stand in a path: they would name another resource."""
    return all(written(value) not in ("", ".", "..") for value in key)


def _shown(path: str, params: list[str], table: RestTable | None) -> str:
    paged = [f"{table.page.param}=..."] if table is not None and table.page.style else []
    return f"GET {path}" + ("?" + "&".join([*params, *paged]) if params or paged else "")
