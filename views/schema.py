"""The JSON Schema of a project file, for editors; made from `fields`, published as `views/c360.schema.json`.

    python -m views.schema          # writes it anew after a change of `fields`

An editor finds it by the file's first line: `# yaml-language-server: $schema=<where it lies>`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from views.fields import REST, ProjectFields

PUBLISHED = Path(__file__).with_name("c360.schema.json")


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) as plain data. Included files hold parts of a project, so nothing at the top is required."""
    extra = [cls for cls in REST.values() if cls is not Any]
    (root, *_), definitions = msgspec.json.schema_components([ProjectFields, *extra], ref_template="#/$defs/{name}")
    for cls, entry in REST.items():
        definitions[cls.__name__]["additionalProperties"] = True if entry is Any else {"$ref": f"#/$defs/{entry.__name__}"}
    definitions["ProjectFields"] |= {"required": [], "patternProperties": {"^x-": {"description": "anything, for `<<: *name` elsewhere"}}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "c360 project",
        "description": "A project file (c360.yml) or a part that it includes.",
        **root,
        "$defs": definitions,
    }


def render() -> str:
    """The schema as the text of its file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PUBLISHED.write_text(render(), encoding="utf-8")
