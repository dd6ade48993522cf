"""YAML as its version 1.2 reads plain words (`no` and `12:30` are texts, `2024-01-01` is no date), by libyaml."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import yaml

DEEPEST = 100
"""Deeper than any project file is; who composes nodes calls itself for each level."""

_WORDS = {
    "bool": ("true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": ("[-+]?[0-9][0-9_]*|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (
        r"[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    "null": ("~|null|Null|NULL|", ("~", "n", "N", "")),
    "merge": ("<<", "<"),
}
"""By kind: its form, and what it can begin with."""


class CoreLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Resolves plain words by the core schema of YAML 1.2.2 (section 10.3.2), with `1_000` as a number and `<<` to merge. By libyaml a file
    is read in a twentieth of the time that Python takes for it."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


for _kind, (_form, _first) in _WORDS.items():
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"(?:{_form})$"), list(_first))


def composed(text: str) -> Any:
    """The root node of a file, None if there is nothing in it. Raises yaml.YAMLError, also for what is nested too deep."""
    depth = 0
    for event in yaml.parse(text, Loader=CoreLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"nested more than {DEEPEST} deep", problem_mark=event.start_mark)
    return yaml.compose(text, Loader=CoreLoader)
