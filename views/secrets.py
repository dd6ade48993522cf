"""`${env:NAME}`, `${env:NAME:-default}` and `${file:path}` in a project file: resolved when they are used, never shown.

`$${` is a plain `${`. A file's path is relative to the project; its text is taken without the line ends after it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from views.errors import SECRET_OPTION, LiteralSecret, MissingSecret, Problems, WrongValue
from views.model import Location
from views.project_file import Node

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<body>[^}]*)\}")
_BODY = re.compile(r"^(env:(?P<env>[A-Za-z_]\w*)(?P<has_default>:-(?P<default>.*))?|file:(?P<file>.+))$", re.DOTALL)
_PASSWORD_INSIDE = re.compile(r"(?:://[^/@\s]*?:(?=[^/@\s]+@)|\b(?:password|pwd)\s*=\s*)(?P<password>[^/@\s;]+)", re.IGNORECASE)
"""A password in a URI or in a connection string of words."""

PATHS = frozenset({"path", "paths", "file", "files", "directory"})
"""Options whose relative values are made absolute against the project's directory: of a source that names no server."""

SERVERS = frozenset({"uri", "url", "base_url", "host", "dsn", "service"})


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A text of the project file that may hold `${…}`. `reveal()` is the only way to its value."""

    text: str
    root: str
    owner: str
    location: Location

    def reveal(self) -> str:
        """The text with every reference replaced. Raises MissingSecret, which names the variable or file."""
        return _REFERENCE.sub(self._one, self.text)

    def _one(self, match: re.Match[str]) -> str:
        if match["body"] is None:
            return "${"
        body = _BODY.match(match["body"])
        assert body is not None, "checked at load"
        if path := body["file"]:
            return self._file(path)
        found = os.environ.get(body["env"]) or body["default"]
        if found is None:
            name = body["env"]
            hint = f"set {name} in the environment, or give a default: ${{env:{name}:-…}}"
            raise MissingSecret(self.owner, f"the environment variable {name} is not set", self.location, hint=hint)
        return found

    def _file(self, path: str) -> str:
        try:
            return (Path(self.root) / path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise MissingSecret(
                self.owner, f"the file {path} cannot be read", self.location, hint="create it, or correct the path"
            ) from error

    def __repr__(self) -> str:
        return f"Secret({self.owner})"


class Options(Mapping[str, Any]):
    """A source's options. Texts with `${…}` are resolved each time they are read; nothing of them is ever shown.

    Reading raises MissingSecret if what a reference names is not there. Relative paths come out absolute.
    """

    def __init__(self, raw: Mapping[str, Any], root: str) -> None:
        self._raw = dict(raw)
        self._root = None if SERVERS & self._raw.keys() else root

    def __getitem__(self, name: str) -> Any:
        return _resolved(self._raw[name], name, self._root)

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __repr__(self) -> str:
        return f"Options({', '.join(self._raw)})"


def _resolved(value: Any, name: str, root: str | None) -> Any:
    """The value with its secrets revealed and its paths absolute; `tables: {points: points.csv}` holds paths too."""
    if isinstance(value, Mapping):
        return {
            key: _resolved(item, "path" if name == "tables" and not isinstance(item, Mapping | list) else key, root)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_resolved(item, name, root) for item in value]
    text = value.reveal() if isinstance(value, Secret) else value
    local = root is not None and isinstance(text, str) and name in PATHS and "://" not in text and not text.startswith(("~", ":"))
    return str(Path(root or "") / text) if local else text


def options(entries: Mapping[str, Node], owner: str, root: str, problems: Problems) -> Options:
    """The entries of a source as its options; literal credentials and malformed references go to `problems`."""
    return Options({name: _lazy(item, name, owner, root, problems) for name, item in entries.items()}, root)


def _lazy(node: Node, name: str, owner: str, root: str, problems: Problems) -> Any:
    if isinstance(node.value, dict):
        return {key: _lazy(item, key, owner, root, problems) for key, item in node.value.items()}
    if isinstance(node.value, list):
        return [_lazy(item, name, owner, root, problems) for item in node.value]
    secret_name = SECRET_OPTION.search(name) is not None
    if not isinstance(node.value, str):
        if secret_name and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            problems.add(_literal(node, name))
        return node.value
    return secret(node, name, owner, root, problems, must_refer=secret_name)


def secret(node: Node, name: str, owner: str, root: str, problems: Problems, *, must_refer: bool) -> Any:
    """A text of the file as itself, or as a `Secret` if it refers to something."""
    text = str(node.value)
    refers = False
    for match in _REFERENCE.finditer(text):
        refers = True
        if match["body"] is not None and not _BODY.match(match["body"]):
            at = node.offset(match.start())
            problems.add(WrongValue("this `${…}` cannot be read", at, hint="write ${env:NAME}, ${env:NAME:-default} or ${file:path}"))
    if "${" in _REFERENCE.sub("", text):
        problems.add(WrongValue("a `${` without its `}`", node.at, hint="write ${env:NAME}, or $${ for a plain ${"))
    password = _PASSWORD_INSIDE.search(text)
    if (must_refer and not refers and text) or (password and "${" not in password["password"]):
        problems.add(_literal(node, name))
    return Secret(text, root, owner, node.at) if refers else text


def _literal(node: Node, name: str) -> LiteralSecret:
    return LiteralSecret(f"a credential is written into `{name}`", node.key_at or node.at, hint="put it into the environment: ${env:NAME}")
