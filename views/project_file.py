"""Read YAML files with the place of every key and value, and merge included ones into one tree."""

from __future__ import annotations

import glob
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from views.errors import Conflict, IncludeCycle, ProjectFile, WrongValue
from views.model import Location

MAX_NODES = 200_000
"""More than any project needs; aliases of aliases reach it at once."""

TAG = "tag:yaml.org,2002:"
SCALARS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "timestamp": str,  # a date stays text: nothing in a project file is one
    "int": lambda text: int(text, 0) if text[:2] in ("0o", "0x") else int(text.replace("_", "")),
    "float": lambda text: float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan")),
    "bool": lambda text: text.lower() == "true",
    "null": lambda text: None,
}


@dataclass(slots=True)
class Node:
    """A value of a YAML file: a scalar, `list[Node]` or `dict[str, Node]`.

    `at` is where it starts, `key_at` where its key does (if it stands under one). `verbatim` says that the scalar stands in
    the file as it is, on one line, from `text_column` on: then places within it are known too.
    """

    value: Any
    at: Location
    key_at: Location | None = None
    verbatim: bool = False
    text_column: int = 1

    def plain(self) -> Any:
        """The value as plain dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def find(self, *path: str | int) -> Node:
        """The node under a path of keys and indexes; the last one on the way that exists."""
        node = self
        for step in path:
            inside = node.value
            there = (
                step in inside if isinstance(inside, dict) else isinstance(inside, list) and isinstance(step, int) and step < len(inside)
            )
            if not there:
                break
            node = inside[step]
        return node

    def key(self, *path: str | int) -> Location:
        """Where the key (else the value) under a path stands."""
        node = self.find(*path)
        return node.key_at or node.at

    def offset(self, characters: int) -> Location:
        """Where the n-th character of a scalar stands, or where the scalar does if that is not known."""
        return Location(self.at.file, self.at.line, self.text_column + characters) if self.verbatim else self.at


@dataclass(slots=True)
class _Reader:
    """One file's YAML nodes as ours."""

    file: str
    lines: list[str]
    open: list[int] = field(default_factory=list)
    count: int = 0

    def location(self, mark: Any) -> Location:
        return Location(self.file, mark.line + 1, mark.column + 1)

    def node(self, yaml: Any) -> Node:
        at = self.location(yaml.start_mark)
        self.count += 1
        if id(yaml) in self.open or self.count > MAX_NODES:
            raise ProjectFile("an alias that contains itself, or aliases without end", at, hint="write the values out")
        kind = yaml.tag.removeprefix(TAG)
        if isinstance(yaml.value, str):
            return self.scalar(yaml, kind, at)
        if kind not in ("map", "seq"):
            raise WrongValue(f"`!{kind}` is not part of the format", at, hint="use plain mappings, lists and scalars")
        self.open.append(id(yaml))
        value = self.mapping(yaml) if kind == "map" else [self.node(item) for item in yaml.value]
        self.open.pop()
        return Node(value, at)

    def mapping(self, yaml: Any) -> dict[str, Node]:
        found: dict[str, Node] = {}
        merged: dict[str, Node] | None = None
        for key, value in yaml.value:
            at = self.location(key.start_mark)
            if not isinstance(key.value, str):
                raise WrongValue("a key must be a word", at)
            if key.tag == TAG + "merge":
                if merged is not None:
                    raise Conflict("`<<` stands here twice", at, hint="write one with a list: `<<: [*name, *other]`")
                merged = self.merged(value)
                continue
            if key.value in found:
                raise Conflict(f"`{key.value}` stands here twice", at, hint=f"the first is at {found[key.value].key_at}: keep one")
            node = self.node(value)
            node.key_at = at
            found[key.value] = node
        return {**(merged or {}), **found}  # what is written beside `<<` counts more

    def merged(self, yaml: Any) -> dict[str, Node]:
        """What `<<: *name` or `<<: [*name, *other]` brings, at the places where they are written; the first of several counts."""
        node = self.node(yaml)
        items = node.value if isinstance(node.value, list) else [node]
        for item in items:
            if not isinstance(item.value, dict):
                raise WrongValue(
                    "`<<` takes a mapping, or a list of mappings", item.at, hint="write `<<: *name`, with `&name` on a mapping"
                )
        return {key: value for item in reversed(items) for key, value in item.value.items()}

    def scalar(self, yaml: Any, kind: str, at: Location) -> Node:
        if kind not in SCALARS:
            raise WrongValue(f"`!{kind}` is not part of the format", at, hint="use a plain scalar")
        column = at.column + (1 if yaml.style in ("'", '"') else 0)
        verbatim = yaml.style not in ("|", ">") and self.lines[at.line - 1][column - 1 :].startswith(yaml.value)
        try:
            value = SCALARS[kind](yaml.value)
        except ValueError as error:  # `!!int many`
            raise WrongValue(f"this is no {kind}", at, hint="leave out the tag, or write what it says") from error
        return Node(value, at, None, verbatim, column)


