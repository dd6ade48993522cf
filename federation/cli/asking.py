"""What the commands that ask have in common: the query's text, its parameters, on whose behalf; how a record is named."""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from federation.project import Project

F = TypeVar("F", bound=Callable[..., Any])

_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9]\d*)\.\d+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?")


def text_arguments(function: F) -> F:
    """QUERY | -f FILE | -, and --param."""
    function = click.option(
        "--param", multiple=True, metavar="NAME[:TYPE]=VALUE",
        help="Bind $NAME. Numbers, dates and true/false are told by their form; TYPE insists: text, int, decimal, double, bool, date, "
        "timestamp.",
    )(function)  # fmt: skip
    function = click.option(
        "-f", "--file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Read the query from a file."
    )(function)
    return click.argument("query", required=False)(function)


def as_whom(function: F) -> F:
    """--principal and --purpose: what may be seen depends on them."""
    function = click.option("--purpose", metavar="NAME", help="What the answer is for; policies may ask.")(function)
    return click.option("--principal", metavar="NAME", help="On whose behalf (default: the local user).")(function)


def query_of(query: str | None, file: Path | None) -> str:
    """The text of the query, from wherever it is given. Raises click.UsageError."""
    if (query is None) == (file is None):
        raise click.UsageError("give the query as QUERY, with -f FILE, or as - on stdin")
    try:
        text = file.read_text(encoding="utf-8-sig") if file is not None else sys.stdin.read() if query == "-" else query or ""
    except OSError as error:
        raise click.UsageError(f"`{file}` cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.UsageError(f"the query is not UTF-8 (byte {error.start})") from error
    if not text.strip():
        raise click.UsageError("the query is empty")
    return text


def params_of(given: tuple[str, ...]) -> dict[str, object] | None:
    """Parameters by name. Raises click.UsageError."""
    found: dict[str, object] = {}
    for item in given:
        name, equals, text = item.partition("=")
        name, _, type_ = name.partition(":")
        if not equals or not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise click.UsageError(f"--param takes NAME=VALUE or NAME:TYPE=VALUE, not `{item}`")
        if name in found:
            raise click.UsageError(f"parameter `{name}` is given twice")
        found[name] = _typed(name, type_, text) if type_ else guessed(text)
    return found or None


def guessed(text: str) -> object:
    """A value by its form. What starts with a 0 or + stays text: postal codes and telephone numbers do.

    >>> guessed("42"), guessed("1.50"), guessed("01067"), guessed("2024-05-01"), guessed("true"), guessed("ada@example.org")
    (42, Decimal('1.50'), '01067', datetime.date(2024, 5, 1), True, 'ada@example.org')
    """
    for form, read in ((_WHOLE, int), (_DECIMAL, Decimal), (_DATE, dt.date.fromisoformat), (_MOMENT, dt.datetime.fromisoformat)):
        if form.fullmatch(text):
            try:
                return read(text)
            except ValueError:  # 2024-13-45: no date after all
                return text
    return {"true": True, "false": False}.get(text, text)


_TYPES: dict[str, Callable[[str], object]] = {
    "text": str, "int": int, "decimal": Decimal, "double": float, "date": dt.date.fromisoformat, "timestamp": dt.datetime.fromisoformat,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
}  # fmt: skip


def _typed(name: str, type_: str, text: str) -> object:
    if type_ not in _TYPES:
        raise click.UsageError(f"parameter `{name}`: there is no type `{type_}`; use one of {', '.join(_TYPES)}")
    try:
        return _TYPES[type_](text)
    except (ValueError, KeyError, InvalidOperation) as error:
        raise click.UsageError(f"parameter `{name}`: that is no {type_}") from error


def record_of(project: Project, text: str) -> tuple[Any, ...]:
    """The record that `source.table:key` names; a key of several parts as `_parts` reads it. Raises click.UsageError."""
    if (found := named_record(project, text)) is None:
        raise click.UsageError(f"a record is named source.table:key (crm.contact:42), not `{text}`")
    return found


def named_record(project: Project, text: str) -> tuple[Any, ...] | None:
    """As `record_of`; None if the text names no record."""
    place, _, key = text.partition(":")
    source, _, table = place.partition(".")
    if not (key and table and source):
        return None
    composite = any(len(m.key) > 1 for m in project.model.mappings if (m.source, m.table) == (source, table))
    return (source, table, *(_parts(key) if composite else [key]))


def _parts(key: str) -> list[str]:
    """The parts of a composite key: with commas between, or a JSON array, as the column `key` of the views shows it."""
    if key.startswith("["):
        with suppress(ValueError):
            return [part if isinstance(part, str) else json.dumps(part) for part in json.loads(key, parse_float=str, parse_int=str)]
    return key.split(",")
