"""The options of a REST source.

base_url: https://api.example.org/v2
headers: {Authorization: "Bearer ${env:TOKEN}"}     sent with every request, shown nowhere
timeout: 10                                         seconds without an answer, or between two parts of one
concurrency: 4                                      requests at a time, per session
ping: /health                                       what `debug` asks; without it, the base URL
tables:
  account:
    path: /accounts
    columns: {id: BIGINT, email: VARCHAR, city: {type: VARCHAR, field: address.city}, tags: JSON, updated_at: TIMESTAMPTZ}
    key: [id]
    required: [id, email]                           never read whole
    items: data.list                                where the rows are in the answer; without it, the answer itself
    lookup:
      id: {param: ids, batch: 50, separator: ","}   GET /accounts?ids=1,2,3
      email: email                                  GET /accounts?email=..., one request per key
      "region, number": {path: "/regions/{region}/accounts/{number}"}     one object; 404 is no row
    filters: {email: "=", updated_at: {">=": updated_since, "<": updated_before}}     operator, or operator: parameter
    page: {style: cursor, param: cursor, next: meta.next, size_param: limit, size: 100}
          # style: cursor (`next` names the next cursor in the answer) | page (counts from `start`, 1) | offset
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import pyarrow as pa

from connectors.options import Options
from connectors.rest.client import Api
from connectors.rest.connector import Rest
from connectors.rest.table import Lookup, Page, RestColumn, RestTable
from connectors.spi.errors import MissingDriver, SourceConfig
from connectors.spi.schema import Table

_TYPES = {
    "BIGINT": (pa.int64(), "int"), "INTEGER": (pa.int64(), "int"), "DOUBLE": (pa.float64(), "double"), "BOOLEAN": (pa.bool_(), "bool"),
    "VARCHAR": (pa.string(), "text"), "DATE": (pa.date32(), "date"), "TIMESTAMP": (pa.timestamp("us"), "timestamp"),
    "TIMESTAMPTZ": (pa.timestamp("us", "UTC"), "timestamptz"), "JSON": (pa.string(), "json"),
}  # fmt: skip
_DECIMAL = re.compile(r"DECIMAL\((\d+), ?(\d+)\)")
_OPERATORS = ("=", "<", "<=", ">", ">=")


def connect(name: str, options: Mapping[str, object]) -> Rest:
    """See `connectors.registry.Factory`."""
    try:
        import urllib3  # noqa: F401
    except ImportError as error:
        raise MissingDriver(f"source `{name}`: the HTTP client is not installed", hint="pip install 'c360[rest]'") from error
    taken = Options(name, options)
    api = Api(
        name,
        _base_url(name, taken.require("base_url", str)),
        _texts(name, "headers", taken.take("headers", dict, {})),
        timeout=taken.take("timeout", float, 10.0),
        concurrency=taken.take("concurrency", int, 4),
        max_bytes=taken.take("max_bytes", int, 64 * 2**20),
    )
    ping = taken.take("ping", str, "")
    tables = {str(t): _table(f"{name}.{t}", str(t), entry) for t, entry in taken.require("tables", dict).items()}
    max_keys = taken.take("max_keys", int, 2000)
    taken.done()
    return Rest(api, tables, ping=ping, max_keys=max_keys)


def _base_url(source: str, url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        hint = "base_url: https://host/path; credentials go into `headers`"
        raise SourceConfig(f"source `{source}`: `base_url` must be an http(s) URL without credentials and query", hint=hint)
    return url.rstrip("/")


def _texts(where: str, option: str, given: Mapping[object, object]) -> dict[str, str]:
    if not all(isinstance(k, str) and isinstance(v, str) and "\n" not in k + v and "\r" not in k + v for k, v in given.items()):
        raise SourceConfig(f"source `{where}`: `{option}` must give one line of text for each name")
    return {str(k): str(v) for k, v in given.items()}


def _table(where: str, name: str, entry: object) -> RestTable:
    if not isinstance(entry, Mapping):
        raise SourceConfig(f"`{where}` must be a mapping", hint="see the options of kind `rest`")
    taken = Options(where, entry)
    filters = {str(c): _filters(where, str(c), given) for c, given in taken.take("filters", dict, {}).items()}
    columns = tuple(_column(where, str(c), given, filters.get(str(c), {})) for c, given in taken.require("columns", dict).items())
    key = tuple(map(str, taken.take("key", list, [])))
    required = tuple(map(str, taken.take("required", list, [])))
    lookups = tuple(_lookup(where, str(c), given) for c, given in taken.take("lookup", dict, {}).items())
    found = RestTable(
        Table(name, columns, key, required),
        _path(where, taken.require("path", str)),
        _way(taken.take("items", str, "")),
        lookups,
        _page(where, taken.take("page", dict, {})),
    )
    taken.done()
    named = {*key, *required, *filters, *(c for lookup in lookups for c in lookup.columns)}
    unknown = sorted(named - {c.name for c in columns})
    if unknown:
        raise SourceConfig(f"`{where}` speaks of a column `{unknown[0]}` that is not under its `columns`")
    return found


def _column(where: str, name: str, given: object, parameters: Mapping[str, str]) -> RestColumn:
    entry = given if isinstance(given, Mapping) else {"type": given}
    taken = Options(f"{where}.{name}", entry)
    native, way = taken.require("type", str).upper(), taken.take("field", str, name)
    taken.done()
    decimal = _DECIMAL.fullmatch(native)
    if decimal:
        type_, kind = pa.decimal128(int(decimal[1]), int(decimal[2])), "decimal"
    elif native in _TYPES:
        type_, kind = _TYPES[native]
    else:
        raise SourceConfig(f"`{where}.{name}`: no type `{native}`", hint=f"use one of: {', '.join(_TYPES)}, DECIMAL(p,s)")
    return RestColumn(name, type_, kind, native, way=_way(way), parameters=parameters)


def _filters(where: str, column: str, given: object) -> dict[str, str]:
    found = {given: column} if isinstance(given, str) else dict(given) if isinstance(given, Mapping) else {}
    if not found or not all(o in _OPERATORS and isinstance(p, str) and p for o, p in found.items()):
        hint = 'email: "=", or updated_at: {">=": updated_since}'
        raise SourceConfig(f"`{where}`: `filters.{column}` must be one of {' '.join(_OPERATORS)}, or give a parameter for each", hint=hint)
    return {str(o): str(p) for o, p in found.items()}


def _lookup(where: str, columns: str, given: object) -> Lookup:
    names = tuple(c.strip() for c in columns.split(","))
    taken = Options(f"{where}.lookup", {"param": given} if isinstance(given, str) else given if isinstance(given, Mapping) else {})
    lookup = Lookup(
        names, taken.take("param", str, ""), taken.take("batch", int, 1), taken.take("separator", str, ","), taken.take("path", str, "")
    )
    taken.done()
    holes = set(re.findall(r"\{(\w+)\}", lookup.path))
    if bool(lookup.param) == bool(lookup.path) or lookup.batch < 1 or (lookup.path and holes != set(names)) or (lookup.param and names[1:]):
        hint = 'id: {param: ids, batch: 50}, or "region, id": {path: "/regions/{region}/accounts/{id}"}'
        raise SourceConfig(f"`{where}`: `lookup.{columns}` needs a `param` (one column), or a `path` with every column in it", hint=hint)
    return lookup


def _page(where: str, given: Mapping[str, object]) -> Page:
    taken = Options(f"{where}.page", given)
    page = Page(
        taken.take("style", str, "cursor" if given else ""), taken.take("param", str, ""), _way(taken.take("next", str, "")),
        taken.take("start", int, 1), taken.take("size_param", str, ""), taken.take("size", int, 0),
    )  # fmt: skip
    taken.done()
    complete = {"": True, "cursor": bool(page.param and page.next), "page": bool(page.param), "offset": bool(page.param)}
    if not complete.get(page.style, False):
        raise SourceConfig(f"`{where}`: `page` needs a `style` (cursor, page, offset), a `param`, and for cursor `next`")
    return page


def _path(where: str, path: str) -> str:
    if not path.startswith("/") or "?" in path:
        raise SourceConfig(f"`{where}`: `path` must begin with a slash and have no query")
    return path


def _way(dotted: str) -> tuple[str, ...]:
    return tuple(p for p in dotted.split(".") if p)