def read_yaml(path: Path, shown: str) -> Node:
    """One file as a tree whose places are called `shown`. Raises ProjectFile, Conflict, WrongValue."""
    from yaml import MarkedYAMLError, YAMLError

    from views.yaml_core import composed

    try:
        text = path.read_text(encoding="utf-8-sig")
        root = composed(text)
    except OSError as error:
        raise ProjectFile(f"{shown} cannot be read: {error.strerror}", hint="`c360 init` writes a project file") from error
    except UnicodeDecodeError as error:
        raise ProjectFile(f"{shown} is not UTF-8 (byte {error.start})", hint="save it as UTF-8") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Location(shown, mark.line + 1, mark.column + 1) if mark else Location(shown)
        raise ProjectFile(f"not YAML: {error.problem or error.context}", where, hint=_yaml_hint(str(error.problem))) from error
    except (YAMLError, ValueError) as error:
        raise ProjectFile("not YAML: a character that YAML does not allow", Location(shown)) from error
    lines = text.split("\n")
    node = Node({}, Location(shown)) if root is None else _Reader(shown, lines).node(root)
    if not isinstance(node.value, dict):
        raise WrongValue("a project file is a mapping", node.at, hint="start with `version: 1`")
    return node


def _yaml_hint(problem: str) -> str:
    if "mapping values are not allowed" in problem or problem.startswith(("did not find expected key", "did not find expected '-'")):
        return "check the indentation; put quotes around a value that holds `: ` or ` #`, or that begins with a quote"
    return "check the indentation and quotes"


MERGE_DEPTH = {"sources": 1, "objects": 3, "mappings": 1, "identity": 1, "survivorship": 1, "policies": 1, "principals": 1, "settings": 1}
"""How deep the sections of two files run together: `objects` down to single attributes, others down to their names."""


def read_project(path: Path, shown: str, unmatched: list[str]) -> Node:
    """The project file and all that it includes, as one tree. Patterns of `include` that match no file (yet) are added to `unmatched`.

    Raises what `read_yaml` does, and IncludeCycle.
    """
    return _read_with_includes(path, shown, (), set(), unmatched)


def _read_with_includes(path: Path, shown: str, above: tuple[Path, ...], seen: set[Path], unmatched: list[str]) -> Node:
    resolved = path.resolve()
    seen.add(resolved)
    root = read_yaml(path, shown)
    for section in MERGE_DEPTH:
        if section in root.value and root.value[section].value is None:  # all that stood in it is a comment now
            del root.value[section]
    for name in [key for key in root.value if key.startswith("x-")]:  # a place for what `<<` merges elsewhere
        del root.value[name]
    include = root.value.pop("include", None)
    for item in _items(include):
        if not (files := _included(item, path, shown)):
            unmatched.append(item.value)
        for found in files:
            if found.resolve() in (*above, resolved):
                chain = " → ".join(p.name for p in (*above, resolved, found.resolve()))
                raise IncludeCycle(f"files include each other: {chain}", item.at, hint="remove one `include`")
            if found.resolve() not in seen:
                name = str(Path(shown).parent / found.relative_to(path.parent)) if found.is_relative_to(path.parent) else str(found)
                _merge(root, _read_with_includes(found, name, (*above, resolved), seen, unmatched))
    return root


def _items(include: Node | None) -> list[Node]:
    if include is None:
        return []
    items = include.value if isinstance(include.value, list) else [include]
    for item in items:
        if not isinstance(item.value, str):
            raise WrongValue("`include` takes a file name or a list of them", item.at)
    return items


def _included(item: Node, path: Path, shown: str) -> list[Path]:
    """The files that an item names. A pattern may match none, as in a project whose folder of mappings is still empty; but not where
    YAML lies in that folder under other names."""
    base = path.parent
    found = sorted(glob.glob(item.value, root_dir=base, recursive=True))  # noqa: PTH207  Path.glob refuses absolute and ../ paths
    if not found:
        hint = f"paths are relative to the directory of {shown}"
        if not glob.has_magic(item.value):
            raise ProjectFile(f"`{item.value}` is no file", item.at, hint=hint)
        beside = sorted(p.name for p in (base / item.value).parent.glob("*.y*ml") if p != path)
        if beside:
            raise ProjectFile(f"`{item.value}` matches no file, and beside there is `{beside[0]}`", item.at, hint=hint)
    return [base / name for name in found]


def _merge(into: Node, other: Node) -> None:
    for name, node in other.value.items():
        mine = into.value.get(name)
        if mine is None:
            into.value[name] = node
        elif not (name == "version" and mine.value == node.value):
            _merge_section(name, mine, node, MERGE_DEPTH.get(name, 0))


def _merge_section(name: str, mine: Node, other: Node, depth: int) -> None:
    if depth and isinstance(mine.value, list) and isinstance(other.value, list):
        mine.value.extend(other.value)
    elif depth and isinstance(mine.value, dict) and isinstance(other.value, dict):
        for key, node in other.value.items():
            if key in mine.value:
                _merge_section(key, mine.value[key], node, depth - 1)
            else:
                mine.value[key] = node
    else:
        raise Conflict(f"`{name}` is defined twice", other.key_at or other.at, hint=f"the other is at {mine.key_at or mine.at}: keep one")
